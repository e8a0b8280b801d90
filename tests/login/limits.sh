#!/bin/bash
# Limits of each process (rlimit_*), and limits that this machine's kernel cannot carry out: a login is refused then, and
# cloister(8) says so before. What the limits of a cgroup do is tested in tests/login/limits_cgroup.sh.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

cloister() {
	"$HOST_BUILD/cloister" "$1" --config "$HOST_CONF" "${@:2}"
}

# limit RESOURCE: "SOFT HARD" of the process that asks, by the kernel.
limit() {
	on iris cat /proc/self/limits | sed -n "s/^$1  *\([^ ]*\)  *\([^ ]*\) .*/\1 \2/p"
}

test_control_without_limits() {
	isolate iris
	want "files" "$(on nora 'echo $(ulimit -Sn) $(ulimit -Hn)')" "$(limit 'Max open files')"
	want "no word of it" "" "$(cloister plan iris | grep '^limit' || true)"
}

# Every key, as the kernel has it in the user's process.
test_rlimits() {
	isolate iris 'rlimit_as = 2G:3G' 'rlimit_cpu = 100:200' 'rlimit_data = 1G' 'rlimit_fsize = 5M:6M' \
		'rlimit_memlock = 16K:32K' 'rlimit_msgqueue = 4K' 'rlimit_nice = 0' 'rlimit_nofile = 123:456' \
		'rlimit_nproc = 77:88' 'rlimit_rtprio = 0' 'rlimit_sigpending = 99' 'rlimit_stack = 1M:2M'
	local seen expected
	seen=$(on iris cat /proc/self/limits | tr -s ' ')
	while read -r expected; do
		want_match "limits" "^$expected " "$seen"
	done <<-'END'
		Max address space 2147483648 3221225472
		Max cpu time 100 200
		Max data size 1073741824 1073741824
		Max file size 5242880 6291456
		Max locked memory 16384 32768
		Max msgqueue size 4096 4096
		Max nice priority 0 0
		Max open files 123 456
		Max processes 77 88
		Max realtime priority 0 0
		Max pending signals 99 99
		Max stack size 1048576 2097152
		Max core file size 0 0
	END
	want_match "plan" '^limit +rlimit_nofile 123:456$' "$(cloister plan iris)"
}

# They do something, in each way in, and a user cannot raise them.
test_rlimits_hold() {
	isolate iris 'rlimit_nofile = 40:50' 'rlimit_fsize = 4096' 'rlimit_nproc = 30'
	want "a file" 4096 "$(on iris 'head -c 9000 /dev/zero >/tmp/x; stat -c %s /tmp/x')"
	want "raised" 40 "$(on iris 'ulimit -n 51 2>/dev/null; ulimit -n')"
	want "raised to the hard one" 50 "$(on iris 'ulimit -n 50; ulimit -n')"
	want_match "processes" 'fork' "$(on iris 'for i in $(seq 40); do sleep 1 & done 2>&1; wait' 2>&1)"
	want "su" "40 50" "$(timeout 20 su -l iris -c 'echo $(ulimit -Sn) $(ulimit -Hn)' </dev/null)"
	want "run" "40 50" "$(cloister run --user iris -- sh -c 'echo $(ulimit -Sn) $(ulimit -Hn)')"
	all_closed
	client iris 'exec sleep 30'
	eventually 10 pgrep -u iris -x sleep || fail "no session"
	want "enter" "40 50" "$("$HOST_BUILD/cloister" enter iris -- sh -c 'echo $(ulimit -Sn) $(ulimit -Hn)')"
	want "sftp" "" "$(head -c 5000 /dev/zero >/tmp/big; echo 'put /tmp/big' | timeout 20 sftp -b - iris@testhost 2>&1 |
		grep -v 'sftp>' | grep -iv 'write\|failure\|closed\|reset\|lost' || true)"
	want "what sftp wrote" 1 "$(($(stat -c %s /home/iris/big) <= 4096))"
	want "others" 9000 "$(on nora 'head -c 9000 /dev/zero >/tmp/y; stat -c %s /tmp/y')"
	want "nobody who is not in the session" "" "$(on nora 'ulimit -n' | grep -x 40 || true)"
}

