# shellcheck shell=bash
# What sessions outlive: a restart of sshd, an upgrade and the removal of the packages; and what is left after a reboot.

check_restart_of_sshd_with_a_live_session() {
	stay iris
	on root systemctl restart ssh
	goes_on iris "still there"
	login_works iris || fail "iris"
	login_works nora || fail "nora"
}

restarted() {
	local now
	now=$(VM_TIMEOUT=30 on root cat /proc/sys/kernel/random/boot_id) && [ -n "$now" ] && [ "$now" != "$1" ]
}

check_reboot_with_sessions_that_linger() {
	local boot states up down user
	# logind starts what there is of them when the machine starts.
	on root 'loginctl enable-linger iris; loginctl enable-linger nora'
	on root 'cloister kill lena; cloister kill lars' || true
	on iris true
	on lena 'echo kept >/var/tmp/kept; echo gone >/tmp/gone'
	on lars true
	eventually 60 there_are "lars lena" || fail "they do not linger: $(sessions)"
	states=$(states)
	stay iris
	want "control: sessions" "iris lars lena" "$(sessions)"
	boot=$(on root cat /proc/sys/kernel/random/boot_id)
	up=$(on root cut -d. -f1 /proc/uptime)
	on root systemctl reboot || true
	eventually "${VM_BOOT:-600}" restarted "$boot" || fail "it does not come back"
	eventually 120 on root 'systemctl is-system-running --wait' || true
	# systemd waits 90 s for who does not mind SIGTERM.
	down=$(sed -nE 's/.*\[ *([0-9]+)\.[0-9]+\] reboot: Restarting.*/\1/p' "$VM_DIR/console" | tail -n 1)
	[ $((down - up)) -lt 75 ] || fail "the shutdown had to wait: $((down - up)) s"
	echo "# down in $((down - up)) s" >&2
	want "the machine" running "$(on root systemctl is-system-running)"
	for user in "iris inactive" "nora active"; do
		want "the manager of ${user% *}, who lingers" "${user#* }" "$(manager_of "${user% *}")"
	done
	on root 'loginctl disable-linger iris; loginctl disable-linger nora'
	want "the registry" "" "$(on root 'find /run/cloister -type f')"
	want "cgroups" "" "$(cgroups)"
	want "kept, and gone" "kept" "$(on lena 'cat /var/tmp/kept; cat /tmp/gone 2>/dev/null; true')"
	login_works iris || fail "iris"
	login_works lars || fail "lars"
	want "the states are as they were" "$states" "$(states)"
	eventually 60 there_are "lars lena" || fail "they do not linger again: $(sessions)"
	on root 'cloister kill lena; cloister kill lars'
	eventually 60 nothing_of_sessions || fail "left: $(sessions) $(cgroups)"
}

version() {
	on root "dpkg-query -W -f '\${Version} ' cloister libpam-cloister"
}

# Sessions go on with the files they were started with, new logins have the new ones, and both can be in one session.
check_upgrade_while_logged_in() {
	local module='stat -c %i /lib/x86_64-linux-gnu/security/pam_cloister.so' before user
	before=$(on root "$module")
	on lars 'echo lars >/tmp/mark'
	stay iris
	stay lena
	on lena 'echo lena >/tmp/mark'
	VM_TIMEOUT=300 on root 'dpkg -i /root/packages/next/*.deb' || fail "dpkg -i"
	want_match "control: another version" '^[^ ]*\+next [^ ]*\+next $' "$(version)"
	[ "$(on root "$module")" != "$before" ] || fail "control: the module is the old file"
	want "control: every session has the old init" "$(on root pgrep -xc cloister-init)" \
		"$(on root 'for p in $(pgrep -x cloister-init); do readlink /proc/$p/exe; done | grep -c deleted')"
	goes_on iris "after the upgrade"
	goes_on lena "after the upgrade"
	goes_on iris "once more"
	want "iris's limits" "134217728 40" "$(on root "cd $PLACE/iris-* && cat memory.max pids.max" | paste -sd ' ')"
	want "a second login to the session from before" lena "$(on lena cat /tmp/mark)"
	want "a login to the one that lingers" lars "$(on lars cat /tmp/mark)"
	want "the new tools in the old session" lena "$(on root cloister enter lena -- cat /tmp/mark)"
	for user in iris ivan; do
		want "a new session of $user" cloister-init "$(on "$user" cat /proc/1/comm)"
	done
	login_works nora || fail "nora"
	leave iris
	leave lena
	eventually 60 there_are "lars lena" || fail "left: $(sessions)"
	on root 'cloister kill lena; cloister kill lars'
	eventually 60 nothing_of_sessions || fail "left: $(sessions) $(cgroups)"
	want "a session of the new version" lena "$(on lena 'echo lena >/tmp/new; cat /tmp/new')"
	on root cloister kill lena
}

