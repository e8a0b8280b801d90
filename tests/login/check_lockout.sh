#!/bin/bash
# cloister check, before anybody is locked out, or not isolated without anybody's notice: each mistake is made, what check
# says and its exit status are looked at, and where it is cheap a login shows that it is so.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# check [USER]: what it says; CODE is its exit status.
check() {
	CODE=0
	SAID=$("$HOST_BUILD/cloister" check --config "$HOST_CONF" "$@" 2>&1) || CODE=$?
}

# finds CODE REGEX [USER]
finds() {
	check "${3:-iris}"
	want_match "check" "$2" "$SAID"
	want "exit status" "$1" "$CODE"
}

# sshd_line LINE: in place of the module's own in /etc/pam.d/sshd.
sshd_line() {
	pam_service sshd
	sed -i "s|^session required .*pam_cloister.so.*|$1|" /etc/pam.d/sshd
}

MODULE=$HOST_BUILD/pam_cloister.so

on_the_host() {
	[ "$(on iris readlink /proc/self/ns/mnt)" = "$(readlink /proc/1/ns/mnt)" ]
}

isolated_there() {
	grep -q '^mnt:' <<<"$(on iris readlink /proc/self/ns/mnt)" && ! on_the_host
}

test_control_nothing_is_wrong() {
	check iris
	want_match "ok" '^ok: iris is isolated' "$SAID"
	want_match "ok" '^ok: /etc/pam.d/sshd has pam_cloister.so$' "$SAID"
	# Services by which nobody logs in: programs.services_without_the_line_are_named.
	want_no_match "nothing else" '^(error|warning):' "$(grep -v ': the PAM service ' <<<"$SAID")"
	want_match "sum" '^0 errors$' "$SAID"
	want "exit status" 0 "$CODE"
	check nora
	want_match "nora" '^note: nora is not isolated' "$SAID"
	want "exit status" 0 "$CODE"
}

test_pam_line_is_missing() {
	sed -i '/pam_cloister/d' /etc/pam.d/sshd
	finds 0 '^warning: /etc/pam.d/sshd has no pam_cloister.so line'
	on_the_host || fail "isolated"
	sed -i '/pam_cloister/d' /etc/pam.d/su
	finds 0 '^note: /etc/pam.d/su has no pam_cloister.so line'
}

test_pam_line_is_of_another_type() {
	sshd_line "auth required $MODULE"
	finds 0 '^warning: /etc/pam.d/sshd: .* line of type auth, where it does nothing'
	want_match "and is missing" '^warning: /etc/pam.d/sshd has no pam_cloister.so line' "$SAID"
	on_the_host || fail "isolated"
}

# What does not belong after it is named.
test_pam_line_is_not_the_last() {
	local module
	for module in pam_exec.so pam_systemd.so pam_mount.so /opt/pam_env.so; do
		pam_service sshd '' "session optional $module"
		finds 0 "^warning: /etc/pam.d/sshd: $module follows pam_cloister.so"
		want_match "advice" "^ +the line of $module belongs before that of pam_cloister.so" "$SAID"
		want_no_match "not ok" '^ok: /etc/pam.d/sshd' "$SAID"
	done
	printf 'session optional pam_mkhomedir.so\n' >/etc/pam.d/common-after
	pam_service sshd '' '@include common-after'
	finds 0 '^warning: /etc/pam.d/sshd: pam_mkhomedir.so follows'
	# Of another type, or a comment.
	pam_service sshd '' 'password required pam_deny.so'
	echo '# session required pam_deny.so' >>/etc/pam.d/sshd
	finds 0 '^ok: /etc/pam.d/sshd has pam_cloister.so$'
	rm /etc/pam.d/common-after
}

