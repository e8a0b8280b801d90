# shellcheck shell=bash
# Limits, and the cgroups that hold them.

# What checks before this one have begun.
nothing_from_before() {
	eventually 90 no_cgroups || fail "from before: $(cgroups)"
}

check_limits_are_set() {
	local files='memory.max memory.swap.max pids.max cpu.max io.max'
	nothing_from_before
	stay iris
	want "one cgroup" 1 "$(cgroups | wc -l)"
	want "values" "134217728 0 40 50000 100000 254:0 rbps=max wbps=52428800 riops=max wiops=max" \
		"$(on root "cd $PLACE/iris-* && cat $files" | paste -sd ' ')"
	want "namespace" "0::/" "$(on iris cat /proc/self/cgroup | tail -n 1)"
	want "rlimits" "200 300" "$(on iris 'echo $(ulimit -Sn) $(ulimit -Hn)')"
	# Every process of the session, and none of the login program's.
	want "processes" "cloister-init sed $SSHD" \
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

check_removed_at_the_end() {
	nothing_from_before
	on iris true
	eventually 10 no_cgroups || fail "left: $(cgroups)"
}

# Everything of the login is killed at once; what is left, the next login of the user removes.
check_removed_after_kill_9() {
	nothing_from_before
	stay iris
	on root "p=\$(pgrep -f '$SSHD: iris \[priv\]'); kill -STOP \$p; kill -KILL \$p \$(cat $PLACE/iris-*/cgroup.procs)"
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

# Who removes cgroups may be stopped while they hold the lock: su(1), by its caller.
check_logins_do_not_wait_for_a_sweep() {
	on root 'flock /run/cloister/cgroups sleep 120 >/dev/null 2>&1 & echo $! >/run/holder'
	! on root 'flock -n /run/cloister/cgroups true' || fail "control: the lock is free"
	login_works iris || fail "iris, who has limits"
	on root 'pkill -P $(cat /run/holder) sleep; rm /run/holder'
	nothing_from_before
}

check_refused_without_the_unit() {
	on root systemctl stop cloister-sessions
	! login_works iris || fail "iris gets in"
	login_works ivan || fail "ivan, who has no limits"
	want_match "journal" 'refused.*systemctl enable --now cloister-sessions.service' \
		"$(on root journalctl -q -b SYSLOG_IDENTIFIER="$SSHD")"
	want_match "check" '^error: limits: .*systemctl enable' "$(on root cloister check iris)"
	on root systemctl start cloister-sessions
	login_works iris || fail "iris, with the unit"
}

# limits_of GUIDE: the file that it has for a machine with cgroups, for nora.
limits_of() {
	awk '/^<!-- needs: cgroup -->/ {next_one = 1; next} /^```/ {there = next_one && !there; next_one = there; next} there' \
		"doc/guides/$1.md" | sed 's/^\[.*/[user:nora]\nisolate = yes/'
}

# guide_gives GUIDE VALUES: memory.max, pids.max and cpu.max of a session with the limits of a guide.
guide_gives() {
	limits_of "$1" | "${VM_SSH[@]}" root@127.0.0.1 'cat >/etc/cloister/cloister.conf.d/guide.conf'
	want_match "$1: check" '^ok: nora is isolated' "$(on root cloister check nora)"
	stay nora
	want "$1" "$2" "$(on root "cd $PLACE/nora-* && cat memory.max pids.max cpu.max" | paste -sd ' ')"
	leave nora
	eventually 60 no_cgroups || fail "left: $(cgroups)"
}

check_limits_of_the_guides() {
	trap 'on root "rm -f /etc/cloister/cloister.conf.d/guide.conf"; check_ends' EXIT
	nothing_from_before
	guide_gives login-host "4294967296 500 200000 100000"
	guide_gives training-class "1073741824 200 max 100000"
}
