#!/bin/bash
# cloister doctor: what the kernel has and the host is set to; and a real session, verified as any other.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
. "$(dirname -- "$0")/../lib/snapshot.sh"

doctor() { "$HOST_BUILD/cloister" doctor "$@" </dev/null; }

# ill INJECTION: doctor where a system call behaves like that; its output in OUT, its status in STATUS.
ill() {
	STATUS=0
	OUT=$(timeout -k 2 60 strace -f -qq -o /tmp/strace -e "trace=${1%%:*}" -e "inject=$1" \
		"$HOST_BUILD/cloister" doctor iris </dev/null 2>&1) || STATUS=$?
	grep -q INJECTED /tmp/strace || fail "$1: nothing was injected"
}

test_a_machine_that_has_it_all() {
	local out
	snapshot_before
	out=$(doctor) || fail "it says: $out"
	want_match "session" '^ok: a session of nobody was started, verified and ended$' "$out"
	want_match "namespaces" '^ok: user namespaces are there$' "$out"
	want_no_match "missing" '^missing' "$out"
	out=$(doctor iris) || fail "iris: $out"
	want_match "iris" '^ok: a session of iris was started' "$out"
	doctor --json | python3 -c '
import json, sys
found = json.load(sys.stdin)
assert {"state", "what", "text"} == set(found[0]), found[0]
assert all(one["state"] in ("ok", "note", "weaker") for one in found), found'
	snapshot_same
}

# /bin/true of a rootfs that is the user's is the user's program.
test_what_it_starts_is_heard_nowhere() {
	local root=/opt/rootfs/own out
	rootfs_make "$root"
	rm "$root/bin/true"
	printf '#!/bin/sh\necho forged; echo forged >&2; echo forged >/dev/tty; cat >/tmp/heard; cat /tmp/heard >&2; sleep 1000\n' >"$root/bin/true"
	chmod 0755 "$root/bin/true"
	chown -R iris: "$root"
	isolate iris "rootfs = $root" 'timeout = 3'
	SECONDS=0
	out=$(echo secret | "$HOST_BUILD/cloister" doctor iris 2>&1 || true)
	want_match "it is ended" '^missing: a session of iris: it ended with status 137' "$out"
	want_no_match "what it says" 'forged|secret' "$out"
	want_no_match "on a terminal" 'forged' "$(in_pty "'$HOST_BUILD/cloister' doctor iris")"
	[ "$SECONDS" -lt 30 ] || fail "it took $SECONDS s"
	want "output that cannot be written" 125 "$(status bash -c "exec '$HOST_BUILD/cloister' doctor --json >/dev/full")"
	want "of images, too" 125 "$(status bash -c "exec '$HOST_BUILD/cloister' image ls --json >/dev/full")"
}

test_a_user_sees_what_users_may() {
	local out
	out=$(su nora -s /bin/sh -c "$HOST_BUILD/cloister doctor" </dev/null) || fail "$out"
	want_match "calls" '^ok: openat2 is there$' "$out"
	want_no_match "no session" 'a session of' "$out"
}

test_what_is_missing() {
	isolate iris
	ill openat2:error=ENOSYS
	want "openat2" 1 "$STATUS"
	want_match "openat2" '^missing: openat2: Linux 5.6' "$OUT"
	# What a session of a user without limits, whose home is not bound, does without.
	ill clone3:error=ENOSYS
	want "clone3" 1 "$STATUS"
	want_match "clone3" '^missing: clone3: Linux 5.3 has it: homes that root may not open, .*init where there are limits$' "$OUT"
	want_match "init is not started with it" '^ok: a session of iris was started' "$OUT"
	ill landlock_create_ruleset:error=ENOSYS
	want_match "Landlock" "^weaker: Landlock's scopes: Linux 6.12" "$OUT"
	want "no reason to refuse" 0 "$STATUS"
	ill setns:retval=0:when=1
	want "a call that lies" 1 "$STATUS"
	want_match "a call that lies" '^missing: a session of iris: .*EPERM' "$OUT"
	ill landlock_restrict_self:error=EPERM
	want "a process that cannot enter" 1 "$STATUS"
	want_match "a process that cannot enter" '^missing: a session of iris: it ended with status 125' "$OUT"
	want_match "a process that cannot enter" '^cloister: cannot enter the session: landlock' "$OUT"
	ill pivot_root:error=EPERM
	want_match "no session" '^missing: a session of iris: .*EPERM' "$OUT"
}

test_what_would_be_refused() {
	printf '[user:iris]\nisolate = yes\nrotfs = /\n' >"$HOST_CONF"
	want "a mistake" 1 "$(status doctor iris)"
	want_match "a mistake" '^missing: a session of iris: .*rotfs' "$(doctor iris || true)"
	isolate iris 'refuse = closed today'
	want "logins are refused, sessions start" 0 "$(status doctor iris)"
	want "no such user" 1 "$(status doctor nosuchuser)"
	want "usage" 125 "$(status doctor iris nora)"
}

run_cases "$@"
