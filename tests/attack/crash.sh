#!/bin/bash
# Parts that die at any moment, exhausted resources, many at once. Long versions with LONG=1 (make check-long).
set -u
CASE_TIMEOUT=${LONG:+3600}
CASE_TIMEOUT=${CASE_TIMEOUT:-120}
. "$(dirname -- "$0")/../lib/attack.sh"

# table: S01 | SIGKILL of a random part (monitor, child, init, shell) at a random moment: 25 times, 2,000 with LONG=1 | none: what is asked for is that nothing is left
test_s01_random_kills() {
	local i pid pids rounds=${LONG:+2000} start=$SECONDS
	for i in $(seq "${rounds:-25}"); do
		[ -n "${LONG-}" ] || [ $((SECONDS - start)) -lt 60 ] || break
		client iris 'sleep 0.2'
		sleep "0.$(printf %03d $((RANDOM % 400)))"
		mapfile -t pids < <(pgrep -x cloister-init; pgrep -f '^sshd: iris'; pgrep -u iris)
		[ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[RANDOM % ${#pids[@]}]}" 2>/dev/null || true
		wait "$CLIENT" || true
	done
	eventually 5 no_processes_left || fail "left: $(processes_left)"
	want "the next login" iris "$(on iris whoami)"
}

# table: S01 | the same at fixed moments of the set-up | see: cleanup.killed_while_it_starts
# table: S02 | the client is killed | see: cleanup.client_killed
# table: S03 | sshd restarted under a session | see: cleanup.sshd_restarted_under_a_session
# table: S04 | the module is replaced during a session | none: the session must end as ever
test_s04_module_replaced() {
	session_up 'sleep 100'
	cp "$HOST_BUILD/pam_cloister.so" "$HOST_BUILD/new.so"
	mv "$HOST_BUILD/new.so" "$HOST_BUILD/pam_cloister.so"
	session_down
	want "the next login" iris "$(on iris whoami)"
	snapshot_before
}

# table: S05 | the user signals what is theirs of the login: HUP, TERM, STOP, KILL | nora
test_s05_signals_from_the_user() {
	local signal
	for signal in HUP TERM INT KILL; do
		client iris "kill -$signal \$PPID; kill -$signal -1; sleep 5"
		wait "$CLIENT" || true
		eventually 10 no_processes_left || fail "$signal: left: $(processes_left)"
	done
}

# table: S06 | stale files of a power loss in /run/cloister | none: the next login must work
test_s06_stale_state() {
	on iris true
	mkdir -p /run/cloister/sessions
	printf 'pid=%s\nstart=1\nmnt=1\nuser=iris\n' "$$" >/run/cloister/sessions/iris-00000000
	: >/run/cloister/sessions/iris-11111111
	head -c 10000 /dev/urandom >/run/cloister/sessions/iris-22222222
	# Half-written by a process that is gone (no pid is as large), and by one that is there.
	: >/run/cloister/sessions/.iris-33333333.4194304
	: >/run/cloister/logins/.iris-33333333.4194304
	: >"/run/cloister/logins/.iris-33333333.$$"
	want "login" iris "$(on iris whoami)"
	"$HOST_BUILD/cloister" ls >/dev/null
	[ ! -e /run/cloister/sessions/.iris-33333333.4194304 ] || fail "what a dead process began to write of a session is left"
	[ ! -e /run/cloister/logins/.iris-33333333.4194304 ] || fail "what a dead process began to write is left"
	[ -e "/run/cloister/logins/.iris-33333333.$$" ] || fail "what is being written was removed"
	rm -f /run/cloister/sessions/iris-* /run/cloister/logins/.iris-*
}

# table: S07 | close_session without an open one, twice | none: it must neither crash nor harm
test_s07_close_without_open() {
	pam_service pamtester
	isolate iris 'entry = child'
	snapshot_before
	want "close alone" 0 "$(status timeout 20 pamtester pamtester iris close_session)"
	want "close twice" 0 "$(status timeout 20 pamtester pamtester iris open_session close_session close_session)"
}

# ---- exhaustion ----
# table: Z01 | each limit of namespaces | see: namespace_limits.mnt
# table: Z02 | a fork bomb, bounded by RLIMIT_NPROC | nora, in the same way
test_z02_fork_bomb() {
	echo 'iris hard nproc 60' >/etc/security/limits.conf
	snapshot_before
	client iris 'i=0; while [ $i -lt 200 ]; do sleep 20 & i=$((i+1)); done 2>/dev/null; sleep 20'
	eventually 10 pgrep -u iris -x sleep || fail "no bomb"
	want "nora" nora "$(on nora whoami)"
	want "ivan" ivan "$(on ivan whoami)"
	want "root" root "$(on root whoami)"
	[ "$(pgrep -u iris | wc -l)" -le 70 ] || fail "the limit does not hold"
	session_down
}

# table: Z03 | /tmp full: ENOSPC inside alone | nora fills the host's
test_z03_tmpfs_full() {
	isolated 'tmpfs = /tmp:size=1M' 'tmpfs = /run:size=1M'
	want "full" 1 "$(status on iris 'head -c 5000000 /dev/zero >/tmp/fill')"
	want "bounded" 1048576 "$(on iris 'head -c 5000000 /dev/zero >/tmp/fill 2>/dev/null; stat -c %s /tmp/fill')"
	want "control" 5000000 "$(on nora 'head -c 5000000 /dev/zero >/tmp/fill; stat -c %s /tmp/fill; rm /tmp/fill')"
	[ "$(on iris 'i=0; while [ $i -lt 50 ]; do mkdir /dev/$i && i=$((i+1)) || break; done 2>/dev/null; echo $i')" = 0 ] || fail "/dev can be filled"
}

# table: Z05 | a full disk for the overlay | see: fail_closed.state_on_a_full_disk
# table: Z06 | RLIMIT_NOFILE, AS, STACK, FSIZE small | see: fail_closed.too_few_descriptors
# table: Z07 | a flood of 200 ptys in a session | nora; all 4,096 of the machine are not taken, since others use them
test_z07_ptys() {
	local flood='import os,time
masters=[os.open("/dev/ptmx", os.O_RDWR) for i in range(200)]
print("up", flush=True); time.sleep(20)'
	client iris "python3 -c '$flood'"
	eventually 15 grep -q up "$CASE_STATE/client" || fail "no flood: $(cat "$CASE_STATE/client")"
	want_match "nora's terminal" '^/dev/pts/' "$(as nora -tt tty </dev/null)"
	want_match "ivan's" '^/dev/pts/0' "$(as ivan -tt tty </dev/null)"
	session_down
}

# table: Z08 | zombies: init reaps what its parents leave | none: they must be gone
test_z08_zombies() {
	want "zombies" 0 "$(on iris 'i=0; while [ $i -lt 200 ]; do (sleep 0.01 &) ; i=$((i+1)); done; sleep 1.5; ps -e -o stat= | grep -c ^Z; true')"
}

# ---- many at once ----
# table: Y01 | 15 logins of one user at once, 100 with LONG=1 | none: each must work
# table: Y02 | of two users at once | see: ssh_channels.twenty_logins_at_once
test_y01_logins_at_once() {
	local i pids=() n=${LONG:+100}
	n=${n:-15}
	for i in $(seq "$n"); do
		SSH_TIMEOUT=90 on iris 'readlink /proc/self/ns/mnt; sleep 4' >"/tmp/ns-$i" 2>/dev/null &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || fail "a login failed"; done
	want "sessions" "$n" "$(sort -u /tmp/ns-* | wc -l)"
}

# table: Y03 | a login while the last one is torn down | none: each must work
test_y03_login_during_logout() {
	local i
	for i in $(seq 10); do
		client iris 'exit 0'
		want "login $i" iris "$(on iris whoami)"
		wait "$CLIENT" || true
	done
}

# table: Y04 | races under ThreadSanitizer | not applicable: the module has no threads, and the login programs are not built with it
# table: Y06 | a lock that the user holds on what is theirs blocks nobody | none: each login must work
test_y06_locks() {
	mkdir -p /home/iris/locked
	touch /home/iris/.lock
	chown -R iris: /home/iris/locked /home/iris/.lock
	setpriv --reuid iris --regid iris --clear-groups flock /home/iris flock /home/iris/.lock sleep 60 &
	local holder=$!
	sleep 0.5
	want "iris" 0 "$(status timeout 10 su iris -c true </dev/null)"
	want "ivan" 0 "$(status timeout 10 su ivan -c true </dev/null)"
	[ "$(status setpriv --reuid iris --regid iris --clear-groups ls /var/lib/cloister)" -ne 0 ] || fail "the state is not root's"
	pkill -P "$holder" || true
	kill "$holder" 2>/dev/null || true
	pkill -u iris || true
}

# table: X04 | the shell cannot be executed | see: fail_closed.rootfs_without_the_shell
# table: X06 | a kernel without user namespaces | see: namespace_limits.user
run_cases "$@"
