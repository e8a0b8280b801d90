#!/bin/bash
# Prints doc/attacks.md from the output of tests/run.sh: each "# table: ID | what | control" of tests/attack/*.sh is a row. The
# test is the next one in the file; "see: FILE.TEST" names another, "not applicable: REASON" none.
# usage: tests/attacks.sh OUTPUT >doc/attacks.md
set -eu
cd -- "$(dirname -- "$0")/.."
output=$1

result() {
	if grep -q "^ok $1\$" "$output"; then
		echo held
	elif grep -q "^not ok $1\( \|\$\)" "$output"; then
		echo "**failed**"
	else
		echo "not run"
	fi
}

rows() {
	local file name
	for file in tests/attack/*.sh; do
		name=$(basename "$file" .sh)
		awk -v file="$name" '
			/^# table: / { line[n++] = substr($0, 10) }
			/^test_[a-z0-9_]*\(\)/ {
				test = substr($1, 6)
				sub(/\(\).*/, "", test)
				for (i = 0; i < n; i++) print line[i] " | " file "." test
				n = 0
			}
			/^$/ { for (i = 0; i < n; i++) print line[i] " | "; n = 0 }
			END { for (i = 0; i < n; i++) print line[i] " | " }' "$file"
	done
}

cat <<'END'
# Attacks

What hostile users try, by the ids of the list that the tests follow. *Control*: who can do the same without a session, on the same host by the
same program; a test whose control does not work fails. Before and after each test of tests/attack the host is compared: mounts, namespaces,
processes, sshd's descriptors, every file of /etc and /root, sysctls, cgroups, loop devices, /dev, IPC. *held*: the test passed. This file is made by
`make attacks` from a run of the tests.

| Id | What | Control | Result | Test |
|---|---|---|---|---|
END
rows | sort -s -t'|' -k1,1 | while IFS='|' read -r ids what control test; do
	what=${what# } control=${control# } test=${test# }
	what=${what% } control=${control% }
	case $control in
	"not applicable: "*)
		printf '| %s| %s | | not applicable: %s | |\n' "$ids" "$what" "${control#not applicable: }"
		continue
		;;
	"see: "*) test=${control#see: } test=${test%%;*} control="as in the test" ;;
	esac
	printf '| %s| %s | %s | %s | %s |\n' "$ids" "$what" "$control" "$(result "$test")" "$test"
done