# What limits.conf(5) gives is not raised.
test_rlimits_never_raise() {
	isolate iris 'rlimit_nofile = 5000:6000' 'rlimit_nproc = 100:max'
	printf 'iris hard nofile 333\niris soft nofile 222\niris - nproc 444\n' >/etc/security/limits.conf
	want "files" "333 333" "$(limit 'Max open files')"
	want "processes" "100 444" "$(limit 'Max processes')"
}

test_rlimits_of_a_shared_session() {
	isolate iris 'scope = user' 'rlimit_nofile = 60:70'
	client iris 'exec sleep 30'
	eventually 10 pgrep -u iris -x sleep || fail "no session"
	want "the second login" "60 70" "$(limit 'Max open files')"
	want "one session" 1 "$(find /run/cloister/sessions -type f | wc -l)"
	isolate iris 'scope = user' 'rlimit_nofile = 61:70'
	want "with other limits" "61 70" "$(limit 'Max open files')"
	eventually 5 grep -q 'gets a session beside the one that is there: .*limits' /var/log/syslog || fail "$(log_new)"
}

test_rlimits_of_the_login_shell() {
	isolate iris 'rlimit_nofile = 60:70' 'state = /home/iris/state' 'writable = tmpfs'
	pam_service sshd
	sed -i '/pam_cloister/d' /etc/pam.d/sshd
	usermod -s "$HOST_BUILD/cloister-sh" iris
	want "files" "60 70" "$(limit 'Max open files')"
	isolate iris 'pids_max = 60'
	want "status" 125 "$(status on iris true)"
	want_match "why" 'pids_max needs the PAM line' "$(on iris true 2>&1 || true)"
}

test_wrong_values() {
	local line
	for line in 'memory_max = 2GB' 'memory_max = 0' 'swap_max = -1' 'pids_max = many' 'cpu_max = 0' 'cpu_max = 10 20' \
		'io_max = sda wbps=1' 'rlimit_nofile = 10:5' 'rlimit_core = 1' 'rlimit_nofile ='; do
		isolate iris "$line"
		want "$line" 254 "$(status on iris true)"
		want_match "check: $line" "^error: .*${line%% *}" "$(cloister check iris || true)"
	done
}

# This machine's controllers are bound to cgroup v1, or there is no cgroup at all (a test host has no systemd).
test_refused_without_controllers() {
	local key controller value
	snapshot_before
	while read -r key controller value; do
		isolate iris "$key = $value"
		if "$HOST_BUILD/cloister" check --config "$HOST_CONF" iris | grep -q '^ok: iris' &&
			! "$HOST_BUILD/cloister" check --config "$HOST_CONF" iris | grep -q '^error: limits'; then
			skip "this machine has cgroup v2 with the controller $controller"
		fi
		want "$key" 254 "$(status on iris touch canary)"
		[ ! -e /home/iris/canary ] || fail "the command ran"
		eventually 5 grep -qE "session for iris refused: cgroup: $key needs the controller $controller of cgroup v2" \
			/var/log/syslog || fail "$(log_new)"
		want_match "check" "^error: limits: cgroup: $key needs the controller $controller" "$(cloister check iris || true)"
		want_match "plan" "warning: the login would be refused: cgroup: $key needs the controller $controller" \
			"$(cloister plan iris 2>&1)"
		want_match "the plan is there" "^limit " "$(cloister plan iris 2>/dev/null)"
		want "run" 125 "$(status cloister run --user iris -- true)"
	done <<-'END'
		memory_max memory 1G
		swap_max memory 0
		pids_max pids 100
		cpu_max cpu 0.5
		io_max io 8:0 wbps=1M
	END
	isolate iris 'pids_max = max' 'memory_max = max'
	want "no limit after all" iris "$(on iris whoami)"
	isolate iris
	snapshot_same
}

# Without any cgroup v2 file system.
test_refused_without_cgroup2() {
	isolate iris 'pids_max = 100'
	umount -l /sys/fs/cgroup/unified /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup || skip "no /sys/fs/cgroup"
	sshd_restart
	want "status" 254 "$(status on iris true)"
	eventually 5 grep -q 'refused: cgroup: cgroup v2 is not mounted, and limits need it: /sys/fs/cgroup' /var/log/syslog ||
		fail "$(log_new)"
	want "others" nora "$(on nora whoami)"
}

run_cases "$@"
