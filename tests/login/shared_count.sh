#!/bin/bash
# scope = user: the number of logins is exact, whatever ends each of them.
# alone: many logins
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# shellcheck disable=SC2034 # read by run_cases
CASE_TIMEOUT=${CLOISTER_LOGINS_TIMEOUT:-180}

share() {
	isolate iris 'scope = user'
}

# The count is the kernel's: exact whatever ends a login. CLOISTER_LOGINS=10000 makes it long (make check-long).
test_random_logins_are_counted_exactly() {
	local count=${CLOISTER_LOGINS:-300} seed=$RANDOM
	share
	snapshot_before
	echo "seed $seed"
	"$HOST_BUILD/probe/logins" su iris "$count" "$seed" hold >"$CASE_STATE/counted" || fail "seed $seed: $(tail -n 5 "$CASE_STATE/counted")"
	tail -n 4 "$CASE_STATE/counted"
	"$HOST_BUILD/cloister" ls >/dev/null
	snapshot_same
}

# Without one that stays: after each burst the session is gone.
test_random_bursts_leave_no_session() {
	local count=${CLOISTER_LOGINS:-100} seed=$RANDOM
	share
	snapshot_before
	echo "seed $seed"
	"$HOST_BUILD/probe/logins" su iris "$count" "$seed" >"$CASE_STATE/counted" || fail "seed $seed: $(tail -n 5 "$CASE_STATE/counted")"
	tail -n 2 "$CASE_STATE/counted"
	"$HOST_BUILD/cloister" ls >/dev/null
	snapshot_same
}

run_cases "$@"
