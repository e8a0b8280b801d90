#!/bin/bash
# What is told of sessions: one line of syslog for each start, join, refusal and end, in keys and values that no value can
# forge.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# events KIND: the lines of that kind since the case began. A sentence, then keys.
events() {
	log_new | grep -aE "; event=\"$1\" " || true
}

told() {
	[ "$(events "$1" | grep -c .)" -ge "${2:-1}" ]
}

# event KIND: the one line of that kind, once it is there.
event() {
	eventually 10 told "$1" || fail "no line of event $1: $(log_new)"
	want "lines of $1" 1 "$(events "$1" | grep -c .)"
	events "$1"
}

# value KEY LINE: as a program would find it, that splits a line at its double quotes.
value() {
	awk -F'"' -v key="$1=" '{ for (i = 1; i < NF; i += 2) { n = split($i, word, " "); if (word[n] == key) print $(i + 1) } }' <<<"$2"
}

# The inode numbers of namespaces, as the kernel has them of a process.
namespaces_of() {
	local kind
	for kind in user mnt pid net; do
		readlink "/proc/$1/ns/$kind" | tr -dc '0-9\n'
	done | paste -sd ' '
}

namespaces_told() {
	echo "$(value userns "$1") $(value mntns "$1") $(value pidns "$1") $(value netns "$1")"
}

hold() {
	client "$1" "exec sleep $2"
	eventually 20 pgrep -u "$1" -f "^sleep $2\$" || fail "no session: $(cat "$CASE_STATE/client")"
}

test_start_and_end() {
	local start end
	hold iris 31
	start=$(event start)
	want_match "for people" ': session iris-[0-9a-f]{8} of iris started; event=' "$start"
	want_match "the session" '^iris-[0-9a-f]{8}$' "$(value session "$start")"
	want "who" "iris $(id -u iris)" "$(value user "$start") $(value uid "$start")"
	want "how" "sshd ssh 127.0.0.1" "$(value service "$start") $(value tty "$start") $(value rhost "$start")"
	want "where" "/ none" "$(value rootfs "$start") $(value network "$start")"
	want "init" cloister-init "$(cat "/proc/$(value init "$start")/comm")"
	want "namespaces" "$(namespaces_of "$(value init "$start")")" "$(namespaces_told "$start")"
	sleep 1.1
	kill "$CLIENT"
	end=$(event end)
	want "the same" "$(value session "$start") iris sshd $(namespaces_told "$start")" \
		"$(value session "$end") $(value user "$end") $(value service "$end") $(namespaces_told "$end")"
	want "reason" logout "$(value reason "$end")"
	want_match "seconds" '^[1-9][0-9]*\.[0-9]{3}$' "$(value duration "$end")"
	want "nobody else's" "" "$(log_new | grep nora || true)"
}

# What a session shares with the host is told, too.
test_host_network() {
	isolate iris 'network = host'
	on iris true
	want "network" "host $(readlink /proc/1/ns/net | tr -dc '0-9')" \
		"$(value network "$(event start)") $(value netns "$(event start)")"
}

test_join_and_leave() {
	local start join leave end
	isolate iris 'scope = user'
	hold iris 32
	start=$(event start)
	on iris true
	join=$(event join)
	leave=$(event leave)
	want "the same session" "$(value session "$start") $(namespaces_told "$start")" \
		"$(value session "$join") $(namespaces_told "$join")"
	want "leave" "$(value session "$start") logout" "$(value session "$leave") $(value reason "$leave")"
	want "no end yet" "" "$(events end)"
	kill "$CLIENT"
	end=$(event end)
	want "end" "$(value session "$start")" "$(value session "$end")"
}

test_refuse() {
	local refuse
	isolate iris 'rootfs = /srv/nowhere'
	[ "$(status on iris true)" -ne 0 ] || fail "the login worked"
	refuse=$(event refuse)
	want_match "for people" ': session for iris refused: rootfs: .*/srv/nowhere.*ENOENT\); event=' "$refuse"
	want "why" "rootfs ENOENT /srv/nowhere" "$(value step "$refuse") $(value errno "$refuse") $(value path "$refuse")"
	want "who" "iris $(id -u iris) sshd 127.0.0.1" \
		"$(value user "$refuse") $(value uid "$refuse") $(value service "$refuse") $(value rhost "$refuse")"
	want "nothing started" "" "$(events 'start|end')"
}