# What Debian's services have after what they share may follow: it works, and the login is isolated.
test_pam_modules_that_may_follow() {
	local module said follow='session optional pam_motd.so motd=/run/motd.dynamic
session optional pam_motd.so noupdate
session optional pam_mail.so standard noenv
session required pam_limits.so
session required pam_env.so
session optional pam_umask.so umask=0027
session optional pam_lastlog.so
session optional pam_keyinit.so force revoke
session required pam_unix.so
session required pam_permit.so
session required pam_loginuid.so
session [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so open'
	for module in $(strings "$HOST_BUILD/cloister" | grep -x 'pam_[a-z0-9]*\.so'); do
		case $module in
		# The second is not in Debian 12.
		pam_cloister.so | pam_lastlog2.so) ;;
		*) want_match "in this test" "$module" "$follow" ;;
		esac
	done
	printf 'iris - nofile 777\n' >/etc/security/limits.conf
	printf 'FOLLOWS DEFAULT=yes\n' >/etc/security/pam_env.conf
	rm -rf /etc/update-motd.d
	mkdir /etc/update-motd.d
	printf '#!/bin/sh\necho renewed by $(readlink /proc/self/ns/mnt)\n' >/etc/update-motd.d/00-test
	chmod +x /etc/update-motd.d/00-test
	pam_service sshd '' "$follow"
	finds 0 '^ok: /etc/pam.d/sshd has pam_cloister.so$'
	want_match "the one thing" '^note: /etc/pam.d/sshd: pam_motd.so follows' "$SAID"
	want_no_match "no warning" '^warning: /etc/pam.d/sshd' "$SAID"
	said=$(on iris 'ulimit -n; umask; echo $FOLLOWS; head -n 1 /run/cloister/session')
	want_match "isolated, with limits, mask and variable" '^777 0027 yes session=iris-[0-9a-f]+$' "$(paste -sd' ' <<<"$said")"
	want "not renewed" 1 "$(status test -e /run/motd.dynamic)"
	on nora true
	want "by others, on the host" "renewed by $(readlink /proc/1/ns/mnt)" "$(cat /run/motd.dynamic)"
	want_match "shown" "renewed by" "$(as iris -tt <<<'exit')"
	# Without /etc/update-motd.d there is nothing to renew.
	rm -r /etc/update-motd.d
	check iris
	want_no_match "no note" 'pam_motd' "$SAID"
}

# A line that is in a file which others include, too, by each way of including: Debian's profile.
test_pam_line_in_an_included_file() {
	local line
	printf 'auth required pam_deny.so\nsession required \\\n  %s conf=%s\n' "$MODULE" "$HOST_CONF" >/etc/pam.d/common-ours
	for line in '@include common-ours' 'session include common-ours' 'session substack common-ours'; do
		sshd_line "$line"
		finds 0 '^ok: /etc/pam.d/sshd has pam_cloister.so, by way of /etc/pam.d/common-ours'
		want_no_match "it is there" '^(warning|error): /etc/pam.d/sshd|sshd has no' "$SAID"
	done
	# The rest of that file, and of the service's own.
	printf 'session optional pam_systemd.so\n' >>/etc/pam.d/common-ours
	finds 0 '^warning: /etc/pam.d/sshd: pam_systemd.so follows'
	sed -i '$d' /etc/pam.d/common-ours
	echo 'session optional pam_exec.so /bin/true' >>/etc/pam.d/sshd
	finds 0 '^warning: /etc/pam.d/sshd: pam_exec.so follows'
	# A file that is not included for sessions.
	sshd_line 'account include common-ours'
	finds 0 '^warning: /etc/pam.d/sshd has no pam_cloister.so line'
	want_match "advice" '^ +at the end of /etc/pam.d/sshd: session required pam_cloister.so' "$SAID"
	# One that includes itself.
	printf '@include common-ours\n' >/etc/pam.d/common-ours
	sshd_line '@include common-ours'
	finds 1 '^warning: /etc/pam.d/sshd has no pam_cloister.so line'
	want_match "and why" '^error: /etc/pam.d/sshd includes common-ours, which is not there or includes itself' "$SAID"
	[ "$(status on nora true)" -ne 0 ] || fail "control: nora can"
	rm /etc/pam.d/common-ours
}

# Both ways at once: the first line opens the session, and what follows that one counts.
test_pam_line_stands_twice() {
	pam_service sshd "session required $MODULE conf=$HOST_CONF
session optional pam_exec.so /bin/true"
	finds 0 '^note: /etc/pam.d/sshd: pam_cloister.so stands twice'
	want_match "after the first" '^warning: /etc/pam.d/sshd: pam_exec.so follows' "$SAID"
	want_match "isolated" '^session=iris' "$(on iris cat /run/cloister/session)"
	want "one session" 1 "$(log_new | grep -c 'event="start"')"
}

