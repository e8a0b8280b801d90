#!/bin/bash
# Every input of tests/fuzz/corpus through its fuzz target, under the sanitizers and without libFuzzer (make fuzz): what
# was found once stays found. Needs no test host: nothing but a directory of its own is written to.
# Arguments: names of targets; none means all.
set -u
cd -- "$(dirname -- "$0")/../.." || exit 1
. tests/lib/plain_tests.sh
programs=$PWD/${B:-build}/asan/fuzz
# No input is worth more memory than this: a length that was not looked at is.
export ASAN_OPTIONS=max_allocation_size_mb=256

# replay TARGET
replay() {
	local name=$1 status=0 output
	local inputs=("tests/fuzz/corpus/$name/"*)
	if [ ! -e "${inputs[0]}" ]; then
		echo "not ok fuzz_corpus.$name"
		echo "# no input in tests/fuzz/corpus/$name"
		return 1
	fi
	FUZZ_DIRECTORY=$(mktemp -d)
	export FUZZ_DIRECTORY
	output=$(timeout -k 5 120 "$programs/$name" "${inputs[@]}" 2>&1 </dev/null) || status=$?
	rm -rf "$FUZZ_DIRECTORY"
	if [ "$status" -eq 0 ] && grep -qx "${#inputs[@]} inputs" <<<"$output"; then
		echo "ok fuzz_corpus.$name"
		return 0
	fi
	echo "not ok fuzz_corpus.$name"
	echo "# exit status $status"
	tail -n 40 <<<"$output" | sed 's/^/# /'
	return 1
}

test_accounts() { replay accounts; }
test_config() { replay config; }
test_control() { replay control; }
test_expansion() { replay expansion; }
test_image_json() { replay image_json; }
test_image_names() { replay image_names; }
test_image_tar() { replay image_tar; }
test_messages() { replay messages; }
test_mount_table() { replay mount_table; }
test_plan_wire() { replay plan_wire; }
test_registry() { replay registry; }
test_sshd_config() { replay sshd_config; }
test_superblock() { replay superblock; }

# A target that no test names, and so no `make check` runs.
test_every_target() {
	local file name status=0
	for file in tests/fuzz/*_fuzz.c; do
		name=$(basename "$file" _fuzz.c)
		declare -F "test_$name" >/dev/null && continue
		[ "$status" -ne 0 ] || echo "not ok fuzz_corpus.every_target"
		echo "# $name has no test"
		status=1
	done
	[ "$status" -ne 0 ] || echo "ok fuzz_corpus.every_target"
	return "$status"
}

run_plain_tests "$@"