test_refuse_for_maintenance() {
	isolate iris 'refuse = back at "five"'
	[ "$(status on iris true)" -ne 0 ] || fail "the login worked"
	want "step" refuse "$(value step "$(event refuse)")"
	want_match "for people" "session for iris refused: refuse = back at 'five'; event=" "$(event refuse)"
}

test_killed_by_an_administrator() {
	hold iris 33
	"$HOST_BUILD/cloister" kill iris
	want "reason" "cloister kill" "$(value reason "$(event end)")"
	eventually 5 eval '[ -z "$(find /run/cloister -type f)" ]' || fail "left: $(find /run/cloister -type f)"
}

# Each login of a shared session is told why.
test_killed_with_two_logins() {
	isolate iris 'scope = user'
	hold iris 34
	hold iris 35
	"$HOST_BUILD/cloister" kill iris
	eventually 10 told 'end|leave' 2 || fail "$(log_new)"
	want "reasons" 2 "$(events 'end|leave' | grep -c 'reason="cloister kill"')"
}

test_init_is_killed() {
	hold iris 36
	kill -KILL "$(value init "$(event start)")"
	want "reason" "init died" "$(value reason "$(event end)")"
}

# A later module that fails leaves sshd without a call of close_session.
test_end_without_close_session() {
	pam_service sshd '' 'session required pam_deny.so'
	on iris true || true
	event end >/dev/null
	want "one start" 1 "$(events start | grep -c .)"
}

test_run_and_enter() {
	local start
	want "status" 7 "$(status "$HOST_BUILD/cloister" run --config "$HOST_CONF" --user iris -- sh -c 'exit 7')"
	start=$(event start)
	want "run" "cloister run iris 7 logout" "$(value service "$start") $(value user "$start") $(value exit "$(event end)") \
$(value reason "$(event end)")"
	want "refused" 125 "$(status "$HOST_BUILD/cloister" run --config "$HOST_CONF" --user iris --rootfs /srv/nowhere -- true)"
	want "refuse" "cloister run iris rootfs" "$(value service "$(event refuse)") $(value user "$(event refuse)") \
$(value step "$(event refuse)")"
	hold iris 37
	"$HOST_BUILD/cloister" enter iris -- sh -c 'kill -TERM $$' || true
	want "enter" "cloister enter" "$(value service "$(event enter)")"
	want "its end" 15 "$(value signal "$(event leave)")"
}

# The user's own process writes them: without root there is no other.
test_login_shell() {
	local service end
	for service in sshd login su su-l; do
		sed -i '/pam_cloister/d' "/etc/pam.d/$service"
	done
	isolate iris
	sed -i "s,^\(iris:.*:\)[^:]*$,\1$HOST_BUILD/cloister-sh," /etc/passwd
	want "status" 3 "$(status on iris exit 3)"
	want_match "start" ' cloister-sh\[[0-9]+\]: session iris-[0-9a-f]+ of iris started;' "$(event start)"
	end=$(event end)
	want "end" "cloister-sh iris 3" "$(value service "$end") $(value user "$end") $(value exit "$end")"
	isolate iris 'rootfs = /srv/nowhere'
	on iris true || true
	want "refuse" "iris rootfs" "$(value user "$(event refuse)") $(value step "$(event refuse)")"
}

test_moved_process() {
	pam_service shapes
	isolate iris 'entry = process'
	want "status" 3 "$(status "$HOST_BUILD/probe/applications" exec shapes iris sh -c 'exit 3')"
	want "end" "shapes 3" "$(value service "$(event end)") $(value exit "$(event end)")"
}

