#!/bin/bash
# usage: run.sh DIRECTORY [TARGET...] - runs libFuzzer's programs of the directory, FUZZ_SECONDS each, beginning with the
# corpus of the tree. What it finds new goes to DIRECTORY/corpus/TARGET, an input that fails to DIRECTORY/findings/.
set -u
cd -- "$(dirname -- "$0")/../.." || exit 1
programs=${1:?usage: run.sh DIRECTORY [TARGET...]}
shift
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
mkdir -p "$programs/findings"
failed=0
FUZZ_DIRECTORY=
trap 'rm -rf "$FUZZ_DIRECTORY"' EXIT
# In memory where that can be: image_tar makes and removes thousands of trees.
memory=/dev/shm
[ -w "$memory" ] || memory=/tmp

run_target() {
	local name=$1 found=$programs/corpus/$1 log=$programs/$1.log options=()
	mkdir -p "$found"
	rm -rf "$FUZZ_DIRECTORY"
	FUZZ_DIRECTORY=$(mktemp -d "$memory/cloister-fuzz-XXXXXX")
	export FUZZ_DIRECTORY
	[ ! -e "tests/fuzz/$name.dict" ] || options+=("-dict=tests/fuzz/$name.dict")
	if "$programs/$name" -max_total_time="${FUZZ_SECONDS:-60}" -max_len=16384 -timeout=20 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="$programs/findings/$name-" "${options[@]}" \
		"$found" "tests/fuzz/corpus/$name" >"$log" 2>&1 </dev/null; then
		printf 'ok %s: %s executions, %s a second; %s\n' "$name" \
			"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
			"$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")" \
			"$(grep -oE 'cov: [0-9]+ ft: [0-9]+ corp: [0-9]+' "$log" | tail -n 1)"
	else
		echo "not ok $name"
		tail -n 40 "$log" | sed 's/^/# /'
		failed=1
	fi
}

[ $# -gt 0 ] || set -- $(cd tests/fuzz && printf '%s\n' *_fuzz.c | sed 's/_fuzz\.c$//')
for target in "$@"; do
	run_target "$target"
done
exit "$failed"
