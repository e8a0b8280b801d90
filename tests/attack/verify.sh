#!/bin/bash
# The kernel's word before the first instruction of the user's: a step of the entry, or of init, that reports success and
# does nothing must end the session. strace(1) makes each of them lie (inject=CALL:retval=0), one at a time.
set -u
# shellcheck disable=SC2034 # of cases.sh
CASE_TIMEOUT=300
. "$(dirname -- "$0")/../lib/attack.sh"

# What a process of the user's is.
read -rd '' PROBE <<'END' || true
for kind in user mnt pid uts ipc cgroup net; do echo "$(readlink /proc/self/ns/$kind)"; done
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:)' /proc/self/status
case $(/bin/pwd) in /*) echo "cwd inside" ;; esac
ls -id / | tr -dc '0-9\n'
ls /proc/$$/fd
END

# lie CALL WHEN: one session with that lie; its output, with the host's namespaces marked and others not told apart.
lie() {
	local script=() kind
	for kind in user mnt pid uts ipc cgroup net; do
		script+=(-e "s/^$(readlink "/proc/self/ns/$kind" | sed 's/[][]/\\&/g')\$/$kind HOST/")
	done
	{
		timeout -k 2 30 strace -f -qq -o /tmp/strace -e "trace=$1" -e "inject=$1:retval=0:when=$2" \
			"$HOST_BUILD/cloister" run --user iris -- /bin/sh -c "$PROBE" </dev/null 2>/tmp/error || true
	} | sed "${script[@]}" -e 's/^\([a-z]*\):\[[0-9]*\]$/\1 own/'
}

# Every occurrence of the calls in any one process of a session.
occurrences() {
	awk -v calls=" $CALLS " '
		{
			call = $2
			sub(/\(.*/, "", call)
			if (call !~ /^[a-z_0-9]+$/ || !index(calls, " " call " ") || $2 " " $3 ~ /unfinished|resumed/ && !/unfinished/)
				next
			n = ++count[$1 " " call]
			if (call == "prctl" && $0 !~ /PR_SET_NO_NEW_PRIVS|PR_SET_SECUREBITS|PR_CAPBSET_DROP, CAP_SYS_ADMIN|PR_CAPBSET_DROP, CAP_SETUID/)
				next
			wanted[call " " n] = 1
		}
		END { for (key in wanted) print key }' /tmp/trace | sort
}

# table: X05 | a step that reports success and does nothing | without the verification a lie of setns, seccomp or setresuid runs code as it is
test_x05_a_step_that_lies() {
	local call when good output refused=""
	isolated
	good=$(lie getpid 999)
	want "namespaces" 7 "$(grep -c ' own$' <<<"$good")"
	want_match "identity" $'Uid:\t1001\t1001\t1001\t1001' "$good"
	CALLS="unshare setns setresuid setresgid setgroups capset prctl seccomp close_range chdir pivot_root umount2"
	strace -f -qq -o /tmp/trace -e "trace=${CALLS// /,}" "$HOST_BUILD/cloister" run --user iris -- /bin/sh -c "$PROBE" \
		</dev/null >/dev/null 2>&1
	while read -r call when; do
		output=$(lie "$call" "$when")
		grep -q INJECTED /tmp/strace || fail "$call $when: nothing was injected"
		[ -n "$output" ] || refused+=" $call"
		[ -z "$output" ] || want "$call $when: a session that runs is as closed as ever" "$good" "$output"
		echo "# $call $when: $(head -n 1 /tmp/error)"
		[ -n "$output" ] || [ -s /tmp/error ] || fail "$call $when: refused without a word"
	done < <(occurrences)
	# Where the user has no other group one setgroups(2) makes up for the other.
	for call in ${CALLS/setgroups /}; do
		# After setns(2) the working directory is the root inside.
		[ "$call" != chdir ] || continue
		grep -qw "$call" <<<"$refused" || fail "no lie of $call was refused, of$refused"
	done
}

run_cases "$@"
