#!/bin/bash
# The administrator's tools for sessions that are there: cloister ls, enter, kill; and the registry behind them.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

CLOISTER=$HOST_BUILD/cloister
REGISTRY=/run/cloister/sessions

# hold USER SECONDS: a login in the background; CLIENT.
hold() {
	client "$1" "exec sleep $2"
	eventually 20 pgrep -f "^sleep $2\$" || fail "no session: $(cat "$CASE_STATE/client")"
}

# json EXPRESSION: of `cloister ls --json`, as S.
json() {
	"$CLOISTER" ls --json | python3 -c "import json,sys; S = json.load(sys.stdin); print($1)"
}

session_of() {
	find "$REGISTRY" -name "$1-*" -printf '%f\n'
}

test_ls() {
	snapshot_before
	want "nothing yet" "[]" "$(json S)"
	hold iris 981
	local first=$CLIENT
	hold ivan 982
	want "who" "['iris', 'ivan']" "$(json "[s['user'] for s in S]")"
	want "session" "$(session_of iris)" "$(json "S[0]['session']")"
	want "uid" "$(id -u iris)" "$(json "S[0]['uid']")"
	want "rootfs" / "$(json "S[0]['rootfs']")"
	want "network" none "$(json "S[0]['network']")"
	want "scope" session "$(json "S[0]['scope']")"
	want "remote host" 127.0.0.1 "$(json "S[0]['logins'][0]['remote_host']")"
	want "service" sshd "$(json "S[0]['logins'][0]['service']")"
	# sshd's process for the user, and sleep.
	want "processes" 2 "$(json "S[0]['processes']")"
	want "memory is between 100 KiB and 100 MiB" True "$(json "100 << 10 < S[0]['memory'] < 100 << 20")"
	want "it began within a minute" True \
		"$(json "__import__('time').time() - __import__('datetime').datetime.strptime(S[0]['since'], '%Y-%m-%dT%H:%M:%S%z').timestamp() < 60")"
	want "lines" 3 "$("$CLOISTER" ls | wc -l)"
	want_match "table" "^iris +$(session_of iris) .* none .* 127.0.0.1 +/\$" "$("$CLOISTER" ls)"
	kill "$first" "$CLIENT"
	snapshot_same
	want "nothing more" "[]" "$(json S)"
}

test_ls_cpu_and_terminals() {
	snapshot_before
	as iris -tt 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exec sleep 983' </dev/null >/dev/null 2>&1 &
	local first=$!
	eventually 30 pgrep -f '^sleep 983' || fail "no session"
	want "CPU" True "$(json "0.05 < S[0]['cpu_seconds'] < 60")"
	want "CPU, as a metric" True "$(metrics "0.05 < M['cloister_user_cpu_seconds']['iris'] == M['cloister_cpu_seconds'][None] < 60")"
	want "terminal" "['pts/0']" "$(json "S[0]['ttys']")"
	kill -HUP "$(pgrep -f '^sleep 983')"
	wait "$first" || true
	snapshot_same
}

test_ls_logins_of_a_shared_session() {
	isolate iris 'scope = user'
	snapshot_before
	hold iris 981
	su iris -c 'exec sleep 984' </dev/null &
	eventually 20 pgrep -f '^sleep 984' || fail "no su"
	want "one session" 1 "$(json 'len(S)')"
	want "scope" user "$(json "S[0]['scope']")"
	want "logins" "['sshd', 'su']" "$(json "sorted(l['service'] for l in S[0]['logins'])")"
	kill "$(pgrep -f '^sleep 984')"
	eventually 10 eval 'test "$(json "len(S[0][\"logins\"])")" = 1' || true
	want "one login is left" "['sshd']" "$(json "[l['service'] for l in S[0]['logins']]")"
	kill "$CLIENT"
	snapshot_same
}

# metrics PYTHON: of `cloister ls --prometheus`, read by Prometheus' own parser: M maps a name to {label's value: number}
# (None without a label), T to its type.
metrics() {
	"$CLOISTER" ls --prometheus >"$CASE_STATE/metrics"
	python3 -c '
import sys
from prometheus_client.parser import text_string_to_metric_families
M, T = {}, {}
for family in text_string_to_metric_families(open(sys.argv[1]).read()):
    T[family.name] = family.type
    assert family.documentation
    for name, labels, value, timestamp, _ in family.samples:
        assert timestamp is None and set(labels) <= {"user", "version"} and len(labels) < 2
        series = M.setdefault(name, {})
        label = next(iter(labels.values()), None)
        assert label not in series, "twice: " + name
        series[label] = value
print(eval(sys.argv[2]))' "$CASE_STATE/metrics" "$1"
}

