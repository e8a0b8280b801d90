#!/bin/bash
# What is left when a session ends, in the ways in which one can end: nothing, within five seconds.
# alone: 200 logins are timed
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# shellcheck disable=SC2034 # read by run_cases
CASE_TIMEOUT=180

# A session with a background process that would like to survive; MONITOR is sshd's, INIT the session's.
session() {
	snapshot_before
	client iris 'setsid nohup sleep 1000 >/dev/null 2>&1 & exec sleep 999'
	eventually 10 pgrep -u iris -f '^sleep 999' || fail "no session: $(cat "$CASE_STATE/client")"
	INIT=$(pgrep -x cloister-init)
	MONITOR=$(pgrep -f '^sshd: iris \[priv\]')
	SHELL_PID=$(pgrep -u iris -f '^sleep 999')
	[ -n "$INIT" ] && [ -n "$MONITOR" ] || fail "no init or no monitor"
}

test_control_the_snapshot_sees() {
	session
	snapshot_equal && fail "the snapshot does not see a running session"
	want_match "a namespace" '^> namespace pid:' "$(diff "$CASE_STATE/before" "$CASE_STATE/after")"
	kill "$CLIENT"
	snapshot_same
}

test_control_plain_user_keeps_processes() {
	snapshot_before
	on nora 'setsid sleep 1000 >/dev/null 2>&1 </dev/null &'
	sleep 0.5
	pgrep -u nora -x sleep >/dev/null || fail "the control's process is gone"
	kill "$(pgrep -u nora -x sleep)"
	snapshot_same
}

test_logout() {
	snapshot_before
	on iris 'setsid nohup sleep 1000 >/dev/null 2>&1 </dev/null &'
	snapshot_same
}

test_logout_with_terminal() {
	snapshot_before
	as iris -tt 'setsid nohup sleep 1000 >/dev/null 2>&1 </dev/null & trap "" HUP; sleep 0.2; exit 0' </dev/null >/dev/null
	snapshot_same
}

test_logout_directory_rootfs() {
	local mode
	rootfs_make /opt/rootfs/busybox
	for mode in no tmpfs; do
		isolate iris 'rootfs = /opt/rootfs/busybox' "writable = $mode"
		snapshot_before
		on iris 'sleep 1000 >/dev/null 2>&1 </dev/null &'
		snapshot_same
	done
}

test_client_killed() {
	session
	kill -KILL "$CLIENT"
	snapshot_same
}

# systemd sends it to all of a cgroup that it stops, init among them, and waits for each, 90 s if need be.
test_terminated_from_outside() {
	session
	kill -TERM "$INIT" "$SHELL_PID" "$(pgrep -u iris -f '^sleep 1000')"
	eventually 3 processes_gone || fail "init waits for nobody"
	snapshot_same
	# Where no login's end ends the session, the signal alone does: at once when nobody is left.
	isolate iris 'scope = user' 'linger = yes'
	snapshot_before
	on_to_its_end iris 'sleep 1000 >/dev/null 2>&1 </dev/null &'
	INIT=$(pgrep -x cloister-init) || fail "it does not linger"
	kill -TERM "$INIT" "$(pgrep -u iris -f '^sleep 1000')"
	eventually 3 processes_gone || fail "init that lingers waits for nobody"
	# The registry's entry has nobody else who would take it away.
	"$HOST_BUILD/cloister" ls >/dev/null
	snapshot_same
	isolate iris
	# Who does not mind is killed, but has some seconds.
	snapshot_before
	client iris 'trap "" TERM; while :; do sleep 0.2; done'
	eventually 10 pgrep -x cloister-init || fail "no session"
	INIT=$(pgrep -x cloister-init)
	eventually 5 pgrep -u iris -x sleep || fail "no loop"
	kill -TERM "$INIT"
	sleep 2
	pgrep -x cloister-init >/dev/null || fail "no time was given"
	eventually 10 processes_gone || fail "init waits for ever"
	snapshot_same
}

processes_gone() {
	! pgrep -x cloister-init && ! pgrep -u iris
}

# The user's processes may not send init a signal: other uids, and Landlock's scopes. That is not what is tested here: the
# sender has init's own uid in the session's namespaces, and is stopped by the kernel's rule for a namespace's PID 1, and by
# init's for who has sent a SIGTERM. Seven seconds, since a session that is terminated has five to end.
test_not_terminated_from_inside() {
	session
	# Whoever queues a signal says itself who sent it: nobody, as it looks to init where the sender is outside.
	gcc -x c -o /tmp/forged - <<-'END'
		#include <signal.h>
		#include <sys/syscall.h>
		#include <unistd.h>
		int main(void)
		{
			siginfo_t info = {.si_signo = SIGTERM, .si_code = SI_QUEUE};
			return syscall(SYS_rt_sigqueueinfo, 1, SIGTERM, &info) < 0;
		}
	END
	nsenter --target "$INIT" --user --pid --setuid 0 --setgid 0 /tmp/forged || fail "void: nothing was sent"
	want "from inside" "$(printf '%s\n' TERM KILL STOP INT HUP SEGV 'control: 137' S on)" \
		"$(nsenter --target "$INIT" --user --mount --pid --setuid 0 --setgid 0 sh -c 'sleep 100 &
			for s in TERM KILL STOP INT HUP SEGV; do kill -$s 1 && echo $s; done
			kill -KILL $!; wait $! || echo "control: $?"
			sleep 7; cut -d" " -f3 /proc/1/stat; echo on' 2>/dev/null)"
	pgrep -u iris -f '^sleep 999' >/dev/null || fail "the user's process is gone"
	# Control: the same from outside ends it.
	kill -TERM "$INIT"
	eventually 10 processes_gone || fail "void: it does not end by a signal from outside, either"
	snapshot_same
}

