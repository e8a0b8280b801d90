#!/bin/bash
# The sandbox of cloister image import as the kernel sees it, and what is left when a part of an import is killed, the disk
# is full, or the file system cannot do what is needed.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

IMAGES=/var/lib/cloister/images
archives() { python3 "$HOST_TESTS/lib/archives.py" "$@"; }
image() { "$HOST_BUILD/cloister" image "$@"; }

tree_make() {
	mkdir -p /tmp/tree/bin /tmp/tree/etc
	cp "$(command -v busybox)" /tmp/tree/bin/
	echo first >/tmp/tree/etc/first
	echo last >/tmp/tree/last
	tar -C /tmp/tree -cf /tmp/tree.tar etc bin last
}

# An import that waits for more of its archive: IMPORT is the process, SANDBOX the one that reads.
stalled_import() {
	mkfifo /tmp/slow
	[ -e /tmp/tree.tar ] || tree_make
	"$HOST_BUILD/cloister" image import /tmp/slow slow >/tmp/out 2>&1 &
	IMPORT=$!
	exec 7>/tmp/slow
	head -c 400000 /tmp/tree.tar >&7
	eventually 10 files_arrive || fail "nothing arrives: $(cat /tmp/out)"
	SANDBOX=$(pgrep -P "$IMPORT")
}

files_arrive() { [ -n "$(find "$IMAGES"/.unfinished-*/rootfs -mindepth 1 2>/dev/null)" ]; }

test_the_sandbox_as_the_kernel_sees_it() {
	local kind status
	stalled_import
	status=$(cat "/proc/$SANDBOX/status")
	want_match "an unprivileged id" $'^Uid:\t1879113728\t1879113728\t1879113728\t1879113728$' "$status"
	want_match "and group" $'^Gid:\t1879113728\t1879113728\t1879113728\t1879113728$' "$status"
	want_match "no other group" $'^Groups:\t *$' "$status"
	for kind in CapPrm CapEff CapBnd; do
		want_match "$kind: CHOWN, DAC_OVERRIDE, FOWNER, FSETID" $'^'"$kind"$':\t000000000000001b$' "$status"
	done
	want_match "none to inherit" $'^CapInh:\t0000000000000000$' "$status"
	want_match "none ambient" $'^CapAmb:\t0000000000000000$' "$status"
	want_match "no_new_privs" $'^NoNewPrivs:\t1$' "$status"
	want_match "seccomp" $'^Seccomp:\t2$' "$status"
	want_match "PID 1" $'^NSpid:\t[0-9]+\t1$' "$status"
	for kind in user mnt pid net ipc uts cgroup; do
		[ "$(readlink "/proc/$SANDBOX/ns/$kind")" != "$(readlink "/proc/self/ns/$kind")" ] || fail "shares $kind"
	done
	want "its mounts" 1 "$(wc -l <"/proc/$SANDBOX/mountinfo")"
	want_match "its root" '/images/\.unfinished-[0-9a-f]+/rootfs / [^ ]*nosuid,nodev,noexec[^ ]*idmapped' \
		"$(sed 's/^[^/]*//' "/proc/$SANDBOX/mountinfo")"
	want_no_match "propagation" 'shared:|master:' "$(cat "/proc/$SANDBOX/mountinfo")"
	want "descriptors" "0 null 1 null 2 null 3 socket 4 slow" \
		"$(for fd in 0 1 2 3 4; do echo "$fd $(readlink "/proc/$SANDBOX/fd/$fd" | sed 's/:.*//; s,.*/,,')"; done | xargs)"
	want_no_match "none of the host's directories" '/var/lib/cloister|/opt|/etc|/proc' \
		"$(for fd in "/proc/$SANDBOX/fd"/*; do readlink "$fd"; done | grep -v '/images/\.unfinished-[0-9a-f]*/rootfs')"
	want_match "memory" '^Max address space +2147483648 +2147483648 ' "$(cat "/proc/$SANDBOX/limits")"
	want_match "time" '^Max cpu time +7200 +7200 ' "$(cat "/proc/$SANDBOX/limits")"
	want_match "file size" '^Max file size +34359738368 +34359738368 ' "$(cat "/proc/$SANDBOX/limits")"
	want_match "no child" '^Max processes +0 +0 ' "$(cat "/proc/$SANDBOX/limits")"
	want_match "no core" '^Max core file size +0 +0 ' "$(cat "/proc/$SANDBOX/limits")"
	tail -c +400001 /tmp/tree.tar >&7
	exec 7>&-
	wait "$IMPORT" || fail "$(cat /tmp/out)"
}

# Nothing is loaded and nobody is looked up once "/" is the archive's: every path opened there is the tree's own.
test_nothing_is_loaded_from_the_tree() {
	archives layout /tmp/layout
	strace -f -qq -e trace=openat,open,execve,connect -o /tmp/trace "$HOST_BUILD/cloister" image import /tmp/layout traced >/dev/null
	local sandbox
	sandbox=$(awk '/unfinished-.*|pivot/ {next} {print $1}' /tmp/trace | sort -u | tail -n 1)
	want_match "control: the trace has the sandbox" "^$sandbox +openat\([0-9]+, \"(kept|x|top)\"" "$(cat /tmp/trace)"
	want_no_match "absolute paths" '"/(etc|usr|lib|var|proc)' "$(grep "^$sandbox " /tmp/trace)"
	want_no_match "programs, name service" 'execve|connect' "$(grep "^$sandbox " /tmp/trace)"
}

