#!/bin/bash
# scope = user: the logins of a user are in one session. The first starts it, the others join it, the last one ends it.
# alone: many logins at once
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# shellcheck disable=SC2034 # read by run_cases
CASE_TIMEOUT=120

# login(1) is started below a shell, which keeps the terminal open: talk_pty of login_su.sh says why.

# share [LINE...]: iris' logins share a session.
share() {
	isolate iris 'scope = user' "$@"
}

# The session of a login by ssh, and of any that prints it: inode numbers of namespaces are used again, ids are not.
ID='sed -n s/^session=//p /run/cloister/session'
space() {
	on iris "$ID"
}

inits() {
	pgrep -xc cloister-init || true
}

no_init() {
	[ "$(inits)" = 0 ]
}

# hold SECONDS: a login in the background that stays; CLIENT, and SPACE is its session.
hold() {
	client iris "$ID; exec sleep $1"
	eventually 20 pgrep -u iris -f "^sleep $1\$" || fail "no session: $(cat "$CASE_STATE/client")"
	# What a session has said comes to the client after the session has gone on.
	eventually 20 test -s "$CASE_STATE/client" || fail "the session says nothing"
	SPACE=$(head -n 1 "$CASE_STATE/client")
}

monitor_of() {
	local pid
	pid=$(pgrep -u iris -f "^sleep $1\$")
	while [ "$pid" -gt 1 ] && ! grep -qzF '[priv]' "/proc/$pid/cmdline"; do
		pid=$(awk '/^PPid:/ {print $2}' "/proc/$pid/status")
	done
	echo "$pid"
}

test_control_without_it_each_login_is_its_own() {
	isolate iris
	snapshot_before
	hold 991
	[ "$SPACE" != "$(space)" ] || fail "two logins are in one pid namespace"
	kill "$CLIENT"
	snapshot_same
}

# A session that another version has started, with a plan that this one does not read: it goes on, and logins are beside it.
test_session_of_another_version() {
	share 'linger = 60'
	hold 981
	cp -r "$HOST_BUILD" /opt/other
	python3 - <<-'END'
		for name in "pam_cloister.so", "cloister-init":
		    data = open("/opt/other/" + name, "rb").read()
		    assert data.count(b"2SLC") > 0
		    open("/opt/other/" + name, "wb").write(data.replace(b"2SLC", b"9SLC"))
	END
	sed -i "s|$HOST_BUILD/pam_cloister.so|/opt/other/pam_cloister.so|" /etc/pam.d/sshd
	local beside
	beside=$(space)
	want_match "a session" '^iris-' "$beside"
	[ "$beside" != "$SPACE" ] || fail "control: it joined"
	pam_service sshd
	want "the old one goes on" "$SPACE" "$(space)"
	kill "$CLIENT"
	"$HOST_BUILD/cloister" kill iris
	rm -r /opt/other
}

# table: scope = user: ssh, login, su, sudo | one session for all
test_one_session_for_all_ways_in() {
	share
	pam_service sudo
	pam_service sudo-i
	snapshot_before
	hold 991
	want "ssh" "$SPACE" "$(space)"
	want "su" "$SPACE" "$(timeout 20 su iris -c "$ID" </dev/null)"
	want "su -l on a terminal" "$SPACE" "$(in_pty "su -l iris -c '$ID'" | grep '^iris-')"
	want "sudo" "$SPACE" "$(timeout 20 sudo -u iris -i sed -n s/^session=//p /run/cloister/session </dev/null)"
	cat >"$CASE_STATE/talk" <<-END
		set timeout 20
		spawn -noecho sh -c {setsid -c -w login -f iris; :}
		expect -re {[\$] \$}
		send "$ID; tty; exit 7\r"
		expect eof
	END
	expect "$CASE_STATE/talk" >"$CASE_STATE/login"
	want_match "login" "^$SPACE\$" "$(tr -d '\r' <"$CASE_STATE/login")"
	want_match "login has its terminal" '^/dev/pts/' "$(tr -d '\r' <"$CASE_STATE/login")"
	want "one init" 1 "$(inits)"
	want "processes of the first are seen" yes "$(on iris 'pgrep -f "^sleep 991" >/dev/null && echo yes')"
	kill "$CLIENT"
	snapshot_same
}

