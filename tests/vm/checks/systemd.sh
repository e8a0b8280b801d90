# shellcheck shell=bash
# systemd, its logind and its user managers.

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

# sessions_of USER: logind's.
sessions_of() {
	on root "loginctl list-sessions --no-legend" | awk -v user="$1" '$3 == user {print $1}'
}

# sshd closes a login after its client has gone.
logged_out() {
	[ -z "$(sessions_of "$1")" ]
}

check_logind() {
	local session
	eventually 60 logged_out iris || fail "an earlier session: $(sessions_of iris)"
	stay iris
	session=$(sessions_of iris)
	[ -n "$session" ] || fail "logind has no session of iris"
	want_match "scope" 'Scope=session-.*\.scope' "$(on root loginctl show-session "$session")"
	want_match "scope" 'Remote=yes' "$(on root loginctl show-session "$session")"
	want "XDG_RUNTIME_DIR" "/run/user/$(on root id -u iris) 700" \
		"$(on iris 'echo $XDG_RUNTIME_DIR $(stat -c %a $XDG_RUNTIME_DIR)')"
	# The whole session goes with the scope: the login program is in it.
	on root loginctl terminate-session "$session"
	eventually 90 no_cgroups || fail "left: $(cgroups)"
}

# The units in a user's home are the user's own commands, and systemd starts them at each login, on the host.
check_systemd_starts_nothing_of_the_users_on_the_host() {
	local line=/etc/pam.d/systemd-user uid
	uid=$(on root id -u iris)
	on iris 'd=.config/systemd/user; mkdir -p $d/default.target.wants
		printf "[Service]\nType=oneshot\nExecStart=/bin/sh -c \"readlink /proc/self/ns/mnt >%%h/ran\"\n" >$d/ran.service
		ln -sf ../ran.service $d/default.target.wants/'
	# Debian 12 has it in /usr/lib/pam.d, which a file in /etc/pam.d takes the place of.
	on root "sed 's/^@include common-session.*/session required pam_unix.so/' /usr/lib/pam.d/systemd-user >$line
		systemctl stop user@$uid; rm -f /home/iris/ran"
	stay iris
	eventually 60 on root test -s /home/iris/ran || fail "control: the unit does not run at all"
	want_match "control: check names it" 'warning: the PAM service systemd-user' "$(on root cloister check iris)"
	leave iris
	# As Debian has it, with the profile.
	on root "rm $line; systemctl stop user@$uid; rm -f /home/iris/ran"
	want "check is content" "" "$(on root cloister check iris | grep systemd-user | grep -v ^ok:)"
	stay iris
	# It returns when the manager is ready, or has failed. In a session it may not run as a manager has to.
	on root "systemctl start user@$uid" && fail "there is a manager of iris's"
	want "it has failed" failed "$(on root systemctl is-failed "user@$uid")"
	want_match "in a session" 'session iris-.* started.* service="systemd-user"' "$(on root journalctl -q -b -u "user@$uid")"
	! on root test -e /home/iris/ran || fail "the unit ran: $(on root cat /home/iris/ran)"
	login_works nora || fail "nora"
	want "nora has a manager" active "$(on nora 'systemctl is-active user@$(id -u)')"
	on iris 'rm -r .config/systemd'
}
