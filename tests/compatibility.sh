#!/bin/bash
# Prints doc/compatibility.md from the output of tests/run.sh: each "# table: PROGRAM | WHAT HAPPENS" above a test is a
# row, with the test's result on Debian 12, and on Debian 13 where it runs there (tests/login/debian13.sh).
# usage: tests/compatibility.sh OUTPUT >doc/compatibility.md
set -eu
cd -- "$(dirname -- "$0")/.."
output=$1

result() {
	if grep -qx "$1ok $2" "$output"; then
		echo yes
	elif grep -q "^$1not ok $2\$" "$output"; then
		echo "**no**"
	else
		echo "not run"
	fi
}

cat <<'END'
# Compatibility

Every way in that is tested, with the real program, and what becomes of it. *Contained*: the user's process is in the
session's namespaces, on its files. This file is made by `make compatibility` from the results of the tests that the last
column names: "yes" is a test that passed. Debian 12: OpenSSH 9.2, linux-pam 1.5. Debian 13: OpenSSH 10, linux-pam 1.7; "not
run": its tests are run on Debian 12 alone.

| Program | What happens | Debian 12 | Debian 13 | Test |
|---|---|---|---|---|
END
for file in tests/login/*.sh; do
	name=$(basename "$file" .sh)
	# There may be several above one test.
	awk '/^# table: / { rows[n++] = substr($0, 10); next }
		/^test_/ && n { sub(/^test_/, ""); sub(/\(.*/, ""); for (i = 0; i < n; i++) print $0 "|" rows[i] }
		{ n = 0 }' "$file" |
		while IFS='|' read -r test program happens; do
			printf '| %s | %s | %s | %s | %s |\n' "${program% }" "${happens# }" \
				"$(result '' "$name.$test")" "$(result '# ' "$name.$test")" "$name.$test"
		done
done
