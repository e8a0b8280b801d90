#!/bin/bash
# The module in one process for a hundred sessions: no leak, no lost descriptor, and the process is what it was.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
CASE_TIMEOUT=170

test_hundred_sessions() {
	isolate iris 'entry = child'
	pam_service sessions
	"$HOST_BUILD/probe/sessions" sessions iris 100
}

# valgrind 3.19 knows neither mount_setattr(2) nor the flags of the clone(2) of init, so a session cannot be made under
# it: the sanitizers look at that...
test_hundred_sessions_under_sanitizers() {
	isolate iris 'entry = child'
	pam_service sessions
	sed -i "s,$HOST_BUILD/pam_cloister.so,$HOST_BUILD/probe/asan/pam_cloister.so," /etc/pam.d/sessions
	"$HOST_BUILD/probe/asan/sessions" sessions iris 100
}

# ... and at a hundred refusals, late ones: everything was opened, and all of it is taken back.
test_hundred_refusals_under_sanitizers() {
	rootfs_make /opt/rootfs/shell-less
	rm /opt/rootfs/shell-less/bin/sh
	isolate iris 'entry = child' 'rootfs = /opt/rootfs/shell-less' 'writable = tmpfs'
	pam_service sessions
	sed -i "s,$HOST_BUILD/pam_cloister.so,$HOST_BUILD/probe/asan/pam_cloister.so," /etc/pam.d/sessions
	"$HOST_BUILD/probe/asan/sessions" sessions iris -100
	want_match "refused by init, at its end" 'shell' "$(log_new | grep 'event="refuse"' | tail -n 1)"
}

# ... and valgrind at a hundred early ones, just before init would be made.
test_hundred_refusals_under_valgrind() {
	isolate iris 'entry = child' 'timeout = 60' 'seccomp = none'
	pam_service sessions
	chmod a-x "$HOST_BUILD/cloister-init"
	local i
	for i in $(seq 2); do
		valgrind -q --keep-debuginfo=yes --leak-check=full --show-leak-kinds=definite,indirect \
			--errors-for-leak-kinds=definite,indirect --error-exitcode=9 --child-silent-after-fork=yes "$HOST_BUILD/probe/sessions" sessions iris -100 >/tmp/valgrind 2>&1 ||
			fail "run $i: $(grep -v WARNING /tmp/valgrind | head -n 30)"
	done
	chmod a+x "$HOST_BUILD/cloister-init"
	want_match "control" 'cloister-init.*not an executable file|not an executable file.*cloister-init' "$(log_new | grep 'event="refuse"' | tail -n 1)"
}

run_cases "$@"
