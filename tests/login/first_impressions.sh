#!/bin/bash
# What stands around a login stays as it was: nothing on the screen that need not be there, the motd, /etc/nologin,
# expired accounts and passwords, a password change at login; and ChrootDirectory, which cannot hold beside a session.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# The whole of what an ssh login of USER shows on the terminal.
screen_of() {
	timeout 20 expect -c "
		log_user 1
		spawn -noecho ssh -tt $1@testhost
		expect -re {\\\$ }
		send \"PS1=; clear; exit\r\"
		expect eof" 2>&1 | tr -d '\r'
}

test_no_extra_line() {
	want "the same as without Cloister" "$(screen_of nora | sed 's/nora/USER/g' | wc -l)" \
		"$(screen_of iris | sed 's/iris/USER/g' | wc -l)"
	want "a command's standard error" "" "$(on iris true 2>&1)"
}

# The host's motd comes from pam_motd before the session; the session's own is shown when it is asked for.
# table: motd | that of the session, by PrintMotd
test_motd_of_the_session() {
	rootfs_make /opt/rootfs/busybox
	echo "motd of the rootfs" >/opt/rootfs/busybox/etc/motd
	echo "motd of the host" >/etc/motd
	isolate iris 'rootfs = /opt/rootfs/busybox' 'writable = tmpfs'
	want_no_match "not asked for" 'motd' "$(screen_of iris)"
	sshd_restart 'PrintMotd yes'
	want_match "sshd's PrintMotd" 'motd of the rootfs' "$(screen_of iris)"
	want_no_match "sshd's PrintMotd" 'motd of the host' "$(screen_of iris)"
	want_match "control: nora" 'motd of the host' "$(screen_of nora)"
}

# table: /etc/nologin | as without a session
test_nologin() {
	sed -i '1i account required pam_nologin.so' /etc/pam.d/sshd
	echo "the machine is going down" >/etc/nologin
	want "refused" 255 "$(status on iris true)"
	want "nothing was started" "" "$(log_new | grep -F 'event="start"' || true)"
	rm /etc/nologin
	want "afterwards" 0 "$(status on iris true)"
}

# table: an expired account | refused by pam_unix, before there is a session
test_expired_account() {
	sed -i '1i account required pam_unix.so' /etc/pam.d/sshd
	want "before" 0 "$(status on iris true)"
	trap "usermod -e '' iris" EXIT
	usermod -e 1 iris
	want "expired" 255 "$(status on iris true)"
	want_match "reason" 'pam_unix.*account iris has expired' "$(log_new)"
	want "one session" 1 "$(log_new | grep -cF 'event="start"')"
}

# A password that must be changed is changed before there is a session: with the host's passwd, in the host's shadow.
# table: a password change at login | on the host, before the session
test_password_change_at_login() {
	local before
	trap "usermod -p '*' iris" EXIT
	printf '%s\n' 'auth required pam_unix.so' 'account required pam_unix.so' 'password required pam_unix.so' \
		'session required pam_unix.so' "session required $HOST_BUILD/pam_cloister.so" >/etc/pam.d/sshd
	echo 'iris:Old-Secret-1' | chpasswd
	chage -d 0 iris
	before=$(grep ^iris: /etc/shadow)
	sshd_restart 'KbdInteractiveAuthentication yes' 'AuthenticationMethods keyboard-interactive'
	timeout 30 expect -c '
		spawn ssh -o BatchMode=no -o PreferredAuthentications=keyboard-interactive -tt iris@testhost "readlink /proc/self/ns/mnt >inside"
		expect -nocase "password:"; send "Old-Secret-1\r"
		expect -nocase "current password:"; send "Old-Secret-1\r"
		expect -nocase "new password:"; send "Quite-New-Secret-2\r"
		expect -nocase "new password:"; send "Quite-New-Secret-2\r"
		expect eof' >/tmp/expect 2>&1 || fail "expect: $(cat /tmp/expect; log_new)"
	[ "$before" != "$(grep ^iris: /etc/shadow)" ] || fail "not changed: $(cat /tmp/expect)"
	[ -s /home/iris/inside ] || fail "no login: $(cat /tmp/expect)"
	[ "$(cat /home/iris/inside)" != "$(readlink /proc/1/ns/mnt)" ] || fail "not inside"
}

# table: sshd, ChrootDirectory | refused, with the reason
test_chroot_directory_is_refused() {
	mkdir -p /srv/root
	sshd_restart 'LogLevel VERBOSE'
	want "before" 0 "$(status on iris true)"
	printf '%s\n' 'Match User iris,nora' 'ChrootDirectory /srv/root' >>/etc/ssh/sshd_config
	sshd_reload
	want_match "control: sshd does it for nora" '/bin/sh: No such file' "$(on nora true 2>&1)"
	want "refused" 254 "$(status on iris true)"
	want_match "the reason" 'refused: sshd: ChrootDirectory .*/srv/root' "$(log_new)"
	want_match "the user is told" 'could not be started' "$(on iris true 2>&1)"
	want_match "cloister check" 'ChrootDirectory /srv/root holds for iris' "$("$HOST_BUILD/cloister" check iris || true)"
	sed -i 's/^Match User.*/Match User nora/' /etc/ssh/sshd_config
	sshd_reload
	want "others' does not matter" 0 "$(status on iris true)"
}

run_cases "$@"