# Whichever way in comes first.
test_whoever_comes_first_starts_it() {
	local first
	share
	for first in "su iris -c" "login -f iris"; do
		snapshot_before
		# shellcheck disable=SC2086
		case $first in
		su*) timeout 30 $first 'exec sleep 992' </dev/null >"$CASE_STATE/first" & ;;
		*)
			printf 'set timeout 30\nspawn -noecho sh -c {setsid -c -w %s; :}\nexpect -re {[$] $}\nsend "sleep 992; exit\\r"\nexpect eof\n' "$first" \
				>"$CASE_STATE/talk"
			expect "$CASE_STATE/talk" >"$CASE_STATE/first" &
			;;
		esac
		eventually 20 pgrep -u iris -f '^sleep 992' || fail "$first: $(cat "$CASE_STATE/first")"
		want "$first: ssh sees it" yes "$(on iris 'pgrep -f "^sleep 992" >/dev/null && echo yes')"
		want "$first: ssh with a terminal" yes \
			"$(as iris -tt 'tty >/dev/null && test -w /dev/tty && echo yes' </dev/null | tr -d '\r')"
		want "$first: one init" 1 "$(inits)"
		kill "$(pgrep -u iris -f '^sleep 992')"
		snapshot_same
	done
}

test_ten_at_once_make_one_session() {
	local i pids=()
	share
	snapshot_before
	for i in $(seq 10); do
		on iris "$ID; exec sleep 5" >"$CASE_STATE/space.$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
	want "spaces" 1 "$(cat "$CASE_STATE"/space.* | sort -u | wc -l)"
	want "logins" 10 "$(cat "$CASE_STATE"/space.* | wc -l)"
	want "started" 1 "$(log_new | grep -c 'of iris started')"
	want "joined" 9 "$(log_new | grep -c 'of iris joined')"
	snapshot_same
}

# What a login leaves behind lives as long as the session does, and ends with the last login.
test_the_last_one_ends_it() {
	share
	snapshot_before
	hold 991
	on iris 'setsid nohup sleep 993 >/dev/null 2>&1 </dev/null &'
	eventually 5 pgrep -u iris -f '^sleep 993' || fail "a process did not outlive its login while another was in"
	kill "$CLIENT"
	snapshot_same
}

# A login of its own pty: the others' are in the same devpts, with other numbers.
test_terminals_are_of_one_devpts() {
	share
	snapshot_before
	as iris -tt 'tty; exec sleep 994' </dev/null >"$CASE_STATE/first" 2>&1 &
	local first=$!
	eventually 20 pgrep -u iris -f '^sleep 994' || fail "no session"
	eventually 20 test -s "$CASE_STATE/first" || fail "the session says nothing"
	want "first" /dev/pts/0 "$(tr -d '\r' <"$CASE_STATE/first")"
	want "second" /dev/pts/1 "$(as iris -tt tty </dev/null | tr -d '\r')"
	want_match "su's" '^/dev/pts/1$' "$(in_pty "su -l iris -c tty")"
	want "the first is there for the others" yes "$(on iris 'test -c /dev/pts/0 && echo yes')"
	want_match "job control" 'Terminated|Done|Running' \
		"$(as iris -tt 'set -m; sleep 100 & jobs; kill %1; wait' </dev/null | tr -d '\r')"
	kill -HUP "$(pgrep -u iris -f '^sleep 994')"
	wait "$first" || true
	snapshot_same
}

# The terminal of a console login is for that login alone, and goes with it.
test_a_console_is_for_its_own_login() {
	share
	snapshot_before
	hold 991
	cat >"$CASE_STATE/talk" <<-'END'
		set timeout 20
		spawn -noecho sh -c {setsid -c -w login -f iris; :}
		expect -re {[$] $}
		send "sleep 995; exit\r"
		expect eof
	END
	expect "$CASE_STATE/talk" >"$CASE_STATE/login" &
	eventually 20 pgrep -u iris -f '^sleep 995' || fail "no login: $(cat "$CASE_STATE/login")"
	local name device
	name=$(readlink "/proc/$(pgrep -u iris -f '^sleep 995')/fd/0")
	device=$(stat -L -c %d "/proc/$(pgrep -u iris -f '^sleep 995')/fd/0")
	[ "$(on iris "stat -c %d $name 2>/dev/null" || true)" != "$device" ] || fail "another login reaches the terminal"
	kill -HUP "$(pgrep -u iris -f '^sleep 995')"
	kill "$CLIENT"
	snapshot_same
}

# kill -9 of any part counts down by itself.
test_kill_9_of_a_monitor() {
	share
	snapshot_before
	hold 991
	local first=$SPACE monitor
	hold 996
	monitor=$(monitor_of 996)
	kill -KILL "$monitor"
	sleep 0.5
	want "the other is still in" "$first" "$(space)"
	want "one init" 1 "$(inits)"
	kill -KILL "$(monitor_of 991)"
	eventually 10 no_init || fail "the session did not end with its last login"
	on iris true
	snapshot_same
}

# The one that started it is nothing special.
test_kill_9_of_the_first_monitor() {
	share
	snapshot_before
	hold 991
	local first=$SPACE
	hold 996
	kill -KILL "$(monitor_of 991)"
	sleep 0.5
	want "the session goes on" "$first" "$(space)"
	kill "$CLIENT"
	eventually 10 no_init || fail "the session did not end with its last login"
	on iris true
	snapshot_same
}