test_ls_prometheus() {
	snapshot_before
	want "nothing yet" "0.0 None" "$(metrics "'%s %s' % (M['cloister_sessions'][None], M.get('cloister_user_sessions'))")"
	hold iris 981
	local first=$CLIENT second
	hold iris 982
	second=$CLIENT
	hold ivan 983
	want "all" "{'sessions': 3.0, 'logins': 3.0, 'users': 2.0, 'processes': 6.0}" \
		"$(metrics "{n: M['cloister_' + n][None] for n in ('sessions', 'logins', 'users', 'processes')}")"
	local name
	for name in sessions logins; do
		want "$name" "{'iris': 2.0, 'ivan': 1.0}" "$(metrics "M['cloister_user_$name']")"
	done
	want "processes" "{'iris': 4.0, 'ivan': 2.0}" "$(metrics "M['cloister_user_processes']")"
	want "memory" True "$(metrics "all(100 << 10 < v < 100 << 20 for v in M['cloister_user_memory_bytes'].values())")"
	want "the sum" True "$(metrics "sum(M['cloister_user_memory_bytes'].values()) == M['cloister_memory_bytes'][None]")"
	want "since" True \
		"$(metrics "0 <= __import__('time').time() - M['cloister_user_oldest_session_start_timestamp_seconds']['ivan'] < 60")"
	want "types" "{'gauge'}" "$(metrics 'set(T.values())')"
	want "not for users" 125 "$(status su nora -c "$CLOISTER ls --prometheus")"
	want "one format" 125 "$(status "$CLOISTER" ls --prometheus --json)"
	kill "$first" "$second" "$CLIENT"
	snapshot_same
}

# Whoever can choose a user's name (a directory server) writes no line of the file, and no other user's series.
test_ls_prometheus_of_users_with_strange_names() {
	local name pids=()
	for name in 'quo"te' 'DOM\iris' 'end"} 1' $'latin\xe9' $'rtl\u202e' 'comma,"user="iris'; do
		printf '%s:x:%s:1000::/home/iris:/bin/sh\n' "$name" "$((3000 + ${#pids[@]}))" >>/etc/passwd
		"$CLOISTER" run --user "$name" --set home=none -- sleep "99${#pids[@]}" &
		pids+=($!)
		eventually 20 pgrep -f "^sleep 99$((${#pids[@]} - 1))\$" || fail "no session of $name"
	done
	want "names" "$(python3 -c 'print(sorted(["quo\"te", "DOM\\iris", "end\"} 1", "latin\\xe9", "rtl\\xe2\\x80\\xae", "comma,\"user=\"iris"]))')" \
		"$(metrics "sorted(M['cloister_user_sessions'])")"
	want "each its own" "{1.0}" "$(metrics "set(M['cloister_user_sessions'].values())")"
	# The parser is more patient than a line of the format is long.
	want "other lines" "" "$(LC_ALL=C.UTF-8 grep -vE '^(# (HELP|TYPE) cloister_[a-z_]+ .+|cloister_[a-z_]+(\{(user|version)="([^"\\]|\\[\\"])*"\})? [0-9.e+]+)$' "$CASE_STATE/metrics" || true)"
	"$CLOISTER" ls --prometheus | iconv -f UTF-8 -t UTF-8 >/dev/null || fail "not UTF-8"
	kill "${pids[@]}"
	wait "${pids[@]}" || true
}