# Nobody is there to take the registry's entry away: the next login does.
test_monitor_killed() {
	session
	kill -KILL "$MONITOR"
	eventually 5 no_processes_left || fail "left: $(processes_left)"
	on iris true
	snapshot_same
}

test_init_killed() {
	session
	kill -KILL "$INIT"
	snapshot_same
}

test_users_process_killed() {
	session
	kill -KILL "$SHELL_PID"
	snapshot_same
}

test_sshds_user_process_killed() {
	session
	kill -KILL "$(pgrep -u iris -f '^sshd: iris')"
	snapshot_same
}

test_everything_killed_at_once() {
	session
	kill -KILL "$MONITOR" "$INIT" "$CLIENT"
	eventually 5 no_processes_left || fail "left: $(processes_left)"
	on iris true
	snapshot_same
}

test_user_kills_all_that_they_can() {
	snapshot_before
	status as iris 'sleep 100 & kill -9 -1' </dev/null >/dev/null
	snapshot_same
}

test_cloister_sh_killed() {
	snapshot_before
	su -s /bin/sh nora -c "exec $HOST_BUILD/cloister-sh -c 'exec sleep 999'" </dev/null &
	if ! eventually 10 pgrep -f '^sleep 999'; then
		fail "no session by cloister-sh"
	fi
	kill -KILL "$(pgrep -f '^[^ ]*cloister-sh -c' | head -n 1)"
	snapshot_same
}

# Killed at every moment of a login: the delays go through the whole of it.
test_killed_while_it_starts() {
	local delay monitor
	snapshot_before
	for delay in $(seq -f 0.%03g 2 8 400); do
		client iris true
		sleep "$delay"
		monitor=$(pgrep -f '^sshd: iris \[priv\]' || true)
		# shellcheck disable=SC2086
		[ -z "$monitor" ] || kill -KILL $monitor 2>/dev/null || true
		wait "$CLIENT" || true
	done
	want "the next login works" iris "$(on iris whoami)"
	# A login heals some entries, this all of them.
	"$HOST_BUILD/cloister" ls >/dev/null
	snapshot_same
}

two_of_su() {
	[ "$(pgrep -xc su)" = 2 ]
}

none_of_su() {
	! pgrep -x su >/dev/null
}

# The process that gives the login program its closed pid namespace lives for microseconds, which strace(1) makes long. It is
# the second, after init.
test_killed_beside_the_closed_namespace() {
	local tracer
	snapshot_before
	strace -f -o /dev/null -e trace=clone -e inject=clone:delay_exit=60000000:when=2 \
		su -l iris -c true </dev/null >/dev/null 2>&1 &
	tracer=$!
	eventually 20 two_of_su || fail "control: su has no such process: $(pgrep -la su)"
	kill -KILL "$(pgrep -xo su)" "$tracer"
	wait "$tracer" 2>/dev/null || true
	eventually 10 none_of_su || fail "left: $(pgrep -la su)"
	want "the next login" iris "$(on iris whoami)"
	snapshot_same
}

test_sshd_restarted_under_a_session() {
	client iris 'echo up; exec sleep 999'
	eventually 10 pgrep -u iris -f '^sleep 999' || fail "no session"
	sshd_restart
	pgrep -u iris -f '^sleep 999' >/dev/null || fail "the session did not survive sshd's restart"
	want "another login" iris "$(on iris whoami)"
	kill "$CLIENT"
	eventually 5 no_processes_left || fail "left: $(processes_left)"
}

test_power_loss_leaves_an_entry_that_heals() {
	session
	kill -KILL "$MONITOR"
	eventually 5 no_processes_left || fail "left: $(processes_left)"
	on iris true
	all_closed
	want "entries" "" "$(find /run/cloister -type f -path '*sessions*' 2>/dev/null)"
}

# 200 in a row: nothing is left, and the last twenty take no longer than the first twenty.
test_200_logins() {
	local i start times=()
	snapshot_before
	for i in $(seq 200); do
		start=$(date +%s%N)
		on iris true || fail "login $i"
		times+=($((($(date +%s%N) - start) / 1000)))
	done
	snapshot_same
	local first last
	first=$(printf '%s\n' "${times[@]:0:20}" | sort -n | sed -n 10p)
	last=$(printf '%s\n' "${times[@]:180:20}" | sort -n | sed -n 10p)
	echo "first $first us, last $last us"
	[ $((last * 2)) -lt $((first * 3)) ] || fail "the first twenty took $first us each, the last twenty $last us"
}

run_cases "$@"