left_over() { ls -A "$IMAGES"; }

test_killed() {
	local part
	for part in import sandbox; do
		stalled_import
		if [ "$part" = import ]; then kill -KILL "$IMPORT"; else kill -KILL "$SANDBOX"; fi
		eventually 10 test ! -e "/proc/$SANDBOX/fd" || fail "$part: the sandbox lives on"
		wait "$IMPORT" 2>/dev/null && fail "$part: success"
		exec 7>&-
		want_no_match "$part: no such image" '^[^.]' "$(left_over)"
		image ls >/dev/null
		want "$part: nothing is left" "" "$(left_over)"
		rm /tmp/slow
	done
}

# Asked to end, it cleans up by itself.
test_asked_to_end() {
	local signal
	for signal in INT TERM HUP; do
		stalled_import
		kill "-$signal" "$IMPORT"
		wait "$IMPORT" && fail "$signal: success"
		exec 7>&-
		want "$signal: nothing is left" "" "$(left_over)"
		rm /tmp/slow
	done
}

# At any moment: whatever is there under the name is whole.
test_killed_at_any_moment() {
	local delay files
	tree_make
	for i in $(seq 400); do echo "$i" >"/tmp/tree/etc/file-$i"; done
	tar -C /tmp/tree -czf /tmp/tree.tar.gz .
	files=$(find /tmp/tree ! -type d | wc -l)
	for delay in 0.01 0.02 0.03 0.05 0.07 0.1 0.15 0.2 0.3 0.5; do
		"$HOST_BUILD/cloister" image import --replace /tmp/tree.tar.gz any >/dev/null 2>&1 &
		IMPORT=$!
		sleep "$delay"
		kill -KILL "$IMPORT" 2>/dev/null || true
		wait "$IMPORT" 2>/dev/null || true
		if [ -e "$IMAGES/any" ]; then
			want "whole" "$files" "$(find "$IMAGES/any/rootfs" ! -type d | wc -l)"
			[ -s "$IMAGES/any/image.json" ] || fail "no record"
		fi
	done
	image import --replace /tmp/tree.tar.gz any >/dev/null
	want "nothing else" any "$(left_over)"
}

# The next verb takes away what a killed one left, and leaves alone what a living one is at work on.
test_a_running_import_is_left_alone() {
	stalled_import
	image ls >/dev/null
	image import /tmp/tree.tar other >/dev/null
	image rm other
	files_arrive || fail "the running import's directory is gone"
	tail -c +400001 /tmp/tree.tar >&7
	exec 7>&-
	wait "$IMPORT" || fail "$(cat /tmp/out)"
	want "whole" "$(find /tmp/tree ! -type d | wc -l)" "$(find "$IMAGES/slow/rootfs" ! -type d | wc -l)"
	# However deep it is.
	mkdir "$IMAGES/.unfinished-0"
	python3 -c '
import os
os.chdir("'"$IMAGES"'/.unfinished-0")
for i in range(3000):
    os.mkdir("d"); os.chdir("d")'
	(ulimit -n 256 && image ls >/dev/null)
	want "deep" slow "$(left_over)"
}

test_disk_full() {
	mkdir -p "$IMAGES"
	chmod 0700 "$IMAGES"
	tree_make
	head -c 8000000 /dev/urandom >/tmp/tree/random
	tar -C /tmp/tree -cf /tmp/tree.tar .
	mount -t tmpfs -o size=4m,mode=0700 small "$IMAGES"
	OUT=$(image import /tmp/tree.tar full 2>&1) && fail "it did not fit"
	want_match "reason" 'ENOSPC' "$OUT"
	want "nothing is left" "" "$(left_over)"
	umount "$IMAGES"
	mount -t tmpfs -o nr_inodes=5,mode=0700 small "$IMAGES"
	OUT=$(image import /tmp/tree.tar full 2>&1) && fail "so many files did not fit"
	want_match "reason" 'ENOSPC' "$OUT"
	want "nothing is left" "" "$(left_over)"
	umount "$IMAGES"
}

# Where owners cannot be right on disk by an unprivileged process, there is no import: no weaker one.
test_no_idmapped_mounts() {
	mkdir -p "$IMAGES" /tmp/upper /tmp/work
	chmod 0700 "$IMAGES" /tmp/upper
	mount -t overlay -o "lowerdir=$IMAGES,upperdir=/tmp/upper,workdir=/tmp/work" over "$IMAGES"
	archives hostile set-id /tmp/bad.tar
	OUT=$(image import /tmp/bad.tar bad 2>&1) && fail "imported without a map"
	want_match "reason" 'does not support idmapped mounts' "$OUT"
	want "nothing is left" "" "$(left_over)"
	umount "$IMAGES"
}

run_cases "$@"
