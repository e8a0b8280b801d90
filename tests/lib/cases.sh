# shellcheck shell=bash
# What a file of tests is made of. It sources this, defines functions test_NAME (and set_up, run once in the new test
# host), and ends with: run_cases "$@". Each test runs in a process of its own with `set -euo pipefail`, after the test
# host was put back to its default configuration with a fresh sshd. Output: "ok FILE.NAME", "not ok FILE.NAME" with the
# test's own output as comments, "skip FILE.NAME # REASON".
# Arguments: patterns of test names (bash globs); none means all.
. "$(dirname -- "${BASH_SOURCE[0]}")/host.sh"
. "$(dirname -- "${BASH_SOURCE[0]}")/assertions.sh"

CASE_TIMEOUT=${CASE_TIMEOUT:-120}
SKIP_STATUS=77
CASE_STATE=/run/test-case

skip() {
	printf '%s\n' "$*" >"$CASE_STATE/skip"
	exit "$SKIP_STATUS"
}

# status COMMAND...: prints its exit status, whatever it is.
status() {
	local status=0
	"$@" >/dev/null 2>&1 || status=$?
	echo "$status"
}

# eventually SECONDS COMMAND...: true as soon as COMMAND is.
eventually() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# as USER [SSH OPTION...] [COMMAND...]: a real ssh login. The client's standard input is what the caller gives.
as() {
	local user=$1 options=()
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		-[oLRDFSOipWlEbc]) options+=("$1" "$2") && shift 2 ;;
		-*) options+=("$1") && shift ;;
		*) break ;;
		esac
	done
	timeout -k 2 "${SSH_TIMEOUT:-30}" ssh "${options[@]}" "$user@testhost" "$@"
}

# on USER COMMAND...: `ssh host command` with no input.
on() {
	local user=$1
	shift
	timeout -k 2 "${SSH_TIMEOUT:-30}" ssh -n "$user@testhost" "$@"
}

# The directory comes with the first login.
logins_registered() {
	{ find /run/cloister/logins -type f 2>/dev/null || true; } | sort
}

logins_at_most() {
	[ "$(logins_registered | wc -l)" -le "$1" ]
}

# Whether no login is registered but those of a list.
logins_only_of() {
	[ -z "$(comm -13 <(printf '%s\n' "$1") <(logins_registered))" ]
}

# on_to_its_end USER COMMAND...: the same, until the login is closed, too: sshd closes it after the client has gone.
on_to_its_end() {
	local before status=0
	before=$(logins_registered)
	on "$@" || status=$?
	eventually 20 logins_only_of "$before" || fail "the login of $1 is not closed"
	return "$status"
}

sessions_at_most() {
	logins_at_most "$1" && [ "$(pgrep -xc cloister-init)" -le "$1" ]
}

# Until every login is closed and its session has ended.
all_closed() {
	all_closed_but 0
}

# all_closed_but N: the same for all but so many.
all_closed_but() {
	eventually 20 sessions_at_most "$1" || fail "a login is not closed"
}

# client USER [SSH ARGUMENT...]: a login in the background; CLIENT is the pid of its ssh, and its output is in
# $CASE_STATE/client.
client() {
	local user=$1
	shift
	# Here, not in the background: what the client before this one said must be gone.
	: >"$CASE_STATE/client"
	ssh -l "$user" testhost "$@" </dev/null >"$CASE_STATE/client" 2>&1 &
	CLIENT=$!
}

# in_pty COMMAND: runs a shell command line with a new pty of the host as its terminal; prints what appears there.
in_pty() {
	# A newer script(1) shows the end of its own input as a character.
	timeout -k 2 30 script -qec "$1" /dev/null </dev/null | tr -d '\r' | sed 's/\^@//'
}

# What was logged since the case began.
log_new() {
	tail -n "+$(($(cat "$CASE_STATE/log-start") + 1))" /var/log/syslog
}

# Processes that a case or a session has left: all but PID 1, syslogd, the runner, sshd's listener and this shell's.
# One a line: "PID COMMAND".
processes_left() {
	local pid parent listener
	listener=$(cat /run/sshd.pid 2>/dev/null)
	for pid in /proc/[0-9]*; do
		pid=${pid#/proc/}
		parent=$pid
		# What this case runs itself is not left over.
		while [ -n "$parent" ] && [ "$parent" -gt 1 ] && [ "$parent" != "$$" ]; do
			parent=$(awk '/^PPid:/ {print $2}' "/proc/$parent/status" 2>/dev/null)
		done
		[ "$parent" = "$$" ] && continue
		case " $HOST_KEEP $PPID $listener " in
		*" $pid "*) continue ;;
		esac
		[ -e "/proc/$pid/status" ] && echo "$pid $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
	done
	return 0
}

no_processes_left() {
	[ -z "$(processes_left)" ]
}

