#!/bin/bash
# What the documents name is there: tests in doc/security.md and in the table of attacks, files that documents link to.
# Needs no test host.
set -u
cd -- "$(dirname -- "$0")/../.." || exit 1
. tests/lib/plain_tests.sh

# result NAME PROBLEMS
result() {
	if [ -z "$2" ]; then
		echo "ok documents.$1"
		return 0
	fi
	echo "not ok documents.$1"
	printf '%s\n' "$2" | sed '/^$/d; s/^/# /'
	return 1
}

# Every FILE.TEST, as run.sh prints them.
tests() {
	local file
	for file in tests/login/*.sh tests/attack/*.sh; do
		grep -o '^test_[a-z0-9_]*' "$file" | sed "s/^test_/$(basename "$file" .sh)./"
	done
}

# not_there NAME...: those that are no test.
not_there() {
	comm -23 <(printf '%s\n' "$@" | sort -u) <(tests | sort -u)
}

# In backticks, a word with a dot in it that is no file's name.
named_in() {
	grep -oE '`[a-z0-9_]+\.[a-z0-9_]+`' "$1" | tr -d '`' | grep -vE '\.(conf|md|sh|so|c|h)$'
}

test_tests_that_show_the_promises() {
	local problems='' promise n
	# shellcheck disable=SC2046
	problems=$(not_there $(named_in doc/security.md) | sed 's/$/ is no test/')
	for promise in 1 2 3 4 5 6; do
		n=$(sed -n "/^### $promise\./,/^##/p" doc/security.md | named_in /dev/stdin | wc -l)
		[ "$n" -ge 5 ] || problems+=$'\n'"promise $promise names $n tests"
	done
	result tests_that_show_the_promises "$problems"
}

test_tests_in_the_table_of_attacks() {
	# shellcheck disable=SC2046
	result tests_in_the_table_of_attacks \
		"$(not_there $(grep -hoE '^# table: .* see: [a-z0-9_.]+' tests/attack/*.sh | sed 's/.* see: //') | sed 's/$/ is no test/')"
}

test_links() {
	local file link problems=''
	for file in README.md doc/*.md doc/guides/*.md; do
		for link in $(grep -oE '\]\([^)#]+' "$file" | cut -c3- | grep -v ://); do
			[ -e "$(dirname "$file")/$link" ] || problems+="$file: $link"$'\n'
		done
	done
	result links "$problems"
}

# The files, and the names in the code, that the page for developers sends them to.
test_names_in_developing() {
	local name problems=''
	for name in $(grep -oE '`(include|lib|tests|conf|doc)/[a-z0-9_./-]+`' doc/developing.md | tr -d '`'); do
		[ -e "$name" ] || problems+="$name is not there"$'\n'
	done
	for name in $(grep -oE '`(cloister_[a-z_]+|CLOISTER_ROW_[A-Z_]+|[a-z]+_[a-z_]+|isolate|on|as|want|eventually)`' doc/developing.md | tr -d '`'); do
		grep -rqwF -- "$name" include lib tests/lib || problems+="$name is nowhere"$'\n'
	done
	result names_in_developing "$problems"
}

run_plain_tests "$@"
