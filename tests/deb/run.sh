#!/bin/bash
# `make check-deb`: the packages are the same when they are built twice, lintian has nothing to say, and installing,
# enabling, removing and purging them in a Debian of its own (mmdebstrap) locks nobody out.
set -eu
cd -- "$(dirname -- "$0")/../.."
. tests/lib/checks.sh
build=${B:-build}

[ "$(id -u)" -eq 0 ] || { echo "check-deb makes a tree of packages and needs root" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/cloister-deb.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

fail() {
	echo "failed: $*" >&2
	exit 1
}

# in_root COMMAND...: in namespaces of its own, so that nothing that it starts or mounts stays.
in_root() {
	unshare --mount --pid --fork --kill-child --root="$root" --mount-proc env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root DEBIAN_FRONTEND=noninteractive "$@"
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
		--include=openssh-server,libpam-systemd,libcap2,libseccomp2,libsubid4,libjson-c5,libarchive13,libssl3,libaudit1,login,passwd \
		bookworm "$root"
	pam_files >"$work/before"
	cp "$build"/deb/libpam-cloister_*.deb "$build"/deb/cloister_*.deb "$root/"
	in_root sh -c 'dpkg -i /libpam-cloister_*.deb /cloister_*.deb' || fail "dpkg -i"
	pam_files | cmp - "$work/before" || fail "a PAM file has changed"
	in_root grep -qx /usr/bin/cloister-sh /etc/shells || fail "no line in /etc/shells"
	[ "$(stat -c %a "$root/var/lib/cloister")" = 700 ] || fail "mode of /var/lib/cloister"
	[ ! -e "$root/etc/systemd/system/multi-user.target.wants/cloister-sessions.service" ] || fail "a unit is enabled"
	in_root cloister --version | grep -q '^cloister' || fail "cloister does not run"
	in_root sh -c 'cloister check root; true' | grep -q 'root is not isolated' || fail "somebody is isolated"
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
	in_root dpkg -P cloister libpam-cloister || fail "dpkg -P"
	pam_files | cmp - "$work/before" || fail "PAM files are not as before"
	[ ! -e "$root/etc/cloister" ] || fail "left: $(ls -R "$root/etc/cloister")"
}

run_checks deb "$work/output" "$@"
