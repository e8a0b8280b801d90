#!/bin/bash
# Channels of one connection share one session; two logins share nothing.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

master_start() {
	as "$1" -M -S "/tmp/control-$1" -N -f -o ControlPersist=yes </dev/null >/dev/null 2>&1
	eventually 10 test -S "/tmp/control-$1" || fail "no master"
}

master_stop() {
	timeout 10 ssh -S "/tmp/control-$1" -O exit testhost 2>/dev/null
}

# table: sshd, several channels of a connection | one session
test_channels_share_a_session() {
	local kind first second
	master_start iris
	for kind in user mnt pid uts ipc net cgroup; do
		first=$(as iris -S /tmp/control-iris "readlink /proc/self/ns/$kind" </dev/null)
		second=$(as iris -S /tmp/control-iris "readlink /proc/self/ns/$kind" </dev/null)
		want "$kind" "$first" "$second"
		[ "$first" != "$(readlink "/proc/1/ns/$kind")" ] || fail "$kind is the host's"
	done
	as iris -S /tmp/control-iris 'echo shared >/tmp/file' </dev/null
	want "a file in /tmp" shared "$(as iris -S /tmp/control-iris 'cat /tmp/file' </dev/null)"
	as iris -S /tmp/control-iris 'sleep 30' </dev/null &
	eventually 10 as iris -S /tmp/control-iris 'pgrep -x sleep' </dev/null || fail "the other channel's process is not seen"
	want "one init" 1 "$(pgrep -x cloister-init | wc -l)"
}

test_parallel_channels() {
	local i status pids=()
	master_start iris
	for i in 1 2 3 4 5 6 7 8; do
		as iris -S /tmp/control-iris "echo $i; sleep 1; exit $i" </dev/null >"/tmp/out-$i" &
		pids[i]=$!
	done
	for i in 1 2 3 4 5 6 7 8; do
		status=0
		wait "${pids[i]}" || status=$?
		want "status of channel $i" "$i" "$status"
	done
	want "output" "1 2 3 4 5 6 7 8" "$(cat /tmp/out-? | paste -sd' ')"
}

test_terminals_of_channels() {
	master_start iris
	as iris -S /tmp/control-iris -tt 'tty; sleep 5' </dev/null >/tmp/first &
	eventually 10 grep -q pts /tmp/first || fail "no first terminal"
	want "second" /dev/pts/1 "$(as iris -S /tmp/control-iris -tt tty </dev/null | tr -d '\r')"
	want "first" /dev/pts/0 "$(tr -d '\r' </tmp/first)"
}

test_the_end_of_a_connection_ends_its_session() {
	snapshot_before
	master_start iris
	as iris -S /tmp/control-iris 'setsid sleep 1000 >/dev/null 2>&1 &' </dev/null
	master_stop iris
	snapshot_same
}

test_two_logins_of_one_user() {
	as iris 'echo secret >/tmp/file; exec sleep 30' </dev/null &
	eventually 10 pgrep -u iris -x sleep || fail "no first session"
	want "files" "" "$(on iris 'ls /tmp')"
	want "processes" "" "$(on iris 'pgrep -x sleep' || true)"
	want "signals" 1 "$(status on iris 'pkill -x sleep')"
	pgrep -u iris -x sleep >/dev/null || fail "the other session's process was killed"
	want "abstract sockets and IPC" "" "$(on iris 'ipcs -m -q -s | grep -c 0x; true' | grep -v '^0$' || true)"
	as iris 'exec sleep 31' </dev/null &
	eventually 10 pgrep -u iris -f '^sleep 31' || fail "no second session"
	all_closed_but 2
	want "two" 2 "$(pgrep -x cloister-init | wc -l)"
}

# Two overlays on one upper directory are undefined: the second login gets a mount of the first one's.
test_two_logins_share_one_overlay() {
	as iris 'mkdir -p /var/tmp/shared && echo one >/var/tmp/shared/first; exec sleep 30' </dev/null &
	eventually 10 pgrep -u iris -x sleep || fail "no first session"
	want "the first's file" one "$(on iris cat /var/tmp/shared/first)"
	local first second
	first=$(nsenter -t "$(pgrep -x cloister-init | head -n 1)" -m stat -c %d /)
	second=$(on iris 'stat -c %d /')
	want "one file system" "$first" "$second"
}

test_ipc_is_apart() {
	as iris 'ipcmk -M 4096 >/dev/null; exec sleep 20' </dev/null &
	eventually 10 pgrep -u iris -x sleep || fail "no session"
	want "the host sees nothing" 0 "$(ipcs -m | grep -c '^0x' || true)"
	want "another login sees nothing" 0 "$(on iris 'ipcs -m | grep -c ^0x; true')"
	ipcmk -M 4096 >/dev/null
	want "the host's is not seen" 0 "$(on iris 'ipcs -m | grep -c ^0x; true')"
}

test_two_users() {
	as iris 'exec sleep 30' </dev/null &
	eventually 10 pgrep -u iris -x sleep || fail "no first session"
	want "processes" "" "$(on ivan 'pgrep -x sleep' || true)"
	want "homes" "ivan" "$(on ivan 'ls /home')"
}

# Twenty at once, of two users: each its own session, none is left.
test_twenty_logins_at_once() {
	local i pids=()
	snapshot_before
	for i in $(seq 20); do
		on "$([ $((i % 2)) -eq 0 ] && echo iris || echo ivan)" 'readlink /proc/self/ns/pid; sleep 2' >"/tmp/ns-$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || fail "a login failed"
	done
	want "different sessions" 20 "$(sort -u /tmp/ns-* | wc -l)"
	snapshot_same
}

run_cases "$@"