# A refusal that does not count is a login on the host.
test_pam_line_is_not_required() {
	local control
	isolate iris 'rootfs = /srv/nowhere'
	for control in optional sufficient '[success=ok default=ignore]' '[success=ok default=done]' '[success=ok default=1]' \
		'[success=ok system_err=ok default=bad]' '[ success = ok default = ignore ]'; do
		sshd_line "session $control $MODULE conf=$HOST_CONF"
		finds 1 'error: .*/etc/pam.d/sshd: pam_cloister.so is ".*" and must be "required"'
	done
	on_the_host || fail "control: it is refused"
	isolate iris
	for control in required requisite '[success=ok new_authtok_reqd=ok ignore=ignore default=bad]'; do
		sshd_line "session $control $MODULE conf=$HOST_CONF"
		finds 0 '^ok: /etc/pam.d/sshd has pam_cloister.so$'
	done
}

test_pam_stack_that_ends_before() {
	local line
	for line in 'session sufficient pam_permit.so' 'session [success=done default=ignore] pam_permit.so'; do
		pam_service sshd "$line"
		finds 0 '^warning: /etc/pam.d/sshd: where pam_permit.so succeeds the stack ends before'
		on_the_host || fail "isolated"
	done
	pam_service sshd 'session [ success = done default=ignore ] pam_permit.so'
	finds 0 '^warning: /etc/pam.d/sshd: where pam_permit.so succeeds the stack ends before'
	# Debian's common-session begins with such a jump, which ends before ours.
	pam_service sshd "$(printf 'session [default=1] pam_permit.so\nsession requisite pam_deny.so')"
	finds 0 '^ok: /etc/pam.d/sshd has pam_cloister.so$'
	isolated_there || fail "control: not isolated"
	pam_service sshd "$(printf 'session [success=2 default=ignore] pam_succeed_if.so quiet user = iris\nsession optional pam_permit.so')"
	finds 0 '^warning: /etc/pam.d/sshd: pam_succeed_if.so may pass over pam_cloister.so'
	on_the_host || fail "isolated"
}

# As libpam puts lines together.
test_pam_lines_that_go_on() {
	printf '%s\n' 'auth required pam_permit.so' 'account required pam_unix.so' "# a comment \\" \
		"session [success=ok \\  " "default=bad]\\" "$MODULE conf=$HOST_CONF # ours" >/etc/pam.d/sshd
	finds 0 '^ok: /etc/pam.d/sshd has pam_cloister.so$'
	isolated_there || fail "control: not isolated"
	printf '%s\n' 'auth required pam_permit.so' 'account required pam_unix.so' "# a comment \\" \
		'session sufficient pam_permit.so' "session required $MODULE conf=$HOST_CONF" >/etc/pam.d/sshd
	finds 0 '^warning: /etc/pam.d/sshd: where pam_permit.so succeeds the stack ends before'
	on_the_host || fail "control: isolated"
}

test_pam_files_that_are_missing() {
	printf '%s\n' 'auth required pam_permit.so' 'account required pam_unix.so' 'session include nowhere' \
		"session required $MODULE conf=$HOST_CONF" >/etc/pam.d/sshd
	finds 1 '^error: /etc/pam.d/sshd includes nowhere, which is not there or includes itself: everybody is refused'
	[ "$(status on nora true)" -ne 0 ] || fail "control: nora can"
	rm /etc/pam.d/sshd
	finds 0 '^warning: /etc/pam.d/sshd is not there: libpam takes /etc/pam.d/other'
	pam_service sshd
}

test_pam_module_is_not_there() {
	sshd_line 'session required /usr/lib/nowhere/pam_cloister.so'
	finds 1 '^error: /etc/pam.d/sshd: /usr/lib/nowhere/pam_cloister.so is not there: nobody can log in'
	[ "$(status on nora true)" -ne 0 ] || fail "control: nora can"
	sshd_line '-session required pam_cloister.so'
	compgen -G '/lib/*/security/pam_cloister.so' >/dev/null || finds 1 '^error: /etc/pam.d/sshd: .* is not there: .* not isolated'
}

test_pam_argument_is_unknown() {
	sshd_line "session required $MODULE config=$HOST_CONF"
	finds 1 '^error: /etc/pam.d/sshd: .* not config=.*: everybody but root is refused'
	[ "$(status on nora true)" -ne 0 ] || fail "control: nora can"
	sshd_line "session required $MODULE debug conf=$HOST_CONF # ours"
	finds 0 '^ok: /etc/pam.d/sshd has'
}