# Removed, purged, and installed again: what is left at each step, and that everybody can log in all the time.
# shellcheck disable=SC2016 # for the shell in the machine
check_removal_while_logged_in() {
	local user changed
	stay iris
	stay ivan
	stay nora
	on lars true
	on root 'nohup sh -c "while [ ! -e /run/enough ]; do for user in root nora; do su -l \$user -c true || echo \$user is refused; done; echo round
		done" >/run/logins 2>&1 </dev/null &'
	VM_TIMEOUT=300 on root 'DEBIAN_FRONTEND=noninteractive apt-get -y remove cloister libpam-cloister' || fail "apt-get remove"
	on root touch /run/enough
	want "who was refused meanwhile" "" "$(on root 'grep -vx round /run/logins')"
	want_match "control: somebody logged in" round "$(on root cat /run/logins)"
	want "the module" "" "$(on root 'ls /lib/*/security | grep cloister; true')"
	want "the lines" "" "$(on root 'grep -rl pam_cloister /etc/pam.d; true')"
	changed=$(on root 'stat -c %.9Y /etc/pam.d/common-session /lib/x86_64-linux-gnu/security' | paste -sd ' ')
	want "the line is gone before the module: $changed" "$changed" "$(tr ' ' '\n' <<<"$changed" | sort -n | paste -sd ' ')"
	# Sessions, with limits and without, go on until their users leave.
	goes_on iris "after the removal"
	goes_on ivan "after the removal"
	goes_on nora "after the removal"
	for user in root nora ivan iris; do
		want "a login of $user" systemd "$(on "$user" cat /proc/1/comm)"
		want "a manager of $user" active "$(on root "systemctl start user@\$(id -u $user); systemctl is-active user@\$(id -u $user)")"
	done
	leave ivan
	leave iris
	eventually 60 no_cgroups || fail "left: $(cgroups)"
	eventually 60 there_are lars || fail "more than lars's session is left: $(sessions)"
	# One that lingers has nobody to end it but root; the unit goes on, too.
	on root 'pkill -TERM -x cloister-init; systemctl stop cloister-sessions'
	eventually 60 inits_are 0 || fail "lars's session is left"
	want "mounts" "" "$(on root 'grep cloister /proc/self/mounts; true')"
	on root rm -r /etc/cloister/cloister.conf.d/vm.conf
	VM_TIMEOUT=300 on root 'DEBIAN_FRONTEND=noninteractive apt-get -y purge cloister libpam-cloister' || fail "apt-get purge"
	on root 'cd / && sha256sum --quiet -c /root/packages/before' || fail "files are not as before"
	# What users had changed is theirs.
	want "what is left" "/var/lib/cloister /var/lib/cloister/users" "$(on root 'cd /; find etc usr var/lib | sort | comm -13 /root/packages/names - |
		grep -i cloister | grep -v ^var/lib/cloister/users/ | sed s,^,/,' | paste -sd ' ')"
	want "names" "" "$(on root 'find /run /etc /usr /opt /srv -iname "*cloister*"')"
	login_works root || fail "root"
	login_works nora || fail "nora"
	# Unpacked and not configured, there is no configuration, and nobody is touched.
	VM_TIMEOUT=300 on root 'dpkg --unpack /root/packages/now/*.deb && systemctl daemon-reload' || fail "dpkg --unpack"
	want "control: no configuration yet" "" "$(on root 'ls -d /etc/cloister/cloister.conf 2>/dev/null; true')"
	anew nora
	want "nora's manager meanwhile" active "$(on nora 'systemctl is-active user@$(id -u)')"
	VM_TIMEOUT=300 on root 'mkdir -p /etc/cloister/cloister.conf.d; printf "[user:ivan]\nisolate = yes\n" >/etc/cloister/cloister.conf.d/vm.conf
		dpkg --configure -a && pam-auth-update --enable cloister' || fail "dpkg --configure"
	anew ivan
	stay ivan
	want "ivan, installed again" cloister-init "$(on ivan cat /proc/1/comm)"
	want "ivan's manager" inactive "$(manager_of ivan)"
}
