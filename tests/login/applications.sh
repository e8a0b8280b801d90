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
		# syslogd writes when it comes to it.
		eventually 5 eval 'log_new | grep -q "no child came by fork(3)"' || fail "$shape: no reason: $(log_new)"
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

# process COMMAND...: what the application that becomes the user says when it executes COMMAND.
process() {
	timeout -k 2 20 "$HOST_BUILD/probe/applications" exec shapes "${PROCESS_USER:-iris}" "$@"
}

# Whatever call makes its child, and without any: the program itself is inside. Nothing needs to be said for a program
# that is not known.
# table: an application that uses posix_spawn, vfork, clone, with `entry = process` | contained; the application itself is inside
# table: an application that is not known, rootfs of root's | contained; the application itself is inside
test_process() {
	local shape entry
	pam_service shapes
	snapshot_before
	for entry in process auto; do
		# posix_spawn(3) is of the program's own path.
		isolate iris "entry = $entry" "bind = $HOST_BUILD/probe"
		for shape in fork vfork syscall clone posix_spawn; do
			want "$entry: $shape" "$(lines "$shape: inside" "$shape: close: success" "$shape: inside")" \
				"$(applications "$shape")"
		done
	done
	snapshot_same
}

# table: an application that becomes the user's process itself, with `entry = process` | contained
test_process_becomes_the_user() {
	local mnt
	pam_service shapes
	isolate iris 'entry = process'
	snapshot_before
	want "control" "$(readlink /proc/1/ns/pid)" "$(PROCESS_USER=nora process readlink /proc/self/ns/pid)"
	[ "$(process readlink /proc/self/ns/pid)" != "$(readlink /proc/1/ns/pid)" ] || fail "in the host's pid namespace"
	want "processes" "$(lines cloister-init ps)" "$(process ps -e -o comm=)"
	want "id" "$(id iris)" "$(process id)"
	want_match "privileges" '^CapBnd:\s0+$' "$(process cat /proc/self/status)"
	want_match "no_new_privs" '^NoNewPrivs:\s1$' "$(process cat /proc/self/status)"
	want "status" 3 "$(status process sh -c 'exit 3')"
	want "a signal" 143 "$(status process sh -c 'kill -TERM $$')"
	want "input and output" hello "$(echo hello | process cat)"
	mnt=$(in_pty "$HOST_BUILD/probe/applications exec shapes iris sh -c 'tty; readlink /proc/self/ns/mnt'")
	want_match "its own terminal" '^/dev/pts/0$' "$mnt"
	snapshot_same
}

# What stays outside passes signals on, and ends with the process inside; the session ends with either.
test_process_ends() {
	local outside
	pam_service shapes
	isolate iris 'entry = process'
	snapshot_before
	"$HOST_BUILD/probe/applications" exec shapes iris sh -c 'trap "echo got it >/home/iris/signal; exit 5" TERM
		echo ready >/home/iris/ready; while :; do sleep 0.1; done' </dev/null &
	outside=$!
	eventually 10 test -s /home/iris/ready || fail "it does not run"
	kill -TERM "$outside"
	local ended=0
	wait "$outside" || ended=$?
	want "passed on" "got it 5" "$(cat /home/iris/signal) $ended"
	snapshot_same
	rm /home/iris/ready
	"$HOST_BUILD/probe/applications" exec shapes iris sh -c 'echo ready >/home/iris/ready; exec sleep 1000' </dev/null &
	outside=$!
	eventually 10 test -s /home/iris/ready || fail "it does not run"
	kill -KILL "$outside"
	wait "$outside" || true
	applications fork >/dev/null
	snapshot_same
}

# A pipe or a connection of the program's ends when the program closes it: what stays outside holds none of them.
test_process_leaves_no_descriptor_outside() {
	pam_service shapes
	isolate iris 'entry = process'
	mkfifo /tmp/pipe
	"$HOST_BUILD/probe/applications" exec shapes iris sh -c 'exec 1>&- 7>&-; exec sleep 1000' 7>/tmp/pipe </dev/null >/tmp/pipe &
	local outside=$!
	want "end of file" "" "$(timeout 10 cat /tmp/pipe || echo timeout)"
	want "open" "" "$(readlink "/proc/$outside/fd/"* | grep -vE '^(/dev/null|anon_inode:\[pidfd\]|pidfd:.*|socket:.*)$' || true)"
	kill -TERM "$outside"
	wait "$outside" || true
}

# The program's memory is the host's: only libraries that root alone can have placed may be loaded next to it. The
# control is the same rootfs with a program whose child alone goes in.
# table: an application that is not known, rootfs not of root's | refused, with the reason (entry = child takes it)
test_process_needs_a_trusted_rootfs() {
	local root=/opt/rootfs/process part entry
	rootfs_make "$root"
	pam_service shapes
	isolate iris 'entry = child' "rootfs = $root"
	chown iris "$root/usr/lib"
	want "control" "$(lines "fork: inside" "fork: close: success" "fork: host")" "$(applications fork)"
	for entry in process auto; do
		isolate iris "entry = $entry" "rootfs = $root"
		for part in usr/lib etc bin; do
			chown iris "$root/$part"
			want "$part of the user's" "fork: refused" "$(applications fork)"
			chown root "$root/$part"
			chmod g+w "$root/$part"
			want "$part writable by a group" "fork: refused" "$(applications fork)"
			chmod g-w "$root/$part"
		done
		want_match "reason" 'refused: rootfs: .*only root may be able to write.*this is not so for usr/lib' "$(log_new)"
		want "of root's" "$(lines "fork: inside" "fork: close: success" "fork: inside")" "$(applications fork)"
	done
	# What the overlay of the user changed counts like the rootfs.
	mkdir -p "/var/lib/cloister/users/$(id -u iris)/-opt-rootfs-process/upper/etc"
	chown iris "/var/lib/cloister/users/$(id -u iris)/-opt-rootfs-process/upper/etc"
	want "upper of the user's" "fork: refused" "$(applications fork)"
}

# The one of the login before may be on its way out.
one_monitor() {
	[ "$(pgrep -cf '^sshd(-session)?: iris \[priv\]')" -eq 1 ]
}

# sshd is never moved, whatever its user's configuration says.
test_process_is_not_for_sshd() {
	isolate iris 'entry = process'
	want "inside" "iris cloister-init" "$(on iris 'echo $(whoami) $(cat /proc/1/comm)')"
	client iris 'echo inside; sleep 5'
	eventually 10 grep -q inside "$CASE_STATE/client" || fail "no login"
	eventually 10 one_monitor || fail "monitors: $(pgrep -cf '^sshd(-session)?: iris \[priv\]')"
	kill "$CLIENT"
	want "su" "iris cloister-init" "$(timeout 20 su -l iris -c 'echo $(whoami) $(cat /proc/1/comm)' </dev/null)"
	want "su's status" 7 "$(status timeout 20 su -l iris -c 'exit 7')"
}

test_process_with_threads_is_refused() {
	pam_service shapes
	isolate iris 'entry = process'
	want "threads" "each: refused" "$(applications each)"
	want_match "reason" 'a process with threads cannot be moved' "$(log_new)"
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
	eventually 10 no_processes_left || fail "left: $(processes_left)"
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