test_sshd_without_pam() {
	sshd_restart 'UsePAM no'
	finds 1 '^error: sshd_config: UsePAM is no: .* ssh logins of iris are not isolated'
	on_the_host || fail "isolated"
	check nora
	want "nobody else's" 0 "$CODE"
}

test_login_shell_alone() {
	local service
	for service in sshd login su su-l; do
		sed -i '/pam_cloister/d' "/etc/pam.d/$service"
	done
	sed -i "s,^\(iris:.*:\)[^:]*$,\1$HOST_BUILD/cloister-sh," /etc/passwd
	finds 0 '^warning: the login shell of iris is cloister-sh, and /etc/pam.d/sshd has no pam_cloister.so'
	want_match "and what closes it" '^ +Subsystem sftp /usr/lib/openssh/sftp-server' "$SAID"
}

# refused_and_said REGEX: check finds an error, and the login is refused indeed.
refused_and_said() {
	finds 1 "^error: .*$1"
	[ "$(status on iris true)" -ne 0 ] || fail "control: the login works"
}

test_shell_is_missing() {
	rootfs_make /opt/rootfs/busybox
	isolate iris 'rootfs = /opt/rootfs/busybox' 'shell = /bin/bash'
	refused_and_said 'shell: /bin/bash is not in the rootfs /opt/rootfs/busybox'
	isolate iris 'shell = /bin/nowhere' 'writable = tmpfs'
	refused_and_said 'shell: /bin/nowhere is not in the rootfs /'
	isolate iris 'shell = /etc/passwd' 'writable = no'
	refused_and_said 'shell: /etc/passwd .*cannot be executed'
	isolate iris 'shell = /bin/nowhere'
	finds 0 "^warning: shell: /bin/nowhere is not there.* iris's layer"
	[ "$(status on iris true)" -ne 0 ] || fail "control: the login works"
	# What the configuration shows there is looked at when it is.
	isolate iris 'shell = /shells/sh' 'bind = /usr/bin:/shells' 'writable = tmpfs'
	finds 0 '^0 errors$'
	want "control" 0 "$(status on iris true)"
	isolate iris 'shell = /usr/bin/sh' 'writable = tmpfs'
	finds 0 '^0 errors$'
}

test_home_cannot_be_reached() {
	isolate iris
	mv /home/iris /home/iris.away
	refused_and_said '/home/iris'
	mkdir /home/iris
	finds 1 '^error: .*/home/iris'
	rmdir /home/iris
	mv /home/iris.away /home/iris
	finds 0 '^0 errors$'
}

test_rootfs_is_missing() {
	isolate iris 'rootfs = /srv/nowhere'
	refused_and_said 'rootfs: .*/srv/nowhere.*ENOENT'
	isolate iris 'rootfs = /srv/nowhere.erofs'
	refused_and_said '/srv/nowhere.erofs.*ENOENT'
}

test_configuration_is_wrong() {
	isolate iris 'colour = red'
	refused_and_said "$HOST_CONF:3: .*colour"
	check
	want "without a user" 1 "$CODE"
	rm "$HOST_CONF"
	refused_and_said 'there is no configuration'
}

test_unprivileged_range_is_taken() {
	# Without a line for iris the range of the configuration holds; one that is too small is a mistake.
	printf 'iris:300000:10\n' | tee /etc/subuid >/etc/subgid
	isolate iris
	check iris
	want "the same as a login" "$([ "$(status on iris true)" -eq 0 ] && echo 0 || echo 1)" "$CODE"
	: >/etc/subuid
	: >/etc/subgid
	finds 0 '^0 errors$'
	want "control" 0 "$(status on iris true)"
}

