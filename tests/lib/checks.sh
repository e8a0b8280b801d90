# shellcheck shell=bash
# The checks of a long run outside of `make check`: each is a function check_NAME, in a subshell of its own.
#   run_checks GROUP OUTPUT [PATTERN]    all, or those whose name is like PATTERN; OUTPUT: a file for what one says
# They are looked for in the files of CHECK_FILES, or in the script itself.
# Prints a line for each, and at the end the sum. check_ends, where there is one, is called at the end of each.
. "$(dirname -- "${BASH_SOURCE[0]}")/assertions.sh"

CHECK_FILES=()
run_checks() {
	local group=$1 output=$2 pattern=${3-*} check passed=0 failed=0
	for check in $(sed -n 's/^check_\([a-z0-9_]*\)().*/\1/p' "${CHECK_FILES[@]:-$0}"); do
		# shellcheck disable=SC2053 # a pattern
		[[ $check == $pattern && $check != ends ]] || continue
		if (
			set -euo pipefail
			! declare -F check_ends >/dev/null || trap check_ends EXIT
			"check_$check"
		) >"$output" 2>&1; then
			echo "ok $group.$check"
			passed=$((passed + 1))
		else
			echo "not ok $group.$check"
			tail -n 20 "$output" | sed 's/^/# /'
			failed=$((failed + 1))
		fi
	done
	echo "# $SECONDS s"
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