# Every namespace that a process of the test host is in, or holds open.
namespaces() {
	{
		readlink /proc/[0-9]*/ns/* 2>/dev/null
		readlink /proc/[0-9]*/fd/* 2>/dev/null | grep -E '^[a-z_]+:\[[0-9]+\]$' | grep -vE '^(socket|pipe):'
	} | sort -u
}

# What must be the same before and after sessions.
snapshot() {
	# A part that has nothing to show is no error.
	set +o pipefail
	# Without the trees that somebody builds on the machine meanwhile: their mounts were here when this host began.
	sed -E '/ \/tmp\/(mmdebstrap|cloister-[a-z0-9]+)\./d; s/^/mount /' /proc/1/mountinfo
	sed -E '/ \/tmp\/(mmdebstrap|cloister-[a-z0-9]+)\./d; s/^/sshd mount /' "/proc/$(cat /run/sshd.pid)/mountinfo"
	readlink "/proc/$(cat /run/sshd.pid)/fd/"* | grep -vE '^(socket|pipe):' | sed 's/^/sshd fd /'
	namespaces | sed 's/^/namespace /'
	find /run/cloister \( -type f -o -type l \) 2>/dev/null | sed 's/^/registry /'
	find /dev -printf 'dev %p %y %m %U %G\n'
	declare -F snapshot_more >/dev/null || find /etc -newer "$CASE_STATE/log-start" -type f | sed 's/^/changed /'
	ipcs -m -q -s | grep -v '^$' | sed 's/^/ipc /'
	! declare -F snapshot_more >/dev/null || snapshot_more
	set -o pipefail
}

snapshot_before() {
	eventually 5 no_processes_left || fail "before: processes are left: $(processes_left)"
	snapshot >"$CASE_STATE/before"
}

# Within five seconds everything must be as it was at snapshot_before.
snapshot_same() {
	eventually 5 no_processes_left || fail "after five seconds processes are left: $(processes_left)"
	snapshot_equal || sleep 1
	snapshot_equal || fail "something is left: $(diff "$CASE_STATE/before" "$CASE_STATE/after")"
}

# cmp's status is the answer.
snapshot_equal() {
	snapshot >"$CASE_STATE/after"
	cmp -s "$CASE_STATE/before" "$CASE_STATE/after"
}

# ---- the runner, PID 1 of the test host ----
case_clean() {
	local pid
	for pid in /proc/[0-9]*; do
		pid=${pid#/proc/}
		case " $HOST_KEEP " in
		*" $pid "*) ;;
		*) kill -KILL "$pid" 2>/dev/null ;;
		esac
	done
	rm -rf "$CASE_STATE" /run/cloister /run/sshd.pid /tmp/* /run/canary /opt/rootfs/* /var/lib/cloister/*
	mkdir -m 0700 "$CASE_STATE"
	wc -l </var/log/syslog >"$CASE_STATE/log-start"
	local i
	for ((i = 0; i < 100; i++)); do
		port_open 22 || break
		sleep 0.02
	done
	host_default_configuration
	for pid in iris ivan nora; do
		find "/home/$pid" -mindepth 1 -maxdepth 1 ! -name .ssh -exec rm -rf {} +
		find "/home/$pid/.ssh" -mindepth 1 ! -name authorized_keys -delete
	done
	sshd_start
}

run_case() {
	local function=$1 name status=0 log=/run/test-case.log
	name=$(basename "$0" .sh).${function#test_}
	case_clean >/dev/null 2>&1
	HOST_CASE=$function timeout -k 5 "$CASE_TIMEOUT" bash "$HOST_SELF" >"$log" 2>&1 </dev/null || status=$?
	case $status in
	0) echo "ok $name" ;;
	"$SKIP_STATUS") echo "skip $name # $(cat "$CASE_STATE/skip" 2>/dev/null)" ;;
	*)
		echo "not ok $name"
		[ "$status" -lt 124 ] || echo "# exit status $status (124, 137: it took over $CASE_TIMEOUT s)"
		tail -n 40 "$log" | sed 's/^/# /'
		tail -n "+$(($(cat "$CASE_STATE/log-start") + 1))" /var/log/syslog | grep -a cloister | tail -n 5 |
			sed 's/^/# syslog: /'
		RUN_FAILED=1
		;;
	esac
}

run_cases() {
	if [ -z "${HOST_INSIDE-}" ]; then
		host_enter "$(readlink -f -- "$0")" "$@"
	fi
	if [ -n "${HOST_CASE-}" ]; then
		set -euo pipefail
		! declare -F case_before >/dev/null || case_before
		"$HOST_CASE"
		! declare -F case_after >/dev/null || case_after
		exit 0
	fi
	local function pattern output status
	# Not as a condition: there `set -e` has no effect.
	output=$(host_build iris ivan nora 2>&1)
	status=$?
	if [ "$status" -ne 0 ]; then
		echo "not ok $(basename "$0" .sh).test_host"
		printf '%s\n' "$output" | sed 's/^/# /'
		exit 1
	fi
	HOST_SYSLOGD=$(pidof -s busybox)
	# The subshell above is gone; the mounts stay.
	HOST_KEEP="1 $$ $HOST_SYSLOGD"
	HOST_SELF=$HOST_TESTS/$(basename "$(dirname "$0")")/$(basename "$0")
	export HOST_KEEP HOST_SELF
	cd /
	mkdir -p "$CASE_STATE"
	if declare -F set_up >/dev/null; then
		set_up || echo "# set_up failed"
	fi
	RUN_FAILED=0
	for function in $(grep -o '^test_[a-z0-9_]*' "$HOST_SELF"); do
		if [ $# -eq 0 ]; then
			run_case "$function"
			continue
		fi
		for pattern in "$@"; do
			# shellcheck disable=SC2053 # the pattern is one
			if [[ ${function#test_} == $pattern ]]; then
				run_case "$function"
				break
			fi
		done
	done
	exit "$RUN_FAILED"
}
