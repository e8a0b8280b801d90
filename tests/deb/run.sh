#!/bin/bash
# `make check-deb`: the packages are the same when they are built twice, lintian has nothing to say, and installing,
# enabling, removing and purging them in a Debian of its own (mmdebstrap) locks nobody out.
set -eu
cd -- "$(dirname -- "$0")/../.."
. tests/lib/checks.sh
. tests/lib/tree.sh
build=${B:-build}

[ "$(id -u)" -eq 0 ] || { echo "check-deb makes a tree of packages and needs root" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/cloister-deb.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

# in_root COMMAND...: in namespaces of its own, so that nothing that it starts or mounts stays.
in_root() {
	unshare --mount --pid --fork --kill-child --root="$root" --mount-proc env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root DEBIAN_FRONTEND=noninteractive "$@"
}

# in_machine COMMAND...: likewise, with a network of its own and the tree as its root, as a machine that has booted.
in_machine() {
	tree_enter "$root" --net --uts --ipc -- \
		sh -ec 'ip link set lo up; hostname localhost; export DEBIAN_FRONTEND=noninteractive; exec "$@"' machine "$@"
}

# sshd listens after its start has returned.
listens() {
	until (exec 3<>/dev/tcp/127.0.0.1/22) 2>/dev/null; do
		sleep 0.1
	done
}

pam_files() {
	(cd "$root/etc/pam.d" && sha256sum ./*)
}

check_built_twice_it_is_the_same() {
	make -s deb B="$build" >/dev/null
	mkdir -p "$work/first"
	cp "$build"/deb/*.deb "$work/first/"
	# At another time, by another umask.
	(umask 077 && sleep 2 && make -s deb B="$build" >/dev/null)
	local file
	for file in "$work"/first/*.deb; do
		cmp "$file" "$build/deb/$(basename "$file")" || fail "$file"
	done
}

check_lintian_is_content() {
	local said
	said=$(lintian --allow-root --fail-on none "$build"/deb/*.changes 2>&1 | grep -E '^[EW]:' || true)
	[ -z "$said" ] || fail "$said"
}

check_installing_changes_nothing_for_anybody() {
	mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
		--include=openssh-server,openssh-client,openssh-sftp-server,iproute2,sudo,cron,at,libpam-systemd,libcap2,libsubid4,libjson-c5,libarchive13,libssl3,libaudit1,login,passwd \
		bookworm "$root"
	pam_files >"$work/before"
	cp "$build"/deb/libpam-cloister_*.deb "$build"/deb/cloister_*.deb "$root/"
	in_root sh -c 'dpkg -i /libpam-cloister_*.deb /cloister_*.deb' || fail "dpkg -i"
	pam_files | cmp - "$work/before" || fail "a PAM file has changed"
	in_root grep -qx /usr/bin/cloister-sh /etc/shells || fail "no line in /etc/shells"
	[ "$(stat -c %a "$root/var/lib/cloister")" = 700 ] || fail "mode of /var/lib/cloister"
	[ ! -e "$root/etc/systemd/system/multi-user.target.wants/cloister-sessions.service" ] || fail "a unit is enabled"
	grep -q cloister-not-isolated "$root$(readlink "$root/etc/systemd/system/user@.service.d/50-cloister.conf")" || fail "no drop-in for user managers"
	in_root cloister --version | grep -q '^cloister' || fail "cloister does not run"
	in_root sh -c 'cloister check root; true' | grep -q 'root is not isolated' || fail "somebody is isolated"
}

# What autopkgtest(1) runs, by itself.
check_the_autopkgtest_passes() {
	cp debian/tests/login "$root/root/"
	in_machine /root/login || fail "debian/tests/login"
	rm "$root/root/login"
	pam_files | cmp - "$work/before" || fail "a PAM file has changed"
}

check_the_profile_is_the_last_line_of_the_common_stacks() {
	local file
	in_root pam-auth-update --enable cloister
	for file in common-session common-session-noninteractive; do
		[ "$(grep -E '^[^#]' "$root/etc/pam.d/$file" | tail -n 1 | awk '{print $1, $2, $3}')" = "session required pam_cloister.so" ] ||
			fail "$file: $(tail -n 5 "$root/etc/pam.d/$file")"
	done
	in_root su -s /bin/sh -c 'echo works' nobody | grep -qx works || fail "su does not work with it"
}

# Debian's own PAM files, but for the profile: what an administrator has after one command.
check_the_profile_isolates_in_every_service() {
	printf '[user:iris]\nisolate = yes\n' >"$root/etc/cloister/cloister.conf.d/iris.conf"
	in_root sh -ec 'useradd -m -s /bin/bash iris; useradd -m -s /bin/bash nora
		mkdir -p -m 0700 /root/.ssh
		ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519
		cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
		printf "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\nBatchMode yes\n" >/root/.ssh/config
		for user in iris nora; do
			install -d -o "$user" -g "$user" -m 0700 "/home/$user/.ssh"
			install -o "$user" -g "$user" -m 0600 /root/.ssh/id_ed25519.pub "/home/$user/.ssh/authorized_keys"
		done' || fail "users"
	declare -f listens >"$root/root/services.sh"
	cat >>"$root/root/services.sh" <<-'END'
		set -eu
		where() { # WHAT COMMAND...
			echo "$1: $(shift; "$@" 'cat /run/cloister/session 2>/dev/null | head -n 1 | cut -d- -f1; id -un' </dev/null | paste -sd' ')"
		}
		atd
		/usr/sbin/sshd
		listens
		for user in iris nora root; do
			where "ssh $user" ssh "$user@127.0.0.1"
			where "su $user" su -l "$user" -c
			where "sudo $user" sudo -iu "$user" sh -c
		done
		for user in iris nora; do
			echo "cd /home/$user; cat /run/cloister/session >at 2>/dev/null; id -un >>at" | setpriv --reuid "$user" --regid "$user" --init-groups at now 2>/dev/null
			for i in $(seq 100); do
				grep -qs "$user" "/home/$user/at" && break
				sleep 0.1
			done
			echo "at $user: $(sed -n '1s/-.*//p;$p' "/home/$user/at" | uniq | paste -sd' ')"
		done
		cloister check iris
	END
	in_machine bash /root/services.sh >"$work/said" || fail "$(cat "$work/said")"
	local service
	for service in ssh su sudo at; do
		grep -qx "$service iris: session=iris iris" "$work/said" || fail "$service: $(cat "$work/said")"
		grep -qx "$service nora: nora" "$work/said" || fail "$service, control: $(cat "$work/said")"
	done
	! grep -E '^(warning|error)' "$work/said" || fail "check is not content"
	grep -q '^ok: /etc/pam.d/sshd has pam_cloister.so, by way of /etc/pam.d/common-session' "$work/said" || fail "$(cat "$work/said")"
	for service in systemd-user cron atd; do
		grep -qx "ok: the PAM service $service has pam_cloister.so" "$work/said" || fail "$service: $(cat "$work/said")"
	done
}

# The configuration is the one thing that refuses everybody, and then root can mend it.
check_root_is_never_locked_out_by_the_profile() {
	mv "$root/etc/cloister" "$root/etc/away"
	printf '%s\n' "$(declare -f listens)" '/usr/sbin/sshd' listens \
		'for user in root nora iris; do ssh "$user@127.0.0.1" true && echo "$user can"; su -l root -c true && echo "su can"; done; true' \
		>"$root/root/locked.sh"
	in_machine bash /root/locked.sh >"$work/said" 2>&1 || fail "$(cat "$work/said")"
	mv "$root/etc/away" "$root/etc/cloister"
	[ "$(grep ' can$' "$work/said" | sort -u | paste -sd' ')" = "root can su can" ] || fail "$(cat "$work/said")"
	rm -r "$root/etc/cloister/cloister.conf.d/iris.conf" "$root/root/.ssh" "$root/root/services.sh" "$root/root/locked.sh"
	in_root sh -c 'userdel -r iris; userdel -r nora' 2>/dev/null || true
}

check_a_line_of_the_administrators_keeps_the_module() {
	echo 'session required pam_cloister.so' >>"$root/etc/pam.d/sshd"
	! in_root dpkg -r cloister libpam-cloister >"$work/said" 2>&1 || fail "it is removed"
	grep -q '^/etc/pam.d/sshd$' "$work/said" || fail "$(cat "$work/said")"
	in_root sh -c 'ls /lib/*/security/pam_cloister.so' || fail "the module is gone, and the line is there"
	in_root su -s /bin/sh -c 'echo works' nobody | grep -qx works || fail "su does not work any more"
	sed -i '$d' "$root/etc/pam.d/sshd"
	in_root sh -c 'dpkg -i /libpam-cloister_*.deb /cloister_*.deb' >/dev/null || fail "dpkg -i"
}

check_a_user_of_the_shell_keeps_the_shell() {
	in_root useradd -s /usr/bin/cloister-sh lola
	! in_root dpkg -r cloister >"$work/said" 2>&1 || fail "it is removed"
	grep -q 'login shell of lola' "$work/said" || fail "$(cat "$work/said")"
	in_root userdel lola
}

check_removed_nobody_is_locked_out() {
	in_root dpkg -r cloister libpam-cloister || fail "dpkg -r"
	! grep -rlE '^[^#]*pam_cloister' "$root/etc/pam.d" || fail "a line is left"
	! in_root grep -q cloister /etc/shells || fail "the shell is left in /etc/shells"
	in_root su -s /bin/sh -c 'echo works' nobody | grep -qx works || fail "su"
	[ ! -e "$root/etc/systemd/system/user@.service.d" ] || fail "the drop-in for user managers is left"
	in_root dpkg -P cloister libpam-cloister || fail "dpkg -P"
	pam_files | cmp - "$work/before" || fail "PAM files are not as before"
	[ ! -e "$root/etc/cloister" ] || fail "left: $(ls -R "$root/etc/cloister")"
}

run_checks deb "$work/output" "$@"
