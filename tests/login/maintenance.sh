#!/bin/bash
# refuse, refuse_except: logins that the configuration turns away, with the administrator's words, and the transfer of
# files that it may let through. Root and users who are not isolated are not concerned.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

TEXT='The cluster is down until 18:00, %u. Ask help@example.org.'
SAID='The cluster is down until 18:00, iris. Ask help@example.org.'
CLOISTER=$HOST_BUILD/cloister

# everybody [LINE...]: all users but nora are isolated, with these lines.
everybody() {
	printf '%s\n' '[default]' 'isolate = yes' "$@" '[user:nora]' 'isolate = no' | configure
}

# Nothing of the user's may have run: neither a command nor what a shell reads.
leave_markers() {
	local name
	for name in .profile .bashrc .ssh/rc; do
		echo 'touch $HOME/ran' >"/home/iris/$name"
		chown iris: "/home/iris/$name"
	done
}

nothing_ran() {
	[ ! -e /home/iris/ran ] || fail "$1: something of the user's ran"
}

test_logins_are_refused() {
	everybody "refuse = $TEXT"
	leave_markers
	snapshot_before
	want_match "ssh host command" "^$SAID\$" "$(on iris 'touch ran' 2>&1 || true)"
	want_match "ssh host" "^$SAID\$" "$(as iris -tt </dev/null 2>&1 | tr -d '\r' || true)"
	[ "$(status on iris true)" -ne 0 ] || fail "status 0"
	want_match "su" "^$SAID\$" "$(su - iris -c 'touch ran' 2>&1 || true)"
	[ "$(status su - iris -c true)" -ne 0 ] || fail "su: status 0"
	[ "$(status sftp -q -b /dev/null iris@testhost)" -ne 0 ] || fail "sftp"
	nothing_ran "refused"
	want_match "syslog" "session for iris refused: refuse = $SAID" "$(log_new)"
	want "nora is not isolated" nora "$(on nora whoami)"
	want "root" root "$(on root whoami)"
	want "su nora" nora "$(su - nora -c whoami)"
	snapshot_same
}

# Whoever mends it must be able to come, even where root's own section names it by mistake.
test_root_who_is_not_isolated() {
	printf '%s\n' '[default]' 'isolate = yes' "refuse = $TEXT" '[group:root]' 'refuse = x' '[user:root]' 'refuse = x' |
		configure
	want "root" root "$(on root whoami)"
}

test_sections_and_drop_ins() {
	everybody
	mkdir -p "$HOST_CONF.d"
	printf '[user:iris]\nrefuse = Only you.\n' >"$HOST_CONF.d/50-iris.conf"
	want "user" "Only you." "$(on iris true 2>&1 || true)"
	want "another" ivan "$(on ivan whoami)"
	printf '[group:iris]\nrefuse = The group.\n' >"$HOST_CONF.d/50-iris.conf"
	want "group" "The group." "$(on iris true 2>&1 || true)"
	printf '[default]\nrefuse = All.\n[user:iris]\nrefuse =\n' >"$HOST_CONF.d/50-iris.conf"
	want "all" "All." "$(on ivan true 2>&1 || true)"
	want "all but one" iris "$(on iris whoami)"
	rm "$HOST_CONF.d/50-iris.conf"
	want "over" ivan "$(on ivan whoami)"
}

# A session that is there goes on; who is in it may stay.
test_a_session_that_is_there() {
	everybody 'scope = user'
	client iris 'echo up; exec sleep 971'
	eventually 10 grep -q up "$CASE_STATE/client" || fail "no session"
	everybody 'scope = user' "refuse = $TEXT"
	want "another login" "$SAID" "$(on iris true 2>&1 || true)"
	kill -0 "$CLIENT" || fail "the session ended"
	pgrep -f '^sleep 971$' >/dev/null || fail "the session ended"
	kill "$CLIENT"
}

files_come_through() {
	echo up >/tmp/up
	rm -f /tmp/back
	timeout 30 sftp -q -b - iris@testhost <<<$'put /tmp/up there\nget there /tmp/back' >/dev/null || fail "$1: sftp"
	want "$1: sftp" up "$(cat /tmp/back)"
	timeout 30 scp -q -s /tmp/up iris@testhost:again || fail "$1: scp"
	want "$1: scp" up "$(cat /home/iris/again)"
}

# Each line once: ~/.ssh/rc is answered as well.
nothing_else_does() {
	local command
	for command in 'touch ran' '/usr/lib/openssh/sftp-server; touch ran' '/usr/lib/openssh/../../bin/touch ran'; do
		want "$1: $command" "$SAID" "$(on iris "$command" 2>&1 | sort -u || true)"
	done
	want_match "$1: ssh host" "^$SAID\$" "$(as iris -tt </dev/null 2>&1 | tr -d '\r' || true)"
	[ "$(status on iris true)" -ne 0 ] || fail "$1: status 0"
	[ "$(status timeout 20 scp -q -O /tmp/up iris@testhost:)" -ne 0 ] || fail "$1: scp -O"
	[ "$(status timeout 20 rsync /tmp/up iris@testhost:)" -ne 0 ] || fail "$1: rsync"
	want_match "$1: su" "^$SAID\$" "$(su - iris -c 'touch ran' 2>&1 || true)"
	nothing_ran "$1"
}

