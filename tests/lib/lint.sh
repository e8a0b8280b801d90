#!/bin/bash
# Every static gate: format, two compilers, clang-tidy, cppcheck, shellcheck, exported symbols, paths, manual pages.
# Goes on after a failure, and says at the end which gates failed.
set -u
cd -- "$(dirname -- "$0")/../.." || exit 1

failed=()
jobs=$(nproc)

gate() {
	local name=$1
	shift
	printf '== %s\n' "$name"
	"$@" || failed+=("$name")
}

need() {
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null && continue
		echo "lint.sh: $program is missing (apt-get install clang clang-format clang-tidy cppcheck shellcheck mandoc)"
		exit 1
	done
}

mapfile -t sources < <(git ls-files '*.c')
mapfile -t headers < <(git ls-files '*.h')
mapfile -t scripts < <(git grep -lE '^#!/bin/(ba)?sh|^# shellcheck shell=' -- ':!*.md' ':!*.c')
# What the Makefile gives the compiler, without its warnings.
flags=(-std=gnu17 -D_GNU_SOURCE -Iinclude '-DCLOISTER_VERSION="0"' '-DCLOISTER_SYSCONFDIR="/etc"'
	-Ibuild/lint-gcc/seccomp '-DCLOISTER_PREFIX="/usr"' '-DCLOISTER_LIBEXECDIR="/usr/libexec/cloister"')

check_format() {
	clang-format --dry-run -Werror "${sources[@]}" "${headers[@]}"
}

check_compiler() {
	make --no-print-directory -s -j"$jobs" B="build/lint-$1" CC="$1" WERROR=-Werror all tests
}

check_tidy() {
	mkdir -p build
	local out=build/lint-tidy.txt
	printf '%s\0' "${sources[@]}" | grep -zv '^tests/' |
		xargs -0 -P "$jobs" -I{} clang-tidy --quiet {} -- "${flags[@]}" >"$out" 2>/dev/null
	grep -E '(error|warning):' "$out" && return 1
	return 0
}

# What gcc 12's -fanalyzer cannot know here is off: that cloister_fail() always returns a failure, and what cleanup
# attributes free (so leaks, and pointers that a failure left NULL or unset). scan-build's checkers are in clang-tidy's
# list; .clang-tidy says which are off, for the same reason.
check_analyzer() {
	local out=build/lint-analyzer.txt
	make --no-print-directory -s -j"$jobs" B=build/lint-analyzer all \
		CFLAGS='-O1 -g -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-null-dereference -Wno-analyzer-use-of-uninitialized-value' \
		2>"$out" || { cat "$out"; return 1; }
	! grep -E 'warning:' "$out"
}

# memleak does not know __attribute__((cleanup)); missingInclude wants the system's headers.
check_cppcheck() {
	cppcheck --quiet -j "$jobs" --std=c11 --enable=warning,performance,portability --error-exitcode=1 --inline-suppr \
		--suppress=missingIncludeSystem --suppress='*:/usr/*' --suppress=normalCheckLevelMaxBranches \
		--suppress=memleak --suppress=unknownMacro -D_GNU_SOURCE -Iinclude \
		-Ibuild/lint-gcc/seccomp $(printf '%s\n' "${sources[@]}" | grep -v '^tests/')
}

# SC2013, SC2046: lists of words without blanks, on purpose. SC2015: `a && b || fail`. SC2016: what the other side expands.
# SC2034, SC2317: what is read, and called, from the file that sources.
check_shell() {
	shellcheck -x --source-path=SCRIPTDIR --exclude=SC1091,SC2013,SC2015,SC2016,SC2034,SC2046,SC2317 "${scripts[@]}"
}

# What a login program's symbol table gets from us is the module's interface, and nothing else.
check_symbols() {
	local symbols
	symbols=$(nm -D --defined-only build/lint-gcc/pam_cloister.so | awk '{print $3}' | grep -v '^pam_sm_')
	[ -z "$symbols" ] && return 0
	echo "exported beside pam_sm_*: $symbols"
	return 1
}

check_paths() {
	tests/lib/path_safety.sh build/lint-gcc
}

check_manuals() {
	local page status=0 text
	for page in build/lint-gcc/man/*; do
		[ -e "$page" ] || continue
		# scdoc(1) puts .PP where none is needed; that is not ours to mend.
		text=$(mandoc -Tlint -W warning "$page" | grep -v 'skipping paragraph macro')
		if [ -n "$text" ]; then
			printf '%s\n' "$text"
			status=1
		fi
	done
	return "$status"
}

need gcc clang clang-format clang-tidy cppcheck shellcheck mandoc nm
gate format check_format
gate gcc check_compiler gcc
gate clang check_compiler clang
gate clang-tidy check_tidy
gate gcc-analyzer check_analyzer
gate cppcheck check_cppcheck
gate shellcheck check_shell
gate symbols check_symbols
gate paths check_paths
gate manuals check_manuals

if [ ${#failed[@]} -gt 0 ]; then
	echo "lint: failed: ${failed[*]}"
	exit 1
fi
echo "lint: clean"
