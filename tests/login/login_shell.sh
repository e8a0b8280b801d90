#!/bin/bash
# cloister-sh alone, without the PAM module: a user's login shell in /etc/passwd and nothing else. And what a login shell
# cannot close: named by `cloister check`, with the lines that close it.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# without_pam: no pam_cloister.so anywhere, and iris' shell changed as she would do it.
without_pam() {
	local service
	for service in sshd login su su-l; do
		sed -i '/pam_cloister/d' "/etc/pam.d/$service"
	done
	isolate iris
	grep -qx "$HOST_BUILD/cloister-sh" /etc/shells || echo "$HOST_BUILD/cloister-sh" >>/etc/shells
	printf '%s\n' 'auth sufficient pam_rootok.so' 'auth required pam_permit.so' 'account required pam_unix.so' \
		'session required pam_unix.so' >/etc/pam.d/chsh
	timeout 10 chsh -s "$HOST_BUILD/cloister-sh" iris
	want "chsh" "$HOST_BUILD/cloister-sh" "$(getent passwd iris | cut -d: -f7)"
	sshd_restart 'Subsystem sftp /usr/lib/openssh/sftp-server'
}

inside() {
	[ "$(readlink /proc/1/ns/mnt)" != "$1" ] && grep -q '^mnt:' <<<"$1"
}

# A drop-in that is listed and cannot be found: without it the rest would be another policy.
test_a_drop_in_that_leads_nowhere() {
	without_pam
	mkdir -p "$HOST_CONF.d"
	ln -s nowhere "$HOST_CONF.d/50-site.conf"
	want_match "refused" 'could not be started: configuration: .*50-site.conf' "$(on iris echo in 2>&1 || true)"
	rm "$HOST_CONF.d/50-site.conf"
	want "control" in "$(on iris echo in)"
	# A directory of its own that sshd has not named.
	want "runtime directory" "/run/user/$(id -u iris)" "$(on iris 'echo $XDG_RUNTIME_DIR')"
}

# table: cloister-sh alone: ssh | contained
test_ssh_commands() {
	without_pam
	inside "$(on iris readlink /proc/self/ns/mnt)" || fail "not inside"
	want "the host's module is not there" "" "$(log_new | grep pam_cloister || true)"
	want "status" 3 "$(status on iris exit 3)"
	want "not found" 127 "$(status on iris no-such-command)"
	want "signal" "$(status on nora 'kill -TERM $$')" "$(status on iris 'kill -TERM $$')"
	head -c 3000000 /dev/urandom >/tmp/data
	want "binary" "$(sha256sum </tmp/data)" "$(as iris 'cat' </tmp/data | sha256sum)"
	want "standard error is apart" "out" "$(on iris 'echo out; echo err >&2' 2>/dev/null)"
	want "whoami" iris "$(on iris whoami)"
}

