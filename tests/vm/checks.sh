#!/bin/bash
# What is checked in the virtual machine, from outside through ssh. One line a check; the last one is "N passed, N
# failed". Sourced values: VM_PORT, VM_KEY, VM_DIR.
set -u
. "$(dirname -- "$0")/../lib/checks.sh"

VM_SSH=(ssh -p "$VM_PORT" -i "$VM_KEY" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
	-o BatchMode=yes -o ConnectTimeout=20 -o IdentitiesOnly=yes)
PLACE=/sys/fs/cgroup/cloister.slice/cloister-sessions.service

on() {
	local user=$1
	shift
	timeout -k 2 "${VM_TIMEOUT:-90}" "${VM_SSH[@]}" -n "$user@127.0.0.1" "$@"
}

fail() {
	echo "failed: $*" >&2
	exit 1
}

want() {
	[ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

want_match() {
	grep -qE -- "$2" <<<"$3" || fail "$1: nothing matches '$2' in: $3"
}

want_no_match() {
	! grep -qE -- "$2" <<<"$3" || fail "$1: '$2' matches in: $3"
}

eventually() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 1
	done
}

# stay USER: a session that stays until 3 is closed.
CLIENTS=()
stay() {
	local fifo=$VM_DIR/stay.$RANDOM
	mkfifo "$fifo"
	# For reading, too: an open(2) of one end alone would wait for the other.
	exec 3<>"$fifo"
	: >"$VM_DIR/stay.out"
	"${VM_SSH[@]}" "$1@127.0.0.1" 'echo ready; exec cat' <"$fifo" >"$VM_DIR/stay.out" 2>&1 3>&- &
	CLIENTS+=("$!")
	eventually 60 grep -q ready "$VM_DIR/stay.out" || fail "no session of $1: $(cat "$VM_DIR/stay.out")"
}

cgroups() {
	on root "cd $PLACE && ls -d i*/ 2>/dev/null; true"
}

no_cgroups() {
	[ -z "$(cgroups)" ]
}

login_works() {
	[ "$(on "$1" echo works)" = works ]
}

check_systemd_and_logind_are_there() {
	want "pid 1" systemd "$(on root cat /proc/1/comm)"
	want "cgroup v2" cgroup2fs "$(on root stat -fc %T /sys/fs/cgroup)"
	want_match "controllers" 'cpu.* io .*memory.* pids' "$(on root cat "$PLACE/cgroup.controllers")"
	want "nobody in it" "" "$(on root cat "$PLACE/cgroup.procs")"
	want_match "cloister check" 'ok: iris is isolated' "$(on root cloister check iris)"
}

check_control_a_login_that_is_not_isolated() {
	want_match "nora's cgroup" '^0::/user.slice/.*/session-.*scope$' "$(on nora cat /proc/self/cgroup)"
}

check_limits_are_set() {
	local files='memory.max memory.swap.max pids.max cpu.max io.max'
	stay iris
	want "one cgroup" 1 "$(cgroups | wc -l)"
	want "values" "134217728 0 40 50000 100000 254:0 rbps=max wbps=52428800 riops=max wiops=max" \
		"$(on root "cd $PLACE/iris-* && cat $files" | paste -sd ' ')"
	want "namespace" "0::/" "$(on iris cat /proc/self/cgroup | tail -n 1)"
	want "rlimits" "200 300" "$(on iris 'echo $(ulimit -Sn) $(ulimit -Hn)')"
	# Every process of the session, and none of the login program's.
	want "processes" "cat cloister-init sshd" \
		"$(on root "ps -o comm= -p \$(paste -sd, $PLACE/iris-*/cgroup.procs)" | sort | paste -sd ' ')"
}

check_cloister_enter_is_in_it() {
	stay iris
	want "enter" "0::/" "$(on root cloister enter iris -- cat /proc/self/cgroup)"
}

# The hog is killed; the login it belongs to, and others, go on.
check_memory_hog_is_killed_inside_only() {
	stay nora
	want "control" 250000000 "$(on nora 'head -c 250000000 /dev/zero | tail -c 250000000 | wc -c')"
	want "the hog" 137 "$(on iris 'head -c 250000000 /dev/zero | tail -c 250000000 >/dev/null; echo ${PIPESTATUS[1]}')"
	login_works nora || fail "nora"
	kill -0 "${CLIENTS[0]}" || fail "nora's session is gone"
}

check_fork_bomb_is_stopped() {
	local bomb
	on iris 'for i in $(seq 100); do sleep 20 & done; wait' >"$VM_DIR/bomb" 2>&1 &
	bomb=$!
	eventually 40 grep -qE "fork.*(retry|Resource temporarily unavailable)" "$VM_DIR/bomb" || fail "$(cat "$VM_DIR/bomb")"
	login_works nora || fail "nora"
	login_works ivan || fail "ivan"
	login_works iris || fail "another session of iris"
	kill "$bomb" 2>/dev/null || true
}

is_throttled() {
	on root "cat $PLACE/iris-*/cpu.stat" | grep -q '^nr_throttled [1-9]'
}

check_cpu_is_throttled() {
	on iris 'timeout 40 sh -c "while :; do :; done"' &
	CLIENTS+=("$!")
	eventually 60 is_throttled || fail "not throttled: $(on root "cat $PLACE/iris-*/cpu.stat")"
}

check_logind() {
	local session
	stay iris
	session=$(on root "loginctl list-sessions --no-legend" | awk '$3 == "iris" {print $1}' | head -n 1)
	[ -n "$session" ] || fail "logind has no session of iris"
	want_match "scope" 'Scope=session-.*\.scope' "$(on root loginctl show-session "$session")"
	want_match "scope" 'Remote=yes' "$(on root loginctl show-session "$session")"
	want "XDG_RUNTIME_DIR" "/run/user/$(on root id -u iris) 700" \
		"$(on iris 'echo $XDG_RUNTIME_DIR $(stat -c %a $XDG_RUNTIME_DIR)')"
	# The whole session goes with the scope: the login program is in it.
	on root loginctl terminate-session "$session"
	eventually 90 no_cgroups || fail "left: $(cgroups)"
}

# su(1) that a user runs, and atd(8) are root by their effective ids alone. A kernel like this one then takes more from what
# they execute.
check_real_ids_that_are_not_the_effective_ones() {
	local services='/etc/pam.d/su /etc/pam.d/atd' said
	on root "mkdir /root/kept && cp -a $services /root/kept/ && sed -i '1i auth sufficient pam_permit.so' /etc/pam.d/su &&
		for file in $services; do echo session required pam_cloister.so >>\$file; done"
	said=$(on nora "su iris -c 'cut -d- -f1 /run/cloister/session; id -un'" 2>&1 || true)
	on root "cd /home/iris && setpriv --reuid iris --regid iris --init-groups sh -c \"echo 'cat /run/cloister/session >at' | at now\"" 2>&1
	eventually 60 on root grep -q session=iris /home/iris/at || said+=" and nothing of at's: $(on root journalctl -u atd -n 5)"
	on root "cp -a /root/kept/. /etc/pam.d/ && rm -r /root/kept /home/iris/at"
	want_match "su" '^session=iris$' "$said"
	want_no_match "at" 'nothing of at' "$said"
}

# The units in a user's home are the user's own commands, and systemd starts them at each login, on the host.
check_systemd_starts_nothing_of_the_users_on_the_host() {
	local line=/etc/pam.d/systemd-user uid
	uid=$(on root id -u iris)
	on iris 'd=.config/systemd/user; mkdir -p $d/default.target.wants
		printf "[Service]\nType=oneshot\nExecStart=/bin/sh -c \"readlink /proc/self/ns/mnt >%%h/ran\"\n" >$d/ran.service
		ln -sf ../ran.service $d/default.target.wants/'
	# Debian 12 has it in /usr/lib/pam.d, which a file in /etc/pam.d takes the place of.
	on root "[ -e $line ] || cp /usr/lib/pam.d/systemd-user $line; sed -i /pam_cloister/d $line; systemctl stop user@$uid; rm -f /home/iris/ran"
	stay iris
	eventually 60 on root test -s /home/iris/ran || fail "control: the unit does not run at all"
	want_match "control: check names it" 'warning: the PAM service systemd-user' "$(on root cloister check iris)"
	kill "${CLIENTS[@]}"
	on root "echo 'session required pam_cloister.so' >>$line; systemctl stop user@$uid; rm -f /home/iris/ran"
	stay iris
	on root "systemctl start user@$uid; systemctl is-active user@$uid" || true
	sleep 5
	if on root test -s /home/iris/ran; then
		[ "$(on root cat /home/iris/ran)" != "$(on root readlink /proc/1/ns/mnt)" ] || fail "it ran on the host"
	fi
	on root "journalctl -q -b -u user@$uid | tail -n 3" >&2
	login_works nora || fail "nora"
	want "nora has a manager" active "$(on nora 'systemctl is-active user@$(id -u)')"
	on iris 'rm -r .config/systemd'
}

check_removed_at_the_end() {
	on iris true
	eventually 10 no_cgroups || fail "left: $(cgroups)"
}

# Everything of the login is killed at once; what is left, the next login of the user removes.
check_removed_after_kill_9() {
	stay iris
	on root 'kill -STOP $(pgrep -f "sshd: iris \[priv\]")
		kill -KILL $(pgrep -f "sshd: iris \[priv\]") $(cat '"$PLACE"'/iris-*/cgroup.procs)'
	want "control: something is left" 1 "$(cgroups | wc -l)"
	on iris true
	eventually 10 no_cgroups || fail "left: $(cgroups)"
}

# systemd writes the controllers of its own cgroups anew; ours are delegated.
check_daemon_reload_keeps_limits() {
	stay iris
	on root 'systemctl daemon-reload; systemctl set-property --runtime user.slice CPUWeight=200; systemctl daemon-reexec'
	want "values" "134217728 40 50000 100000" \
		"$(on root "cd $PLACE/iris-* && cat memory.max pids.max cpu.max" | paste -sd ' ')"
}

check_restart_of_sshd_with_a_live_session() {
	stay iris
	on root systemctl restart ssh
	echo still there >&3
	eventually 20 grep -q "still there" "$VM_DIR/stay.out" || fail "the session is gone"
	login_works iris || fail "iris"
	login_works nora || fail "nora"
}

check_refused_without_the_unit() {
	on root systemctl stop cloister-sessions
	! login_works iris || fail "iris gets in"
	login_works ivan || fail "ivan, who has no limits"
	want_match "journal" 'refused.*systemctl enable --now cloister-sessions.service' \
		"$(on root journalctl -q -b SYSLOG_IDENTIFIER=sshd)"
	want_match "check" '^error: limits: .*systemctl enable' "$(on root cloister check iris)"
	on root systemctl start cloister-sessions
	login_works iris || fail "iris, with the unit"
}

check_journald_has_our_lines() {
	on iris true
	sleep 2
	want_match "start" 'session iris-[0-9a-f]+ of iris started' "$(on root journalctl -q -b SYSLOG_IDENTIFIER=sshd)"
	want_match "end" 'session iris-[0-9a-f]+ ended' "$(on root journalctl -q -b SYSLOG_IDENTIFIER=sshd)"
}

# The last line of iris of an event, as pam_cloister(8) says to look for it.
last_event() {
	on root "journalctl -q -b -o cat SYSLOG_FACILITY=10 _UID=0 --grep 'event=\"$1\".* user=\"iris\"' | tail -n 1"
}

told() {
	last_event "$1" | grep -qE "$2"
}

# The hog is killed, and the end of the session says so, and how much it had of its 128 MiB.
check_log_tells_of_memory() {
	on iris 'head -c 250000000 /dev/zero | tail -c 250000000 >/dev/null' || true
	eventually 60 told end ' reason="logout" .* memory_peak="1[23][0-9]{7}" oom_kills="[1-9]' || fail "$(last_event end)"
	# The whole session, init included.
	stay iris
	on root "p=\$(sed -n s/^pid=//p /run/cloister/sessions/iris-*); echo 1000 >/proc/\$p/oom_score_adj
		echo 1 >$PLACE/iris-*/memory.oom.group"
	timeout -k 2 60 "${VM_SSH[@]}" -n root@127.0.0.1 \
		'cloister enter iris -- sh -c "head -c 250000000 /dev/zero | tail -c 250000000 >/dev/null"' || true
	eventually 60 told end ' reason="oom" ' || fail "$(last_event end)"
}

# What auditd has written, found as pam_cloister(8) says.
check_log_of_auditd() {
	local id
	want "auditd" active "$(on root systemctl is-active auditd)"
	on iris true
	eventually 60 told end 'reason="logout"' || fail "$(last_event end)"
	id=$(last_event end | grep -oE ' session="[^"]*"' | cut -d'"' -f2)
	on root "ausearch --input-logs -i -m VIRT_CONTROL --vm-name $id" >"$VM_DIR/records" || true
	want_match "start" "virt=cloister op=start reason=login vm=$id vm-pid=[0-9]+ acct=iris .*res=success" "$(cat "$VM_DIR/records")"
	want_match "end" "virt=cloister op=stop reason=logout vm=$id .*res=success" "$(cat "$VM_DIR/records")"
}

check_ends() {
	exec 3>&-
	[ ${#CLIENTS[@]} -eq 0 ] || kill "${CLIENTS[@]}" 2>/dev/null || true
	wait
}

if ! eventually "${VM_BOOT:-600}" login_works root; then
	echo "not ok vm.boot"
	exit 1
fi
echo "# it is up after $SECONDS s"
eventually 120 on root 'systemctl is-system-running --wait' || true
status=0
run_checks vm "$VM_DIR/output" "$@" || status=$?
on root systemctl poweroff || true
exit "$status"
