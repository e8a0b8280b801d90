# shellcheck shell=bash
# The end of a file of tests that need no throw-away host: each is a function test_NAME, which prints its own results.
#   run_plain_tests [NAME...]    those, or all of the file
run_plain_tests() {
	local test failed=0
	# shellcheck disable=SC2046
	[ $# -gt 0 ] || set -- $(grep -o '^test_[a-z0-9_]*' "$0" | sed 's/^test_//')
	for test in "$@"; do
		"test_$test" || failed=1
	done
	exit "$failed"
}
