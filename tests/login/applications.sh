#!/bin/bash
# PAM applications of other shapes than the known login programs, and the guard: while a session is open no child of the
# login process comes to life on the host, by whatever call it is made.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# applications SHAPE [USER]: what the application of that shape says, for a service that has pam_cloister.so alone.
applications() {
	timeout -k 2 20 "$HOST_BUILD/probe/applications" "$1" shapes "${2:-iris}"
}

lines() {
	printf '%s\n' "$@"
}

# The control is the same program for a user who is not isolated: its child lives, on the host.
# table: an application that uses posix_spawn, vfork, clone | its child cannot come to life (ENOMEM); said in syslog
test_guard() {
	local shape
	pam_service shapes
	isolate iris 'entry = child'
	for shape in vfork syscall clone posix_spawn; do
		want "control: $shape" "$(lines "$shape: host" "$shape: close: success" "$shape: host")" \
			"$(applications "$shape" nora)"
		want "$shape" "$(lines "$shape: no child: Cannot allocate memory" "$shape: close: success" "$shape: host")" \
			"$(applications "$shape")"
		want_match "$shape: reason" 'no child came by fork\(3\)' "$(log_new)"
	done
	want "fork" "$(lines "fork: inside" "fork: close: success" "fork: host")" "$(applications fork)"
}

# table: an application with threads | contained with entry = child
test_threads() {
	pam_service shapes
	isolate iris 'entry = child'
	want "control" "$(lines "threads: close: success" "threads: host" "threads: host" "threads: host" \
		"threads: made a thread")" "$(applications threads nora | sort)"
	want "threads" "$(lines "threads: inside" "threads: close: success" "threads: host")" "$(applications threads)"
	want "each its thread" "$(lines "each: inside" "each: host" "each: host")" "$(applications each)"
}

# table: two sessions in turn | contained
test_in_turn() {
	pam_service shapes
	isolate iris 'entry = child'
	snapshot_before
	want "in turn" "$(lines "in-turn: inside" "in-turn: close: 0" "in-turn: host" "in-turn: inside" \
		"in-turn: close: 0" "in-turn: host")" "$(applications in-turn)"
	snapshot_same
}

# A second session beside an open one in one process is refused; the first is none the worse.
# table: two sessions at once in one process | the second is refused
test_two_at_once() {
	pam_service shapes
	isolate iris 'entry = child'
	snapshot_before
	want "two" "$(lines "two: second open: refused" "two: inside" "two: inside" "two: close: success" "two: host")" \
		"$(applications two)"
	want_match "reason" 'refused: entry: this process has another session open' "$(log_new)"
	snapshot_same
}

# table: open and never close | contained; ends with the process
test_never_closed() {
	pam_service shapes
	isolate iris 'entry = child'
	snapshot_before
	want "no close" "no-close: inside" "$(applications no-close)"
	# Nobody was there to remove the entry in the registry: the next session does.
	applications fork >/dev/null
	snapshot_same
}

# table: close without open | nothing happens
test_close_without_open() {
	pam_service shapes
	isolate iris 'entry = child'
	want "no open" "$(lines "no-open: close: success" "no-open: host")" "$(applications no-open)"
}

# table: close twice | the second does nothing
test_close_twice() {
	pam_service shapes
	isolate iris 'entry = child'
	snapshot_before
	want "twice" "$(lines "twice: inside" "twice: close: success" "twice: host")" "$(applications twice)"
	snapshot_same
}

# table: close from another process | nothing happens
test_close_from_another_process() {
	pam_service shapes
	isolate iris 'entry = child'
	snapshot_before
	want "elsewhere" "$(lines "elsewhere: inside" "elsewhere: inside" "elsewhere: close: success")" \
		"$(applications elsewhere)"
	snapshot_same
}

run_cases "$@"
