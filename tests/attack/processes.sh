#!/bin/bash
# Other processes: those of the host, init, those of another session of the same user.
set -u
. "$(dirname -- "$0")/../lib/attack.sh"

# table: P01 | the host's processes in /proc and ps | see: ssh_basic.ps_shows_the_session_alone
# table: P02 | kill(-1), kill of a pid of the host of the same uid | nora
test_p02_kill() {
	local user
	for user in nora iris; do
		setpriv --reuid "$user" --regid "$user" --clear-groups sleep 300 &
	done
	eventually 5 pgrep -u iris -x sleep && eventually 5 pgrep -u nora -x sleep || fail "no processes"
	status as nora -n 'kill -9 -1' >/dev/null
	eventually 5 bash -c '! pgrep -u nora -x sleep' || void "nora's process lives"
	status as iris -n "kill -9 $(pgrep -u iris -x sleep); kill -9 -1" >/dev/null
	sleep 0.5
	pgrep -u iris -x sleep >/dev/null || fail "a process of the host was killed"
	kill "$(pgrep -u iris -x sleep)"
}

# table: P03 | ptrace, process_vm_readv, pidfd_getfd of init | nora, of another process of hers
# table: P04 | /proc/1/mem, environ, maps, fd, root of init | nora, of another process of hers
test_p03_p04_init() {
	put_probes attack_processes
	local out
	out=$(on nora 'sleep 20 & ./attack_processes kill=$! ptrace=$! process_vm_readv=$! pidfd_getfd=$! \
		read_file=/proc/$!/mem read_file=/proc/$!/environ read_file=/proc/$!/maps read_file=/proc/$!/fd/0; kill $!')
	[ "$(grep -c ': worked' <<<"$out")" -eq 8 ] || void "$out"
	out=$(on iris ./attack_processes kill=1 ptrace=1 process_vm_readv=1 pidfd_getfd=1 read_file=/proc/1/{mem,environ,maps,fd,root,cwd,exe,ns/mnt})
	want "refused" 12 "$(grep -c ': refused' <<<"$out")"
}

# table: P05 | another session of the same user: signals, ps, /proc | see: ssh_channels.two_logins_of_one_user
# A process of the host with the user's uid, beside their logins, for as long as they last.
# table: P06 | a process of the host with the same uid traces a session while it is set up, and later | nora's session, by nora
test_p06_traced_from_the_host() {
	local user i
	for user in nora iris; do
		setpriv --reuid "$user" --regid "$user" --clear-groups "$HOST_BUILD/probe/attack_processes" \
			"seize_any=$(id -u "$user")" >"/tmp/seized-$user" &
		local tracer=$!
		for i in 1 2; do on "$user" 'sleep 0.3' || true; done
		wait "$tracer"
	done
	want_match "control" ': worked' "$(cat /tmp/seized-nora)"
	want_match "iris's" ': refused EPERM' "$(cat /tmp/seized-iris)"
	session_up 'sleep 100'
	local pid
	pid=$(pgrep -u iris -f '^sleep 100')
	setpriv --reuid iris --regid iris --clear-groups ls "/proc/$pid/root/" >/dev/null 2>&1 && fail "its root can be entered"
	session_down
}

# table: P07 | a daemon by double fork survives logout | see: cleanup.logout
# table: P08 | SIGSTOP, SIGKILL, SIGTERM to one's own init | root of the host, whose signal ends it
test_p08_signals_to_init() {
	want "inside" alive "$(on_to_its_end iris 'for s in STOP KILL TERM HUP SEGV; do kill -$s 1 2>/dev/null; done; sleep 0.3;
		sh -c "echo alive"')"
	session_up 'sleep 100'
	kill -KILL "$(pgrep -x cloister-init)"
	eventually 5 no_processes_left || fail "after init's end something is left: $(processes_left)"
	wait "$CLIENT" && fail "the login ended well" || true
	# A stopped init: the session goes on, and ends when its login does.
	session_up 'sleep 100'
	kill -STOP "$(pgrep -x cloister-init)"
	session_down
}

run_cases "$@"
