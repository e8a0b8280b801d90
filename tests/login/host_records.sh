#!/bin/bash
# What the host keeps: wtmp, lastlog, syslog, and the other modules of the PAM stack, before and after our line.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# sshd writes the logout after its client has gone.
logout_recorded() {
	last -w | grep -qE "^$1 +pts/0 .* - [0-9]+:[0-9]+ +\("
}

# A script for pam_exec(8) that notes its PAM_TYPE and namespaces in the host's /run.
marker_script() {
	cat >/opt/mark <<-'END'
		#!/bin/sh
		echo "$1 $PAM_TYPE $(readlink /proc/self/ns/mnt) $(readlink /proc/self/ns/pid) $(id -u)" >>/run/canary
	END
	chmod 0755 /opt/mark
	: >/run/canary
}

test_control_plain_user_records() {
	as nora -tt 'exit 0' </dev/null >/dev/null
	eventually 5 logout_recorded nora || fail "no logout: $(last -w)"
}

test_last_and_lastlog() {
	want "before" "" "$(last -w iris | grep -v '^$' | grep -v begins || true)"
	as iris -tt 'exit 0' </dev/null >/dev/null
	eventually 5 logout_recorded iris || fail "no logout: $(last -w)"
	want_match "last" '^iris +pts/0 +127.0.0.1' "$(last -w)"
	want_match "lastlog" '^iris .*127.0.0.1' "$(lastlog -u iris)"
	want_match "the next login says so" 'Last login: .*127.0.0.1' "$(as iris -tt 2>&1 <<<exit | tr -d '\r')"
}

test_utmp_of_a_running_session() {
	client iris -tt 'exec sleep 20'
	eventually 10 pgrep -u iris -x sleep || fail "no session"
	want_match "who" '^iris +pts/0' "$(who /run/utmp)"
}

test_last_of_login() {
	timeout 20 script -qec "login -f iris -h there" /dev/null <<<"exit" >/dev/null || true
	sleep 0.5
	want_match "last" '^iris +pts/0' "$(last -w)"
}

test_syslog() {
	on iris true
	# pam_unix has its turn after us.
	eventually 10 eval 'log_new | grep "session closed for user iris"' || true
	want_match "login" 'sshd\[[0-9]+\]: Accepted publickey for iris' "$(log_new)"
	want_match "session opened" 'pam_unix\(sshd:session\): session opened for user iris' "$(log_new)"
	want_match "session closed" 'pam_unix\(sshd:session\): session closed for user iris' "$(log_new)"
	# "Disconnected from user" is written by the user's own process, which has no syslog of the host's to write to.
	want_match "ours, start" 'pam_cloister\(sshd:session\): session iris-[0-9a-f]+ of iris started' "$(log_new)"
	want_match "ours, end" 'pam_cloister\(sshd:session\): session iris-[0-9a-f]+ ended' "$(log_new)"
	want_no_match "no error" 'pam_cloister.*(refused|err)' "$(log_new)"
}

test_pam_exec_on_both_sides() {
	local host
	marker_script
	pam_service sshd 'session required pam_exec.so /opt/mark before' 'session required pam_exec.so /opt/mark after'
	on iris true
	eventually 5 eval 'test "$(wc -l </run/canary)" -ge 4' || true
	sleep 0.5
	host="$(readlink /proc/1/ns/mnt) $(readlink /proc/1/ns/pid) 0"
	want "open before" 1 "$(grep -cF "before open_session" /run/canary)"
	want "open after" 1 "$(grep -cF "after open_session" /run/canary)"
	want "close before" 1 "$(grep -cF "before close_session" /run/canary)"
	want "close after" 1 "$(grep -cF "after close_session" /run/canary)"
	want "before: in the host's namespaces" 1 "$(grep -cF "before open_session $host" /run/canary)"
	# After our line the login process has a mount namespace of its own (the host's view, its own /dev/pts).
	want "after: in the host's pid namespace, as root" 1 \
		"$(grep -c "^after open_session mnt:\[[0-9]*\] $(readlink /proc/1/ns/pid | sed 's/[][]/\\&/g') 0$" /run/canary)"
}

test_pam_exec_for_su() {
	local service
	marker_script
	for service in su su-l; do
		pam_service "$service" 'session required pam_exec.so /opt/mark before' \
			'session required pam_exec.so /opt/mark after'
	done
	timeout 20 su -l iris -c true </dev/null
	want "four" "before open_session,after open_session,before close_session,after close_session" \
		"$(awk '{print $1, $2}' /run/canary | sort -k2,2r -k1,1r | paste -sd,)"
}

test_pam_limits_on_both_sides() {
	local side
	echo '@nobody - nofile 10' >/etc/security/limits.conf
	printf 'iris hard nofile 333\niris soft nofile 222\niris - nproc 444\n' >/etc/security/limits.conf
	for side in before after; do
		if [ "$side" = before ]; then
			pam_service sshd
		else
			pam_service sshd '' 'session required pam_limits.so'
			sed -i '0,/pam_limits/{/pam_limits/d}' /etc/pam.d/sshd
		fi
		want "$side" "222 333" "$(on iris 'echo $(ulimit -Sn) $(ulimit -Hn)')"
		want "$side: nproc" 444 "$(on iris 'awk "/Max processes/ {print \$3}" /proc/self/limits')"
	done
}

test_pam_env_on_both_sides() {
	printf 'FROM_PAM DEFAULT=yes\n' >/etc/security/pam_env.conf
	want "before" yes "$(on iris 'echo $FROM_PAM')"
	pam_service sshd '' 'session required pam_env.so'
	sed -i '0,/pam_env/{/pam_env/d}' /etc/pam.d/sshd
	want "after" yes "$(on iris 'echo $FROM_PAM')"
}

test_pam_motd_on_both_sides() {
	echo "message of the day" >/etc/motd
	pam_service sshd 'session optional pam_motd.so motd=/etc/motd'
	want_match "before" 'message of the day' "$(as iris -tt 2>&1 <<<exit)"
	pam_service sshd '' 'session optional pam_motd.so motd=/etc/motd'
	want_match "after" 'message of the day' "$(as iris -tt 2>&1 <<<exit)"
}

test_pam_mkhomedir_before() {
	pam_service sshd 'session required pam_mkhomedir.so'
	rm -rf /home/ivan.kept
	mv /home/ivan /home/ivan.kept
	sshd_restart 'AuthorizedKeysFile /home/%u.kept/.ssh/authorized_keys
StrictModes no'
	want "home" /home/ivan "$(on ivan pwd)"
	rm -rf /home/ivan
	mv /home/ivan.kept /home/ivan
}

# A module after ours that fails leaves the login without a session, and must not leave ours behind.
test_a_later_module_that_fails() {
	snapshot_before
	pam_service sshd '' 'session required pam_deny.so'
	[ "$(status on iris 'touch ~/ran')" -ne 0 ] || fail "the login worked"
	[ ! -e /home/iris/ran ] || fail "user code ran"
	pam_service sshd
	snapshot_same
}

# The line standing twice (Debian's su-l includes su's stack).
test_the_line_twice() {
	pam_service sshd "session required $HOST_BUILD/pam_cloister.so conf=$HOST_CONF"
	want "works" iris "$(on iris whoami)"
	[ "$(on iris readlink /proc/self/ns/mnt)" != "$(readlink /proc/1/ns/mnt)" ] || fail "not inside"
	sleep 0.3
	want "one session each" 2 "$(log_new | grep -c 'event="start"')"
}

run_cases "$@"
