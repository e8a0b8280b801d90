#!/bin/bash
# cloister reset.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# shellcheck disable=SC2034 # read by run_cases
CASE_TIMEOUT=150

TREE=/opt/rootfs/tree

# A BusyBox tree with a directory of the user's, /srv.
set_rootfs() {
	rootfs_make "$TREE"
	mkdir -p "$TREE"/srv/{gone,replaced/inner,kept}
	local file
	for file in file delete gone/old replaced/old replaced/inner/x replaced/both kept/one kept/two; do
		echo old >"$TREE/srv/$file"
	done
	chown -R iris: "$TREE/srv"
	isolate iris "rootfs = $TREE"
	STATE=/var/lib/cloister/users/$(id -u iris)/${TREE//\//-}
}

cloister() {
	"$HOST_BUILD/cloister" "$1" --config "$HOST_CONF" "${@:2}"
}

# A session that stays, and its init.
stay() {
	client iris "echo ready >~/ready; sleep 999"
	eventually 20 test -e /home/iris/ready || fail "no session: $(cat "$CASE_STATE/client")"
	INIT=$(pgrep -x cloister-init)
}

test_reset() {
	set_rootfs
	want_match "nothing yet" 'changed nothing' "$(cloister reset iris)"
	on_to_its_end iris 'cd /srv; echo changed >file; rm delete'
	want_match "dropped" '^dropped what iris had changed' "$(cloister reset iris)"
	want "as in the rootfs" "old old" "$(on_to_its_end iris 'cd /srv; cat file delete' | paste -sd' ')"
	on_to_its_end iris 'echo changed >/srv/file'
	want "quiet" "" "$(cloister reset --quiet iris 2>&1)"
	want "again" old "$(on_to_its_end iris 'cat /srv/file')"
	on_to_its_end iris 'echo changed >/srv/file'
	cloister reset --json iris >/tmp/reset.json
	want "JSON" "True 0 0" "$(python3 -c '
import json
r = json.load(open("/tmp/reset.json"))
print(r["dropped"], r["sessions_ended"], r["failed"])')"
	# Another rootfs of the same user keeps its own.
	on_to_its_end iris 'echo changed >/srv/file'
	cloister reset --rootfs / iris
	want "another rootfs" changed "$(on_to_its_end iris 'cat /srv/file')"
}

test_reset_while_in_use() {
	set_rootfs
	snapshot_before
	on_to_its_end iris 'echo changed >/srv/file'
	stay
	local status=0
	cloister reset iris >/tmp/out 2>&1 || status=$?
	want "status" 125 "$status"
	want_match "reason" 'logged in.*--force.*EBUSY' "$(cat /tmp/out)"
	kill -0 "$INIT" || fail "the session was ended"
	want "still there" changed "$(cat "$STATE/upper/srv/file")"
	want_match "forced" '^1 session ended$' "$(cloister reset --force iris)"
	! kill -0 "$INIT" 2>/dev/null || fail "the session lives"
	want "dropped" old "$(on_to_its_end iris 'cat /srv/file')"
	snapshot_same
}

# Two sessions on one instance: both end.
test_reset_ends_all_sessions() {
	set_rootfs
	stay
	as iris 'sleep 998' </dev/null >/dev/null 2>&1 &
	eventually 20 pgrep -f '^sleep 998' || fail "no second session"
	want "JSON" 2 "$(cloister reset --force --json iris | python3 -c 'import json,sys; print(json.load(sys.stdin)["sessions_ended"])')"
	eventually 10 no_processes_left || fail "processes are left: $(processes_left)"
}

# Until a login is in the registry it holds the lock.
test_reset_waits_for_a_login() {
	set_rootfs
	on_to_its_end iris true
	# What a login holds while it starts.
	exec 9<"$STATE"
	flock 9
	printf 'timeout = 1\n' | cat "$HOST_CONF" - >/tmp/conf && configure </tmp/conf
	local status=0
	cloister reset iris >/tmp/out 2>&1 || status=$?
	want "status" 125 "$status"
	want_match "reason" 'another login of the user' "$(cat /tmp/out)"
	[ -d "$STATE/upper" ] || fail "it was dropped"
	exec 9<&-
	want_match "then it goes" 'dropped' "$(cloister reset iris)"
}

# What a killed reset leaves: a hidden directory, which is in nobody's way, and goes with the next reset.
test_reset_that_was_killed() {
	set_rootfs
	on_to_its_end iris 'cd /srv; mkdir many; i=0; while [ $i -lt 3000 ]; do echo x >many/$i; i=$((i+1)); done'
	local i killed=
	for i in 1 2 3 4 5 6 7 8 9 10; do
		"$HOST_BUILD/cloister" reset --config "$HOST_CONF" iris >/dev/null 2>&1 &
		sleep "0.00$i"
		kill -KILL $! 2>/dev/null && killed=yes
		wait $! 2>/dev/null || true
		if [ -d "$STATE/upper" ]; then
			want "whole" 3000 "$(find "$STATE/upper/srv/many" -type f | wc -l)"
		fi
	done
	[ -n "$killed" ] || fail "control: no reset was killed"
	# As if it had been killed between the two.
	mkdir -p "$STATE/.dropped-00000000/upper/srv/left"
	want "a login does not mind" old "$(on_to_its_end iris 'cat /srv/file; ls /srv/left /.dropped-00000000 2>/dev/null')"
	want "nor does diff" 0 "$(cloister diff iris | grep -c left || true)"
	cloister reset iris
	want "nothing is left" "" "$(ls -A "$STATE")"
}

test_reset_reports_what_it_cannot_remove() {
	set_rootfs
	# Immutable flags need a file system that knows them; a mount stands in where it does not.
	on_to_its_end iris 'mkdir -p /srv/a/b; echo x >/srv/a/b/file; echo x >/srv/other'
	mount -t tmpfs none "$STATE/upper/srv/a/b"
	touch "$STATE/upper/srv/a/b/precious"
	local status=0
	cloister reset iris >/tmp/out 2>&1 || status=$?
	want "status" 125 "$status"
	want_match "reason" 'mounted there' "$(cat /tmp/out)"
	want "what is mounted is untouched" 1 "$(find "$STATE" -xdev -name b -type d | wc -l)"
	want "what is mounted is untouched" precious "$(ls "$(find "$STATE" -xdev -name b -type d)")"
	want "the rest is gone" 0 "$(find "$STATE" -xdev -type f | wc -l)"
	want "and the user begins anew" "old" "$(on_to_its_end iris 'cat /srv/file; ls /srv/other 2>/dev/null')"
	umount "$(find "$STATE" -xdev -name b -type d)"
	cloister reset --quiet iris
	want "the next one ends it" "" "$(ls -A "$STATE")"
}

test_reset_and_immutable_files() {
	set_rootfs
	on_to_its_end iris 'mkdir -p /srv/a; echo x >/srv/a/fixed; echo x >/srv/other'
	chattr +i "$STATE/upper/srv/a/fixed" || fail "control: the file system has no such flag"
	local status=0
	cloister reset iris >/tmp/out 2>&1 || status=$?
	want "status" 125 "$status"
	want_match "reason" 'fixed: it is immutable' "$(cat /tmp/out)"
	want "alone" 1 "$(find "$STATE" -type f | wc -l)"
	chattr -i "$(find "$STATE" -type f)"
	cloister reset --quiet iris
	want "gone" "" "$(ls -A "$STATE")"
}

test_reset_shows_progress_on_a_terminal_alone() {
	set_rootfs
	on_to_its_end iris 'cd /srv; i=0; while [ $i -lt 500 ]; do echo x >$i; i=$((i+1)); done'
	want_match "a bar" '\[#{40}\] 100%' "$(in_pty "$HOST_BUILD/cloister reset --config $HOST_CONF iris" | tr '\r' '\n')"
	on_to_its_end iris 'echo x >/srv/new'
	want_no_match "none in a pipe" '%' "$(cloister reset iris 2>&1)"
	on_to_its_end iris 'echo x >/srv/new'
	want "none with --quiet" "" "$(in_pty "$HOST_BUILD/cloister reset --quiet --config $HOST_CONF iris")"
}

run_cases "$@"