test_kill_9_of_init() {
	share
	snapshot_before
	hold 991
	local first=$SPACE
	hold 996
	kill -KILL "$(pgrep -x cloister-init)"
	eventually 10 no_processes_left || fail "left: $(processes_left)"
	[ "$first" != "$(space)" ] || fail "a dead session was joined"
	snapshot_same
}

test_user_kills_all_that_they_can() {
	share
	snapshot_before
	hold 991
	status as iris 'kill -9 -1' </dev/null >/dev/null
	eventually 10 no_processes_left || fail "left: $(processes_left)"
	snapshot_same
}

# A changed configuration: those who are in stay, and nobody new gets the old, weaker session.
test_changed_configuration_is_another_session() {
	share 'network = host'
	snapshot_before
	hold 991
	local first=$SPACE
	want "the same" "$first" "$(space)"
	share
	[ "$first" != "$(space)" ] || fail "a session with another network was joined"
	want "its network" 1 "$(on iris 'grep -c : /proc/net/dev')"
	want_match "the log says what differs" 'started otherwise: network' "$(log_new)"
	share 'network = host' 'capabilities = cap_net_bind_service'
	[ "$first" != "$(space)" ] || fail "a session with other capabilities was joined"
	share 'network = host'
	want "as before" "$first" "$(space)"
	kill "$CLIENT"
	snapshot_same
}

test_another_user_is_in_another_session() {
	printf '[default]\nscope = user\n[user:iris]\nisolate = yes\n[user:ivan]\nisolate = yes\n' | configure
	snapshot_before
	hold 991
	[ "$SPACE" != "$(on ivan "$ID")" ] || fail "another user joined"
	# Even one of the same uid: the name counts too.
	want "nothing of iris is seen" 0 "$(on ivan 'pgrep -fc "^sleep 991"' || true)"
	kill "$CLIENT"
	snapshot_same
}

# Without the PAM line there is no registry that could be trusted.
test_login_shell_alone_refuses_it() {
	{
		printf '[user:nora]\nscope = user\n'
	} | configure
	cp "$HOST_CONF" /etc/cloister/nora.conf
	local text
	text=$(su -s /bin/sh nora -c "exec $HOST_BUILD/cloister-sh -c true" 2>&1 </dev/null || true)
	want_match "why" 'scope = user needs the PAM line' "$text"
	want "status" 125 "$(status su -s /bin/sh nora -c "exec $HOST_BUILD/cloister-sh -c true")"
}

# Nobody inside can reach the door: init is closed to its own user.
test_the_door_is_out_of_reach() {
	share
	snapshot_before
	hold 991
	want "as the user" "" "$(on iris 'ls /proc/1/fd 2>/dev/null; for fd in 3 4 5 6; do readlink /proc/1/fd/$fd; done' || true)"
	want "pidfd_getfd" "EPERM" "$(on iris "python3 -c '
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
pidfd = libc.syscall(434, 1, 0)
for fd in (3, 4, 5, 6):
    if libc.syscall(438, pidfd, fd, 0) >= 0: print(\"got\", fd)
print(errno.errorcode[ctypes.get_errno()])'")"
	# Control: root of the host can.
	want "sockets of the door" 2 "$(find "/proc/$(pgrep -x cloister-init)/fd" -lname 'socket:*' -name '[46]' | wc -l)"
	kill "$CLIENT"
	snapshot_same
}

# linger: the session outlives its last login for so many seconds, and no longer.
test_linger_seconds() {
	share 'linger = 10'
	snapshot_before
	local first
	first=$(space)
	sleep 4
	want "within the time" "$first" "$(space)"
	sleep 7
	want "the clock starts anew" 1 "$(inits)"
	eventually 12 no_init || fail "it outlives its time"
	# Nobody was there to take the entry away: whoever looks next does.
	"$HOST_BUILD/cloister" ls >/dev/null
	snapshot_same
}

# table: tmux, detached, with linger | there at the next login
test_tmux_detached_is_there_at_the_next_login() {
	share 'linger = yes'
	snapshot_before
	on iris 'tmux new-session -d -s work "echo marker-$((40+2)); exec sleep 997"'
	sleep 1
	want "it lives" 1 "$(pgrep -u iris -fc '^sleep 997')"
	want_match "attached" 'marker-42' "$(as iris -tt 'TERM=xterm tmux capture-pane -p -t work' </dev/null)"
	want "no host tmux" "" "$(pgrep -u root -x tmux || true)"
	on iris 'tmux kill-server'
	kill -KILL "$(pgrep -x cloister-init)"
	eventually 5 no_init || fail "init"
	"$HOST_BUILD/cloister" ls >/dev/null
	snapshot_same
}

# Without linger nobody keeps it.
test_control_tmux_without_linger_ends() {
	share
	snapshot_before
	on iris 'tmux new-session -d -s work "exec sleep 997"'
	snapshot_same
}

run_cases "$@"
