# shellcheck shell=bash
# What journald and auditd have of sessions.

check_journald_has_our_lines() {
	on iris true
	sleep 2
	want_match "start" 'session iris-[0-9a-f]+ of iris started' "$(on root journalctl -q -b SYSLOG_IDENTIFIER="$SSHD")"
	want_match "end" 'session iris-[0-9a-f]+ ended' "$(on root journalctl -q -b SYSLOG_IDENTIFIER="$SSHD")"
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
