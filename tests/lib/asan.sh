#!/bin/bash
# usage: asan.sh BUILD - the unit tests and a few calls of the CLI, built with the address and undefined sanitizers.
set -u
build=${1:?usage: asan.sh BUILD}
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99 UBSAN_OPTIONS=print_stacktrace=1
failed=0

# call STATUS ARGUMENT...: `cloister ARGUMENT...` must end with STATUS and say nothing of a sanitizer.
call() {
	local wanted=$1 status=0 output
	shift
	output=$(timeout -k 5 60 "$build/cloister" "$@" 2>&1 </dev/null) || status=$?
	if [ "$status" -ne "$wanted" ] || grep -qE 'AddressSanitizer|LeakSanitizer|runtime error' <<<"$output"; then
		echo "not ok cloister $* (status $status, expected $wanted)"
		printf '%s\n' "$output" | sed 's/^/# /'
		failed=1
	else
		echo "ok cloister $*"
	fi
}

for program in "$build"/tests/*_test; do
	if timeout -k 5 300 "$program" >"$program.log" 2>&1 </dev/null; then
		echo "ok $(basename "$program")"
	else
		echo "not ok $(basename "$program") (status $?)"
		sed 's/^/# /' "$program.log"
		failed=1
	fi
done

configuration=$(mktemp)
trap 'rm -f "$configuration"' EXIT
printf '[user:nobody]\nisolate = yes\n' >"$configuration"
call 0 --help
call 0 --version
call 125 no-such-command
call 125 run --set nonsense=1
call 0 plan --config "$configuration" nobody
call 0 plan --json --config "$configuration" nobody
call 125 plan --config "$configuration" no-such-user
call 125 plan --config /nowhere nobody
exit "$failed"