# Of a rootfs that is not the user's nothing can be made at a login, and there is no layer for it.
test_places_are_missing() {
	rootfs_make /opt/rootfs/direct
	rmdir /opt/rootfs/direct/home /opt/rootfs/direct/run
	isolate iris 'rootfs = /opt/rootfs/direct' 'writable = direct'
	refused_and_said '/run is missing in the rootfs /opt/rootfs/direct'
	want_match "the other" '^error: /home/iris is missing' "$SAID"
	mkdir -p /opt/rootfs/direct/home/iris /opt/rootfs/direct/run
	finds 0 '^0 errors$'
	want "control" 0 "$(status on iris true)"
	# Names (hosts, localtime) are no reason to keep anybody out, on a read-only file system neither.
	mount --bind /opt/rootfs/direct /opt/rootfs/direct
	mount -o remount,ro,bind /opt/rootfs/direct
	want "read-only" 0 "$(status on iris true)"
	umount /opt/rootfs/direct
	# What is the user's own, init can make.
	rm -r /opt/rootfs/direct/home
	chown -R iris: /opt/rootfs/direct
	finds 0 '^0 errors$'
	want "control" 0 "$(status on iris true)"
	# In a layer it can, too.
	rootfs_make /opt/rootfs/layered
	rmdir /opt/rootfs/layered/home
	isolate iris 'rootfs = /opt/rootfs/layered'
	finds 0 '^0 errors$'
	want "control" 0 "$(status on iris true)"
}

# Where a layer cannot be idmapped, as a rootfs on ramfs (of Debian 12 a layer on tmpfs), what is root's is nobody's
# inside, and no mount point can be made in it.
test_places_are_missing_below_an_overlay() {
	mkdir /opt/rootfs/unmapped
	mount -t ramfs ramfs /opt/rootfs/unmapped
	rootfs_make /opt/rootfs/unmapped
	rmdir /opt/rootfs/unmapped/home
	isolate iris 'rootfs = /opt/rootfs/unmapped' 'writable = tmpfs'
	refused_and_said '/home/iris is missing in the rootfs /opt/rootfs/unmapped'
	isolate iris 'rootfs = /opt/rootfs/unmapped'
	refused_and_said '/home/iris is missing in the rootfs /opt/rootfs/unmapped'
	# The layer has it.
	mkdir -p "/var/lib/cloister/users/$(id -u iris)/-opt-rootfs-unmapped/upper/home/iris"
	finds 0 '^0 errors$'
	want "control" 0 "$(status on iris true)"
	mkdir -p /opt/rootfs/unmapped/home/iris
	isolate iris 'rootfs = /opt/rootfs/unmapped' 'writable = tmpfs'
	finds 0 '^0 errors$'
	want "control" 0 "$(status on iris true)"
	umount -l /opt/rootfs/unmapped
}

# A name that is written wrong isolates nobody, and nothing fails.
test_sections_for_nobody() {
	printf '[group:studnets]\nisolate = yes\n[user:irsi]\nisolate = yes\n[group:studnets]\nnetwork = host\n' >"$HOST_CONF"
	finds 0 "^warning: $HOST_CONF:2: there is no group studnets: its section is for nobody"
	want_match "user" "^warning: $HOST_CONF:4: there is no user irsi: its section is for nobody" "$SAID"
	want "once each" 2 "$(grep -c 'for nobody' <<<"$SAID")"
	want_match "control: she is not isolated" '^note: iris is not isolated' "$SAID"
	printf '[group:iris]\nisolate = yes\n[user:iris]\nisolate = yes\n' >"$HOST_CONF"
	finds 0 '^ok: iris is isolated'
	want_no_match "names that there are" 'for nobody' "$SAID"
}

test_somebody_has_an_id_of_the_range() {
	isolate iris
	finds 0 '^0 errors$'
	want_no_match "nobody" 'range of unprivileged ids' "$SAID"
	printf 'iris:300000:65536\n' | tee /etc/subuid >/etc/subgid
	echo 'lola:x:300007:300000::/:/bin/sh' >>/etc/passwd
	echo 'lolas:x:365535:' >>/etc/group
	finds 0 '^warning: the range of unprivileged ids holds user lola \(300007\)'
	want_match "group" '^warning: the range of unprivileged ids holds group lolas \(365535\)' "$SAID"
	sed -i 's/:365535:/:365536:/' /etc/group
	sed -i 's/:300007:/:299999:/' /etc/passwd
	finds 0 '^0 errors$'
	want_no_match "beside it" 'range of unprivileged ids' "$SAID"
	sed -i '/^lola/d' /etc/passwd /etc/group
	: >/etc/subuid
	: >/etc/subgid
}

run_cases "$@"