test_ssh_terminal() {
	without_pam
	local output
	output=$(timeout 20 expect -c '
		spawn ssh -tt iris@testhost
		expect "$ "
		send "readlink /proc/self/ns/mnt; tty; stty size\r"
		expect -re {mnt:\[[0-9]+\]}
		expect -re {/dev/pts/[0-9]+}
		expect "$ "
		send "sleep 100\r"
		sleep 0.3
		send "\003"
		expect "$ "
		send "exit 4\r"
		expect eof
		exit [lindex [wait] 3]') && fail "exit 0: $output"
	inside "$(grep -o 'mnt:.*\]' <<<"$output")" || fail "not inside: $output"
	want_match "tty" '/dev/pts/[0-9]+' "$output"
	want_no_match "job control" 'no job control|cannot' "$output"
}

# table: cloister-sh alone: scp, sftp-server, rsync | contained
test_transfers() {
	without_pam
	local option
	echo "host canary" >/run/canary
	seq 1000 >/tmp/numbers
	for option in -O -s; do
		timeout 20 scp -q "$option" nora@testhost:/run/canary /tmp/canary-nora || fail "control: scp $option"
		timeout 20 scp -q "$option" iris@testhost:/run/canary /tmp/canary-iris 2>/dev/null && fail "scp $option got it"
		timeout 20 scp -q "$option" /tmp/numbers iris@testhost:to || fail "scp $option to"
		timeout 20 scp -q "$option" iris@testhost:to /tmp/back || fail "scp $option from"
		cmp /tmp/numbers /tmp/back
		rm /tmp/back /home/iris/to
	done
	timeout 20 sftp -q -b - iris@testhost <<<'put /tmp/numbers there' >/dev/null || fail "sftp"
	cmp /tmp/numbers /home/iris/there
	timeout 20 sftp -q -b - iris@testhost <<<'get /run/canary /tmp/canary-iris' >/dev/null 2>&1 && fail "sftp got it"
	timeout 20 rsync -a /tmp/numbers iris@testhost:rsynced || fail "rsync"
	cmp /tmp/numbers /home/iris/rsynced
}

# table: cloister-sh alone: login, su | contained
test_login_and_su() {
	without_pam
	inside "$(in_pty "su -l iris -c 'readlink /proc/self/ns/mnt'")" || fail "su -l: not inside"
	want "su: status" 3 "$(status timeout 20 su -l iris -c 'exit 3' </dev/null)"
	local output
	# As login_su does, and why: util-linux's login(1) hangs its terminal up first.
	output=$(timeout 20 expect -c '
		spawn -noecho sh -c {setsid -c -w /bin/login -f iris; :}
		expect "$ "
		send "readlink /proc/self/ns/mnt\r"
		expect -re {mnt:\[[0-9]+\]}
		send "exit\r"
		expect eof')
	inside "$(grep -o 'mnt:.*\]' <<<"$output")" || fail "login: not inside: $output"
}

test_leaves_nothing() {
	without_pam
	snapshot_before
	on iris 'setsid sleep 1000 >/dev/null 2>&1 </dev/null & sleep 0.2'
	on iris true
	snapshot_same
}

# sftp_reaches_host USER: whether its sftp reads a file of the host's that no session shows.
sftp_reaches_host() {
	echo "host canary" >/run/canary
	rm -f /tmp/got
	timeout 20 sftp -q -b - "$1@testhost" <<<'get /run/canary /tmp/got' >/dev/null 2>&1 || true
	[ -e /tmp/got ]
}

forward_reaches_host() {
	want_match "a listener" 'SSH-2.0' "$(timeout 5 ssh -W 127.0.0.1:22 nora@testhost </dev/null | head -n 1)"
	timeout 5 ssh -W 127.0.0.1:22 "$1@testhost" </dev/null 2>/dev/null | head -n 1 | grep -q 'SSH-2.0'
}

# table: cloister-sh alone: internal-sftp, forwards | outside; `cloister check` names the lines that close them
test_holes_are_named_and_closed() {
	without_pam
	sshd_restart 'Subsystem sftp internal-sftp'
	sftp_reaches_host iris || fail "control: internal-sftp does not reach the host"
	forward_reaches_host iris || fail "control: a forward does not reach the host"
	local said
	said=$("$HOST_BUILD/cloister" check iris || true)
	want_match "named: sftp" 'internal-sftp' "$said"
	want_match "named: forwards" 'forwards' "$said"
	# The very lines that it prints, put into sshd_config.
	sed -i '/^Subsystem/d' /etc/ssh/sshd_config
	grep -E '^ +(Match|DisableForwarding|Subsystem)' <<<"$said" >>/etc/ssh/sshd_config
	want "the lines" 3 "$(grep -cE '^ +(Match User iris|DisableForwarding yes|Subsystem sftp /usr)' /etc/ssh/sshd_config)"
	/usr/sbin/sshd -t || fail "sshd does not take the lines"
	sshd_reload
	sftp_reaches_host iris && fail "sftp still reaches the host"
	forward_reaches_host iris && fail "a forward still reaches the host"
	want_match "said" 'ok: .*sftp and forwards are closed' "$("$HOST_BUILD/cloister" check iris || true)"
}

# sysctl_of_another_kernel NAME VALUE: the test host's /proc/sys/kernel, with a sysctl that this kernel need not have.
sysctl_of_another_kernel() {
	mkdir -p /tmp/kernel
	mountpoint -q /proc/sys/kernel || {
		cp /proc/sys/kernel/{overflowuid,overflowgid,hostname,cap_last_cap,pid_max} /tmp/kernel/ 2>/dev/null || true
		mount --bind /tmp/kernel /proc/sys/kernel
	}
	rm -f /tmp/kernel/*userns*
	echo "$2" >"/proc/sys/kernel/$1"
}

# What the kernel refuses, the message says how to allow. The first limit is a real one; the others are settings of
# other distributions' kernels, and what is tested is that they are named: init is made to fail by its absence.
# table: cloister-sh alone, user namespaces restricted | refused, with what to allow
test_restricted_user_namespaces_are_named() {
	without_pam
	want_no_match "control: check" 'user namespaces' "$("$HOST_BUILD/cloister" check iris || true)"
	sysctl_of_another_kernel apparmor_restrict_unprivileged_userns 1
	want_match "AppArmor: check" 'apparmor-cloister-sh' "$("$HOST_BUILD/cloister" check iris || true)"
	isolate iris 'rootfs = /nowhere'
	want_match "AppArmor" 'for the administrator: AppArmor' "$(on iris 'touch ~/ran' 2>&1)"
	sysctl_of_another_kernel unprivileged_userns_clone 0
	want_match "Debian" 'kernel.unprivileged_userns_clone=1' "$(on iris 'touch ~/ran' 2>&1)"
	want_match "syslog" 'kernel.unprivileged_userns_clone=1' "$(log_new)"
	umount /proc/sys/kernel
	[ ! -e /home/iris/ran ] || fail "user code ran"
}

# However late the user's process comes to write the id maps, init lets it (its files in /proc are root's once it is not
# dumpable).
test_id_maps_that_are_written_late() {
	: >/etc/subuid
	: >/etc/subgid
	want "late" works "$(setpriv --reuid iris --regid iris --init-groups strace -o /dev/null -e trace=clone \
		-e inject=clone:delay_exit=500000 "$HOST_BUILD/cloister-sh" -c 'echo works')"
}

run_cases "$@"
