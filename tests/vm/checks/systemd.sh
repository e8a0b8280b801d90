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

DROP_IN=/etc/systemd/system/user@.service.d/50-cloister.conf

# A unit in a user's home, which says that it ran, and where.
plant_unit() {
	on "$1" 'd=.config/systemd/user; mkdir -p $d/default.target.wants
		printf "[Service]\nType=oneshot\nExecStart=/bin/sh -c \"readlink /proc/self/ns/mnt >%%h/ran\"\n" >$d/ran.service
		ln -sf ../ran.service $d/default.target.wants/'
}

# manager_of USER: the state of the user's manager.
manager_of() {
	on root "systemctl show -P ActiveState user@\$(id -u $1)"
}

# anew USER: as before the first login.
anew() {
	on root "u=user@\$(id -u $1); systemctl stop \$u; systemctl reset-failed \$u 2>/dev/null; rm -f /home/$1/ran"
}

drop_in() {
	case $1 in
	away) on root "ln -sfn /dev/null $DROP_IN" ;;
	back) on root "ln -sfn /usr/share/cloister/user-manager.conf $DROP_IN" ;;
	esac
	on root systemctl daemon-reload
}

# The units in a user's home are the user's own commands, and systemd would start them at each login, on the host. Two walls,
# each by itself.
check_systemd_starts_nothing_of_the_users_on_the_host() {
	local line=/etc/pam.d/systemd-user
	plant_unit iris
	# Without either. Debian has the file in /usr/lib/pam.d, which one in /etc/pam.d takes the place of.
	drop_in away
	on root "sed 's/^@include common-session.*/session required pam_unix.so/' /usr/lib/pam.d/systemd-user >$line"
	anew iris
	stay iris
	eventually 60 on root test -s /home/iris/ran || fail "control: the unit does not run at all"
	want_match "control: check names it" 'warning: the PAM service systemd-user' "$(on root cloister check iris)"
	want_match "control: check names the drop-in" 'note: the drop-in .* is not there or is overridden' "$(on root cloister check iris)"
	leave iris
	# With the drop-in alone.
	drop_in back
	anew iris
	stay iris
	want "with the drop-in, a manager" inactive "$(manager_of iris)"
	! on root test -e /home/iris/ran || fail "the unit ran: $(on root cat /home/iris/ran)"
	want_match "check does not say that it would" "note: the PAM service systemd-user has no .* drop-in's doing alone" "$(on root cloister check iris)"
	leave iris
	# With the PAM line alone. In a session it may not run as a manager has to.
	on root "rm $line"
	drop_in away
	anew iris
	want "check is content" "" "$(on root cloister check iris | grep systemd-user | grep -v ^ok:)"
	stay iris
	want "with the PAM line, a manager" failed "$(manager_of iris)"
	want_match "in a session" 'session iris-.* started.* service="systemd-user"' "$(on root 'journalctl -q -b -u user@$(id -u iris)')"
	! on root test -e /home/iris/ran || fail "the unit ran: $(on root cat /home/iris/ran)"
	leave iris
	drop_in back
	anew iris
	on iris 'rm -r .config/systemd'
}

# That an isolated user has no manager is no failure, neither of the machine's nor of the login's.
check_a_user_manager_is_left_out_in_peace() {
	local user uid session
	for user in iris lena; do
		eventually 60 logged_out "$user" || fail "an earlier session of $user"
		anew "$user"
	done
	stay iris
	stay lena
	for user in iris lena; do
		uid=$(on root id -u "$user")
		want "$user's manager" "Result=exec-condition ActiveState=inactive" \
			"$(on root systemctl show -p ActiveState -p Result "user@$uid" | paste -sd ' ')"
		want "$user's runtime directory" active "$(on root systemctl is-active "user-runtime-dir@$uid")"
		session=$(sessions_of "$user")
		want "logind's session of $user" "State=active Scope=session-$session.scope" \
			"$(on root loginctl show-session -p State -p Scope "$session" | tac | paste -sd ' ')"
		want "$user's sessions" 1 "$(on root "ls /run/cloister/sessions | grep -c ^$user-")"
	done
	want "what has failed" "" "$(on root systemctl list-units --failed --no-legend --plain)"
	want "the machine" running "$(on root systemctl is-system-running)"
	want_match "said in the journal" 'exec-condition' "$(on root 'journalctl -q -b -u user@$(id -u iris)')"
	login_works nora || fail "nora"
	want "control: nora's manager" active "$(on nora 'systemctl is-active user@$(id -u)')"
	want "control: hers answers" running "$(on nora 'systemctl --user is-system-running --wait')"
	leave iris
	leave lena
	on root 'cloister kill lena'
}

# Nobody can tell whom a configuration isolates that is not there: then no manager, but root's.
check_no_user_manager_where_it_cannot_be_told() {
	local user
	on root 'systemctl stop user@0; mv /etc/cloister /etc/away'
	for user in iris nora; do
		anew "$user"
		! on root "systemctl start user@\$(id -u $user)" || fail "$user has a manager"
		want "$user's manager" failed "$(manager_of "$user")"
	done
	want_match "said in the journal" 'cloister-not-isolated: .*there is no configuration' "$(on root 'journalctl -q -b -u user@$(id -u nora)')"
	on root 'systemctl start user@0' || fail "root has no manager"
	on root 'mv /etc/away /etc/cloister'
	# A mistake in what concerns the user, and a program that is gone.
	on root "printf '[user:iris]\nisolate = perhaps\n' >/etc/cloister/cloister.conf.d/wrong.conf"
	for user in iris nora; do
		anew "$user"
	done
	! on root 'systemctl start user@$(id -u iris)' || fail "iris has a manager"
	on root 'systemctl start user@$(id -u nora)' || fail "nora has none"
	on root 'rm /etc/cloister/cloister.conf.d/wrong.conf; mv /usr/libexec/cloister/cloister-not-isolated /root/'
	anew iris
	on root 'systemctl start user@$(id -u iris); true'
	want "without the program, iris's manager" inactive "$(manager_of iris)"
	on root 'mv /root/cloister-not-isolated /usr/libexec/cloister/'
	anew iris
	want_match "check, as the package has it" '^ok: systemd starts no user manager for iris' "$(on root cloister check iris)"
}