test_transfer_by_internal_sftp() {
	everybody "refuse = $TEXT" 'refuse_except = sftp'
	leave_markers
	snapshot_before
	files_come_through "internal-sftp"
	nothing_else_does "internal-sftp"
	want_match "syslog" "session for iris only to transfer files: refuse = $SAID" "$(log_new)"
	snapshot_same
}

test_transfer_by_sftp_server() {
	everybody "refuse = $TEXT" 'refuse_except = sftp'
	leave_markers
	sshd_restart 'Subsystem sftp /usr/lib/openssh/sftp-server -l ERROR'
	snapshot_before
	files_come_through "sftp-server"
	nothing_else_does "sftp-server"
	snapshot_same
}

# The user's shell is another one than what sshd's child starts its helpers with.
test_transfer_with_bash() {
	sed -i 's,^\(iris:.*:\)[^:]*$,\1/bin/bash,' /etc/passwd
	everybody "refuse = $TEXT" 'refuse_except = sftp'
	leave_markers
	sshd_restart 'Subsystem sftp /usr/lib/openssh/sftp-server'
	files_come_through "bash"
	nothing_else_does "bash"
}

test_transfer_by_root_inside() {
	rootfs_make /opt/rootfs/own
	rootfs_add /opt/rootfs/own /usr/lib/openssh/sftp-server
	: >/etc/subuid
	: >/etc/subgid
	everybody "refuse = $TEXT" 'refuse_except = sftp' 'rootfs = /opt/rootfs/own' 'users = root'
	leave_markers
	files_come_through "users = root, internal-sftp"
	nothing_else_does "users = root"
	sshd_restart 'Subsystem sftp /usr/lib/openssh/sftp-server'
	files_come_through "users = root, sftp-server"
	nothing_else_does "users = root"
}

# A connection is open, and sshd forwards what it is asked to: into a session without a network.
test_no_forward_in_a_transfer() {
	socat TCP-LISTEN:8001,bind=127.0.0.1,fork,reuseaddr 'SYSTEM:echo host' &
	eventually 5 port_open 8001 || fail "no listener"
	everybody 'network = host'
	as iris -N -L 9001:127.0.0.1:8001 </dev/null 2>/dev/null &
	eventually 10 port_open 9001 || fail "no forward"
	want "control" host "$(timeout 4 socat -T 3 - TCP:127.0.0.1:9001 2>/dev/null </dev/null || true)"
	everybody 'network = host' "refuse = $TEXT" 'refuse_except = sftp'
	as iris -N -L 9002:127.0.0.1:8001 </dev/null 2>/dev/null &
	eventually 10 port_open 9002 || fail "no forward"
	want "-L" "" "$(timeout 4 socat -T 3 - TCP:127.0.0.1:9002 2>/dev/null </dev/null || true)"
}

# Without the PAM module: cloister-sh as the login shell does as it is told.
test_login_shell_alone() {
	local service
	for service in sshd su-l; do
		sed -i '/pam_cloister/d' "/etc/pam.d/$service"
	done
	sed -i "s,^\(iris:.*:\)[^:]*\$,\1$HOST_BUILD/cloister-sh," /etc/passwd
	sshd_restart 'Subsystem sftp /usr/lib/openssh/sftp-server'
	everybody "refuse = $TEXT"
	want "refused" "$SAID" "$(on iris 'touch ran' 2>&1 || true)"
	want "status" 125 "$(status on iris true)"
	[ "$(status sftp -q -b /dev/null iris@testhost)" -ne 0 ] || fail "sftp"
	everybody "refuse = $TEXT" 'refuse_except = sftp'
	files_come_through "cloister-sh"
	nothing_else_does "cloister-sh"
}

test_what_the_tools_say() {
	everybody "refuse = $TEXT" 'refuse_except = sftp'
	want_match "plan" "logins of iris are refused, but for the transfer of files: $SAID" "$("$CLOISTER" plan iris 2>&1)"
	want_match "the line" "^refuse +=.*$HOST_CONF:3 " "$("$CLOISTER" plan iris 2>/dev/null)"
	want_match "no network" '^namespaces.*net' "$("$CLOISTER" plan iris 2>/dev/null)"
	want_match "check" "^note: logins of iris are refused, but for" "$("$CLOISTER" check iris)"
	want_match "check" "^note: refuse has no effect for nora" "$("$CLOISTER" check nora)"
	everybody "refuse = $TEXT"
	want_match "plan" "logins of iris are refused: $SAID" "$("$CLOISTER" plan iris 2>&1)"
	want "by hand, by root" iris "$("$CLOISTER" run --user iris -- whoami)"
	everybody "refuse = $(printf 'x%.0s' {1..300})"
	want_match "too long" 'refuse = x.*at most 255' "$("$CLOISTER" check iris || true)"
	everybody 'refuse_except = scp'
	want_match "unknown" 'the value must be: none . sftp' "$("$CLOISTER" check iris || true)"
}

run_cases "$@"