# A client's name, or a terminal's, that would like to be another key, another line or a command to a terminal.
test_hostile_values() {
	local hostile start
	hostile=$'x" uid="0" user="root\nevent="start" session="forged"\e[2J\\'
	HOSTILE=$hostile timeout 20 script -qec 'login -f iris -h "$HOSTILE"' /dev/null <<<"exit" >/dev/null 2>&1 || true
	start=$(event start)
	want "uid" "$(id -u iris)" "$(value uid "$start")"
	want "user" iris "$(value user "$start")"
	want "the client" 'x\x22 uid=\x220\x22 user=\x22root\x0aevent=\x22start\x22 session=\x22forged\x22\x1b[2J\x5c' \
		"$(value rhost "$start")"
	want "no line of its own" "" "$(log_new | grep -aE '^[^;]*: event="start"' || true)"
	want_no_match "no control characters" $'[\x01-\x08\x0e-\x1f\x7f]' "$start"
}

# ---- records of the kernel's audit; 2500 is VIRT_CONTROL of audit.h ----
# recorded COMMAND...: runs it with a libaudit that writes records to /run/audit-records.
recorded() {
	rm -f /run/audit-records
	LD_PRELOAD=$HOST_BUILD/probe/audit_preload.so timeout 30 "$@" </dev/null
}

test_audit_records() {
	local id records
	recorded su -l iris -c true
	id=$(value session "$(event start)")
	records=$(cat /run/audit-records)
	want_match "start" "^2500 virt=cloister op=start reason=login vm=\"$id\" vm-pid=[0-9]+ acct=\"iris\" id=$(id -u iris) \
service=\"su-l\" rhost=\"\?\" rootfs=\"/\" res=1$" "$records"
	want_match "end" "^2500 virt=cloister op=stop reason=logout vm=\"$id\" .* res=1$" "$records"
	want "nothing but these" 2 "$(grep -c ^2500 <<<"$records")"
	isolate iris 'rootfs = /srv/nowhere'
	recorded su -l iris -c true || true
	want_match "refused" '^2500 virt=cloister op=start reason=rootfs vm="\?" .*acct="iris" .* res=0$' "$(cat /run/audit-records)"
	recorded "$HOST_BUILD/cloister" run --config "$HOST_CONF" --user ivan -- true
	want_match "by hand" 'op=start .* acct="ivan" .*service=6' "$(cat /run/audit-records)"
}

# Each descriptor that is opened is closed.
test_audit_leaves_no_descriptor() {
	recorded "$HOST_BUILD/cloister" run --config "$HOST_CONF" --user iris -- true
	want "open and close" "open close open close" "$(grep -v ^2500 /run/audit-records | paste -sd ' ')"
}

# Where there is no audit, or it fails: nothing that a login would notice. Only a failure is worth a line. libpam has
# records of its own, for which it opens audit too: there only the writing of ours can be made to fail.
test_audit_fails() {
	local code
	# EINVAL, EPERM, EPROTONOSUPPORT, ECONNREFUSED
	for code in 22 1 93 111; do
		export AUDIT_ERRNO=$code
		want "log: $code" iris "$(AUDIT_FAILS=log recorded su -l iris -c whoami)"
		want "open: $code" iris "$(AUDIT_FAILS=open recorded "$HOST_BUILD/cloister" run --config "$HOST_CONF" --user iris -- whoami)"
	done
	export AUDIT_ERRNO=5
	want "log: a failure" iris "$(AUDIT_FAILS=log recorded su -l iris -c whoami)"
	eventually 10 eval 'log_new | grep -q "no audit record: Input/output error"' || fail "$(log_new)"
	# In the order in which they were written: what came before is there by now.
	want "said" 0 "$(log_new | grep 'no audit record' | grep -vc 'Input/output error')"
}

# The kernel's own answer to the record.
test_audit_kernel_takes_it() {
	local trace=/tmp/trace type='nlmsg_type=(0x9c4|AUDIT_VIRT_CONTROL)'
	strace -o "$trace" -e trace=network "$HOST_BUILD/cloister" run --config "$HOST_CONF" --user iris -- true
	grep -qE 'NETLINK_AUDIT\) = [0-9]' "$trace" || skip "the kernel has no audit"
	! grep -qE "error=-(EPERM|ECONNREFUSED).*$type" "$trace" || skip "this container may not write audit records"
	want "records" 2 "$(grep -cE "^sendto\(.*$type" "$trace")"
	want "answers" 2 "$(grep -v MSG_PEEK "$trace" | grep -cE "^recvfrom\(.*\{error=0, .*$type")"
}

run_cases "$@"
