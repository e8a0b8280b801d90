#!/bin/bash
# One account, many people: the examples of cloister.conf(5), literally, and fifty people in a training class at once.
# alone: fifty logins at once
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# shellcheck disable=SC2034 # read by run_cases
CASE_TIMEOUT=300
PEOPLE=50
BATCH=10

# example USER: the section of that user in the manual page, for iris. Limits that need cgroup v2 are left out where it
# cannot be had: the login would be refused, which is another test.
example() {
	local text
	text=$(awk -v section="[user:$1]" '$0 == section {there = 1} /^```/ {there = 0} there' /opt/doc/cloister.conf.5.scd)
	[ "$(wc -l <<<"$text")" -ge 5 ] || fail "no example for $1"
	configure <<<"${text/"[user:$1]"/[user:iris]}"
	if ! "$HOST_BUILD/cloister" check --config "$HOST_CONF" iris >/tmp/check 2>&1; then
		want_match "what cannot be had" 'error: .*(cgroup|controller)' "$(grep ^error /tmp/check)"
		sed -i -E '/^(memory|pids)_max/d' "$HOST_CONF"
	fi
}

# What each of them does, in steps: each step waits for a word, so that all are there while each looks around.
PERSON='
	echo "$PERSON" >~/name && echo "$PERSON" >/tmp/name && echo "$PERSON" >/var/tmp/name && echo "$PERSON" >/dev/shm/name
	sleep 4711 </dev/null >/dev/null 2>&1 &
	echo ready
	read -r word
	echo "names $(cat ~/name /tmp/name /var/tmp/name /dev/shm/name | paste -sd,)"
	echo "files $(ls -A ~ /tmp /var/tmp /dev/shm | grep -c name)"
	echo "sleeping $(pgrep -xc sleep)"
	kill -0 -1 && echo "signals to $(ls -d /proc/[0-9]* | wc -l)"
	echo "seen $word"
	read -r word
	exit "$PERSON"'

# arrive NUMBER: one more person, whose words come through a FIFO that is open here.
arrive() {
	local fd
	mkfifo "/tmp/to-$1"
	exec {fd}<>"/tmp/to-$1"
	TO[$1]=$fd
	ssh -o ConnectTimeout=120 -l iris testhost "PERSON=$1; $PERSON" <"/tmp/to-$1" >"/tmp/from-$1" 2>"/tmp/errors-$1" &
	PIDS[$1]=$!
}

# all_said WORD COUNT
all_said() {
	[ "$(cat /tmp/from-* | grep -c "^$1")" = "$2" ]
}

what_happened() {
	cat /tmp/errors-* | sort | uniq -c
	log_new | tail -n 5
}

say() {
	local i
	for ((i = 1; i <= PEOPLE; i++)); do
		echo "$1" >&"${TO[i]}"
	done
}

test_training_class_of_fifty() {
	local i status seen
	local -a TO PIDS
	example training
	snapshot_before
	for ((i = 1; i <= PEOPLE; i++)); do
		arrive "$i"
		((i % BATCH != 0)) || eventually 120 all_said ready "$i" || fail "of $i not all are there: $(what_happened)"
	done
	want "sessions" "$PEOPLE" "$("$HOST_BUILD/cloister" ls | grep -c '^iris ')"
	want "sessions of one login" "$PEOPLE" "$(find /run/cloister/logins -type f | wc -l)"
	want "mount namespaces" "$PEOPLE" "$(pgrep -x cloister-init | sed 's,.*,/proc/&/ns/mnt,' | xargs -n 1 readlink | sort -u | wc -l)"
	say look
	eventually 180 all_said "seen look" "$PEOPLE" || fail "not all have looked: $(what_happened)"
	for ((i = 1; i <= PEOPLE; i++)); do
		seen=$(cat "/tmp/from-$i")
		want_match "$i: their own files" "^names $i,$i,$i,$i$" "$seen"
		want_match "$i: nobody else's" '^files 4$' "$seen"
		want_match "$i: one process that sleeps" '^sleeping 1$' "$seen"
		# init, sshd, the shell, sleep; ls and wc of this very line, and its subshell.
		want_match "$i: processes" '^signals to [4-8]$' "$seen"
	done
	say "end"
	for ((i = 1; i <= PEOPLE; i++)); do
		status=0
		wait "${PIDS[i]}" || status=$?
		want "$i: status" "$i" "$status"
	done
	eventually 120 no_processes_left || fail "left: $(processes_left)"
	want "registry" "" "$(find /run/cloister/sessions /run/cloister/logins -type f)"
	want "starts" "$PEOPLE" "$(log_new | grep -c 'event="start"')"
	eventually 20 eval "[ \"\$(log_new | grep -c 'event=\"end\".* reason=\"logout\"')\" = $PEOPLE ]" || fail "not all ends are told"
	want "the machine's files" "" "$(find /home/iris /tmp /var/tmp /dev/shm -name name)"
	for i in "${TO[@]}"; do
		exec {i}>&-
	done
	snapshot_same
}

test_kiosk() {
	example kiosk
	want_match "on a terminal" 'load average' "$(TERM=vt100 as iris -tt 2>&1 <<<q | tr -d '\r')"
	want_no_match "a command is its argument" '^MARK$' "$(on iris 'echo MARK' 2>&1 || true)"
}

test_sftp_drop() {
	install -d -o root -g iris -m 1730 /srv/drop
	example drop
	awk '/^Match User drop/ {there = 1} /^```/ {there = 0} there' /opt/doc/cloister.conf.5.scd |
		sed 's/User drop/User iris/' >>/etc/ssh/sshd_config
	sshd_reload
	echo theirs >/tmp/theirs.txt
	eventually 20 eval 'timeout 20 sftp -b - iris@testhost <<<"put /tmp/theirs.txt one.txt" >/tmp/out 2>&1' || fail "$(cat /tmp/out)"
	want "what was left" theirs "$(cat /srv/drop/one.txt)"
	timeout 20 sftp -b - iris@testhost <<<'ls' >/tmp/out 2>&1 || true
	want_match "what others left" 'Permission denied' "$(cat /tmp/out)"
	want_no_match "what others left" 'one.txt' "$(cat /tmp/out)"
	timeout 20 sftp -b - iris@testhost <<<'put /tmp/theirs.txt /etc/x' >/tmp/out 2>&1 && fail "written"
	[ ! -e /etc/x ] || fail "on the host"
	want_no_match "a command" uid "$(on iris id </dev/null 2>&1 || true)"
	rm -r /srv/drop
	eventually 20 eval '[ -z "$(find /run/cloister/sessions -type f)" ]' || fail "left: $(find /run/cloister -type f)"
}

run_cases "$@"
