#!/bin/bash
# Runs the tests: units (build/tests/*_test), tests/login/*.sh, tests/attack/*.sh. One line a test; the last line is
# "N passed, N failed, N skipped". PATTERN (a bash glob, or a part of a name) selects by FILE or FILE.TEST.
# A skip that tests/lib/expected-skips does not list counts as a failure.
#
# usage: tests/run.sh [PATTERN]
set -u
cd -- "$(dirname -- "$0")/.." || exit 1

pattern=${1-}
build=${B:-build}
# LONG=1: some tests have more rounds (make check-long).
file_timeout=${LONG:+7200}
file_timeout=${file_timeout:-600}
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# Files that measure time, or need a machine-wide limit, run alone, at the end.
runs_alone() {
	grep -q '^# alone:' "$1"
}

# selected FILE TEST
selected() {
	# shellcheck disable=SC2053,SC2254 # the pattern is one
	case $1.$2 in
	*$pattern*) return 0 ;;
	*) [[ $1 == $pattern ]] ;;
	esac
}

# The unit programs speak TAP (cmocka); a program that ends badly without a failed test is one.
run_unit() {
	local program=$1 name status=0 output
	name=$(basename "$program" _test)
	output=$(CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 120 "$program" 2>&1 </dev/null) || status=$?
	awk -v name="$name" '
		/^(not )?ok [0-9]+/ {
			word = ($1 == "not") ? "not ok" : "ok"
			text = $0
			sub(/^(not )?ok [0-9]+ *-? */, "", text)
			if (text ~ /^# SKIP/) {
				sub(/^# SKIP */, "", text)
				print "skip " name "." text " # said by the test"
			} else
				print word " " name "." text
			next
		}
		/^(#|1\.\.|TAP version)/ { next }
		NF { print "# " $0 }' <<<"$output"
	if [ "$status" -ne 0 ] && ! grep -q '^not ok' <<<"$output"; then
		echo "not ok $name.program"
		echo "# exit status $status"
		tail -n 20 <<<"$output" | sed 's/^/# /'
	elif ! grep -qE '^(not )?ok ' <<<"$output"; then
		echo "not ok $name.program"
		echo "# no test in it"
	fi
}

# Two folders may have a file of one name.
result_of() {
	local key=${1#tests/}
	echo "$results/${key//\//.}"
}

run_file() {
	local file=$1 name tests=() test status=0 result
	name=$(basename "$file" .sh)
	result=$(result_of "$file")
	for test in $(grep -o '^test_[a-z0-9_]*' "$file"); do
		selected "$name" "${test#test_}" && tests+=("${test#test_}")
	done
	[ ${#tests[@]} -gt 0 ] || return 0
	# The one that makes a tree of packages takes longer.
	local limit=$file_timeout
	[ "$name" != debian13 ] || limit=$((3 * file_timeout))
	B=$build timeout -k 10 "$limit" bash "$file" "${tests[@]}" >"$result" 2>&1 </dev/null || status=$?
	# Each test that was asked for must have answered: a file that broke in the middle is a failure.
	for test in "${tests[@]}"; do
		grep -qE "^(ok|not ok|skip) $name\.$test( |\$)" "$result" && continue
		echo "not ok $name.$test"
		echo "# no result; $file ended with status $status"
	done >"$result.missing"
	cat "$result.missing" >>"$result"
	echo "# $name: $SECONDS s since the start" >>"$result"
}

expected_skip() {
	local line
	while read -r line _; do
		# shellcheck disable=SC2053
		[[ -n $line && $line != \#* && $1 == $line ]] && return 0
	done <tests/lib/expected-skips
	return 1
}

passed=0 failed=0 skipped=0
count() {
	local line
	while IFS= read -r line; do
		case $line in
		"ok "*) passed=$((passed + 1)) ;;
		"not ok "*) failed=$((failed + 1)) ;;
		"skip "*)
			if expected_skip "$(cut -d' ' -f2 <<<"$line")"; then
				skipped=$((skipped + 1))
			else
				failed=$((failed + 1))
				line="not ok ${line#skip } (a skip that tests/lib/expected-skips does not list)"
			fi
			;;
		esac
		printf '%s\n' "$line"
	done
}

for program in "$build"/tests/*_test; do
	[ -x "$program" ] || continue
	name=$(basename "$program" _test)
	[[ -z $pattern || $name == *"${pattern%%.*}"* ]] || continue
	count < <(run_unit "$program" | if [ -z "$pattern" ]; then cat; else grep -F -e "$pattern" -e '# '; fi)
done

parallel=() alone=()
for file in tests/login/*.sh tests/attack/*.sh; do
	[ -e "$file" ] || continue
	if runs_alone "$file"; then alone+=("$file"); else parallel+=("$file"); fi
done

# Two at a time: each has a test host of its own, and most of their time is waiting.
running=0
for file in "${parallel[@]}"; do
	run_file "$file" &
	running=$((running + 1))
	if [ "$running" -ge 2 ]; then
		wait -n
		running=$((running - 1))
	fi
done
wait
for file in "${alone[@]}"; do
	run_file "$file"
done
for file in "${parallel[@]}" "${alone[@]}"; do
	result=$(result_of "$file")
	[ ! -e "$result" ] || count <"$result"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