# The manual's line of crontab(5), as cron's shell would run it.
test_manual_writes_metrics_for_node_exporter() {
	local line directory=/var/lib/prometheus/node-exporter
	line=$(grep -F 'cloister ls --prometheus >' /opt/doc/cloister.8.scd | grep '^\*')
	want "a line of /etc/cron.d" "* * * * * root" "$(cut -d' ' -f1-6 <<<"$line")"
	# Empty, whatever the machine has there.
	mkdir -p "$directory"
	mount -t tmpfs -o mode=0755 metrics "$directory"
	line=${line#\* \* \* \* \* root }
	hold iris 981
	PATH=$HOST_BUILD:$PATH sh -c "$line"
	want "what is there" "cloister.prom 644" "$(find "$directory" -type f -printf '%f %m\n')"
	want_match "it is whole" '^cloister_user_sessions\{user="iris"\} 1$' "$(cat "$directory/cloister.prom")"
	# A run that fails leaves the last one.
	local before
	before=$(cat "$directory/cloister.prom")
	mkdir /tmp/fails
	printf '#!/bin/sh\necho "# HALF"; exit 125\n' >/tmp/fails/cloister
	chmod +x /tmp/fails/cloister
	PATH=/tmp/fails:$PATH sh -c "$line" || true
	want "the last one" "$before" "$(cat "$directory/cloister.prom")"
	kill "$CLIENT"
}

# A user sees their own; nothing of others'.
test_ls_of_a_user() {
	snapshot_before
	hold iris 981
	want "another user sees nothing" "[]" "$(su nora -c "$CLOISTER ls --json" | tr -d '\n ')"
	local hidden="mount -t proc -o hidepid=1 proc /proc && exec setpriv --reuid nora --regid nora --clear-groups"
	want "the control: she may not look" 1 "$(status unshare -m sh -c "$hidden cat /proc/1/stat")"
	want "with hidepid=1, too" "[]" "$(unshare -m sh -c "$hidden $CLOISTER ls --json" | tr -d '\n ')"
	# iris' shell on the host, which an isolated user has not: by a plain setuid.
	want "iris" iris "$(setpriv --reuid iris --regid iris --clear-groups "$CLOISTER" ls | awk 'NR == 2 {print $1}')"
	local verb
	for verb in enter kill; do
		want "$verb is root's" 125 "$(status su nora -c "$CLOISTER $verb iris")"
	done
	kill "$CLIENT"
	snapshot_same
}

test_enter() {
	snapshot_before
	hold iris 981
	want "who" iris "$("$CLOISTER" enter iris -- id -un)"
	want "groups" "$(id -G iris)" "$("$CLOISTER" enter iris -- id -G)"
	want "by the session's id" iris "$("$CLOISTER" enter "$(session_of iris)" -- id -un)"
	want "the same processes" yes "$("$CLOISTER" enter iris -- sh -c 'pgrep -f "^sleep 981" >/dev/null && echo yes')"
	want "status" 7 "$(status "$CLOISTER" enter iris -- sh -c 'exit 7')"
	want "not found" 127 "$(status "$CLOISTER" enter iris -- /no/such/program)"
	want "home" /home/iris "$("$CLOISTER" enter iris -- pwd)"
	want "no stranger" 125 "$(status "$CLOISTER" enter nora -- true)"
	want "input and output" 5 "$(printf 'a b c' | "$CLOISTER" enter iris -- wc -c)"
	kill "$CLIENT"
	snapshot_same
}

# What a login would have, and no more.
test_enter_has_the_restrictions_of_the_session() {
	local fields='^(Cap...|NoNewPrivs|Seccomp):'
	snapshot_before
	hold iris 981
	want "capabilities, no_new_privs, seccomp" "$(on_to_its_end iris "grep -E '$fields' /proc/self/status")" \
		"$("$CLOISTER" enter iris -- grep -E "$fields" /proc/self/status)"
	want_match "a filter" '^Seccomp:.*2' "$("$CLOISTER" enter iris -- grep ^Seccomp: /proc/self/status)"
	want "no namespace can be made" 1 "$(status "$CLOISTER" enter iris -- unshare -U true)"
	want "nothing of the host is open" "0 1 2 3" "$("$CLOISTER" enter iris -- ls /proc/self/fd | paste -sd' ')"
	want "no host process is seen" 0 "$("$CLOISTER" enter iris -- pgrep -c syslogd || true)"
	kill "$CLIENT"
	snapshot_same
}

test_enter_with_a_terminal() {
	snapshot_before
	hold iris 981
	want_match "a pty of the session" '^/dev/pts/[0-9]+$' "$(in_pty "$CLOISTER enter iris -- tty")"
	[ "$(in_pty "$CLOISTER enter iris -- stat -L -c %d /proc/self/fd/0")" != "$(stat -c %d /dev/pts)" ] ||
		fail "root's terminal is inside"
	want_match "the login shell" '^iris$' "$(in_pty "printf 'id -un\nexit\n' | $CLOISTER enter iris")"
	want "status" 3 "$(status timeout 20 script -qec "$CLOISTER enter iris -- sh -c 'exit 3'" /dev/null </dev/null)"
	kill "$CLIENT"
	snapshot_same
}

test_ambiguous_user_is_refused_with_a_list() {
	snapshot_before
	hold iris 981
	local first=$CLIENT text
	hold iris 982
	text=$("$CLOISTER" enter iris -- true 2>&1 || true)
	want "status" 125 "$(status "$CLOISTER" enter iris -- true)"
	want_match "why" 'iris has 2 sessions' "$text"
	want "the list" 2 "$(grep -c '^iris-' <<<"$text")"
	want "by id" iris "$("$CLOISTER" enter "$(session_of iris | head -n 1)" -- id -un)"
	kill "$first" "$CLIENT"
	snapshot_same
}

# Enter does not keep a session alive.
# A group of the user's since the session began, with a number that its map does not know.
test_enter_with_a_group_that_is_new() {
	hold iris 986
	groupadd -g 70001 late
	usermod -aG late iris
	want "groups" "$(id -g iris)" "$("$CLOISTER" enter iris -- id -G)"
	kill "$CLIENT"
	groupdel late
}

# More sessions than a process may have descriptors by default; and whoever ignores SIGCHLD.
test_many_sessions_and_an_ignored_signal() {
	local i
	for i in $(seq 25); do
		"$CLOISTER" run --config "$HOST_CONF" --user iris -- sleep 987 &
	done
	eventually 30 sh -c "[ \"\$(find $REGISTRY -name 'iris-*' | wc -l)\" = 25 ]" || fail "$(session_of iris | wc -l) sessions"
	want "listed" 25 "$(bash -c "ulimit -n 20; exec '$CLOISTER' ls" | grep -c '^iris')"
	want "ended" 0 "$(status bash -c "ulimit -Sn 20; exec '$CLOISTER' kill iris")"
	want "all of them" "" "$(session_of iris)"
	want "a status" 7 "$(python3 -c '
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
while True: os.wait()' "$CLOISTER" run --config "$HOST_CONF" --user iris -- sh -c 'echo 7' 2>/dev/null)"
	wait
}

test_session_ends_under_enter() {
	snapshot_before
	hold iris 981
	"$CLOISTER" enter iris -- sleep 985 &
	local entered=$!
	eventually 10 pgrep -f '^sleep 985' || fail "not entered"
	kill "$CLIENT"
	local status=0
	wait "$entered" || status=$?
	want "killed" 137 "$status"
	snapshot_same
}

test_kill() {
	snapshot_before
	hold iris 981
	on iris 'true'
	client iris 'trap "" TERM HUP INT; setsid nohup sleep 986 & sleep 987'
	eventually 20 pgrep -f '^sleep 987' || fail "no session"
	local id
	id=$(session_of iris | head -n 1)
	want "one" 0 "$(status "$CLOISTER" kill "$id")"
	want "its entry is gone" "" "$(find "$REGISTRY" -name "$id")"
	want "the other is there" 1 "$(session_of iris | wc -l)"
	want "all of the user" 0 "$(status "$CLOISTER" kill iris)"
	want "none is left" "" "$(pgrep -f '^sleep 98' || true)"
	want "none" 125 "$(status "$CLOISTER" kill iris)"
	snapshot_same
}

test_kill_a_shared_session_that_lingers() {
	isolate iris 'scope = user' 'linger = yes'
	snapshot_before
	on iris 'setsid nohup sleep 986 >/dev/null 2>&1 </dev/null &'
	hold iris 981
	want "kill" 0 "$(status "$CLOISTER" kill iris)"
	want "none is left" "" "$(pgrep -f '^sleep 98' || true)"
	snapshot_same
}

# Rubbish in the registry (a crash, a full /run) harms nobody, and goes when it is met.
test_rubbish_in_the_registry() {
	hold iris 981
	local id file
	id=$(session_of iris)
	cd "$REGISTRY" || exit
	head -c 100 /dev/urandom >iris-00000001
	: >iris-00000002
	head -c 100000 /dev/zero >iris-00000003
	head -c 20 "$id" >iris-00000004
	sed 's/^start=.*/start=1/' "$id" >iris-00000005
	sed 's/^mnt=.*/mnt=1/' "$id" >iris-00000006
	printf 'pid=99999999999999999999\nstart=1\nmnt=1\n' >iris-00000007
	printf 'pid=1\nstart=0\nmnt=0\n' >iris-00000008
	ln -s /etc/passwd iris-00000009
	mkfifo iris-0000000a
	cp "$id" iris-0000000b && chown iris iris-0000000b
	cp "$id" iris-0000000c && chmod 0666 iris-0000000c
	touch -d '1 hour ago' .iris-0000000d
	printf 'pid=1\n' >../logins/iris-00000001.1
	mkfifo ../logins/iris-00000002.2
	touch -d '1 hour ago' ../logins/.iris-00000003.3
	cd /
	want "ls" "['$id']" "$(json "[s['session'] for s in S]")"
	for file in "$REGISTRY"/* "$REGISTRY"/.iris*; do
		[ "$file" = "$REGISTRY/$id" ] || [ "$file" = "$REGISTRY/.iris*" ] || fail "is left: $file"
	done
	want "logins" 1 "$(find /run/cloister/logins -mindepth 1 | wc -l)"
	want "/etc/passwd is there" 0 "$(status test -s /etc/passwd)"
	want "a login" iris "$(on iris whoami)"
	kill "$CLIENT"
}

# firejail's CVE-2022-31214: an entry that is root's and well-formed, but of processes that a user made.
test_an_entry_of_a_faked_session_is_not_joined() {
	isolate iris 'scope = user'
	hold iris 981
	local id fake
	id=$(session_of iris)
	# A copy of a true entry with another process in it: the start time and the namespace are not those.
	sleep 988 &
	fake=$!
	sed "s/^pid=.*/pid=$fake/" "$REGISTRY/$id" >"$REGISTRY/iris-0fa4e000"
	want "ls" "['$id']" "$(json "[s['session'] for s in S]")"
	want "enter" 125 "$(status "$CLOISTER" enter iris-0fa4e000 -- true)"
	want "a login joins the true one" "session=$id" "$(on iris 'head -n 1 /run/cloister/session')"
	kill -0 "$fake" || fail "the process was harmed"
	# Even with every number right it is no session: the process has no sealed plan and no door.
	printf 'pid=%s\nstart=%s\nmnt=%s\nuser=iris\nuid=%s\nscope=user\n' "$fake" \
		"$(awk '{print $22}' "/proc/$fake/stat")" "$(stat -L -c %i "/proc/$fake/ns/mnt")" "$(id -u iris)" \
		>"$REGISTRY/iris-0fa4e001"
	want "enter" 125 "$(status "$CLOISTER" enter iris-0fa4e001 -- true)"
	kill "$fake" "$CLIENT"
}

# No user can write there, or hold the lock that a start takes.
test_registry_is_roots() {
	on iris true
	local place
	for place in /run/cloister /run/cloister/sessions /run/cloister/logins; do
		want "$place" "root 755" "$(stat -c '%U %a' "$place")"
		want "$place cannot be written" 1 "$(status su nora -c "touch $place/x")"
	done
	isolate iris 'scope = user'
	on iris true
	want "locks" "root 700" "$(stat -c '%U %a' /run/cloister/locks)"
	want "no lock is left" "" "$(find /run/cloister/locks -mindepth 1)"
}

# The manual's examples, with a user that is there.
test_manual_examples() {
	local line n=0
	snapshot_before
	hold iris 981
	while read -r line; do
		line=${line//alice/iris}
		eval "$CLOISTER ${line#cloister }" >/dev/null </dev/null || fail "$line"
		n=$((n + 1))
	done < <(awk '/^Sessions that are there:/ {there = 1}
		there && /^```/ && ++fences == 2 {exit}
		there && /^cloister / {print}' /opt/doc/cloister.8.scd)
	want "examples" 5 "$n"
	want "the last one ended it" "" "$(session_of iris)"
	snapshot_same
}

run_cases "$@"
