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

# stay USER: a session that says what it is told, until it is told to end.
CLIENTS=()
declare -A CLIENT_OF TALK_TO
stay() {
	local fifo=$VM_DIR/stay.$RANDOM talk
	mkfifo "$fifo"
	# For reading, too: an open(2) of one end alone would wait for the other.
	exec {talk}<>"$fifo"
	: >"$VM_DIR/stay.$1"
	"${VM_SSH[@]}" "$1@127.0.0.1" 'echo ready; exec sed -u "/^end$/q"' <"$fifo" >"$VM_DIR/stay.$1" 2>&1 &
	CLIENTS+=("$!")
	CLIENT_OF[$1]=$!
	TALK_TO[$1]=$talk
	eventually 60 grep -q ready "$VM_DIR/stay.$1" || fail "no session of $1: $(cat "$VM_DIR/stay.$1")"
}

# goes_on USER TEXT: the command of the session that stays still answers.
goes_on() {
	echo "$2" >&"${TALK_TO[$1]}"
	eventually 30 grep -qx "$2" "$VM_DIR/stay.$1" || fail "the session of $1 is gone: $2"
}

leave() {
	local status=0
	echo end >&"${TALK_TO[$1]}"
	wait "${CLIENT_OF[$1]}" || status=$?
	want "$1's command at logout" 0 "$status"
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
	want "processes" "cloister-init sed sshd" \
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

# Debian's own PAM files and daemons, with the profile alone: everything by which a user's command can be run.
# shellcheck disable=SC2016 # for the user's shell
check_the_profile_contains_every_service() {
	local user way said='cat /proc/1/comm; id -un'
	on root "for user in iris nora; do rm -f /home/\$user/by.*
		echo '* * * * * (cat /proc/1/comm; id -un) >by.cron' | crontab -u \$user -
		echo 'cd; ($said) >by.at' | setpriv --reuid \$user --regid \$user --init-groups env HOME=/home/\$user sh -c 'cd; at now'
		su -l \$user -c '($said) >by.su'; sudo -iu \$user sh -c '($said) >by.sudo'
		done" || true
	for user in iris nora; do
		on "$user" "($said) >by.ssh"
		at_the_console "$user" "($said) >by.login"
	done
	for way in ssh su sudo login at cron; do
		eventually 150 on root "grep -qx iris /home/iris/by.$way && grep -qx nora /home/nora/by.$way" || fail "$way runs nothing"
		want "$way of iris" "cloister-init iris" "$(on root cat "/home/iris/by.$way" | paste -sd ' ')"
		want "control: $way of nora" "systemd nora" "$(on root cat "/home/nora/by.$way" | paste -sd ' ')"
	done
	on root 'crontab -r -u iris; crontab -r -u nora; rm /home/*/by.*'
	eventually 60 no_cgroups || fail "left: $(cgroups)"
}

two_prompts() {
	[ "$(grep -ao 'vm login: ' "$1" | wc -l)" -ge 2 ]
}

# at_the_console USER COMMAND: name and password typed at the second serial line, where getty and login(1) are.
at_the_console() {
	local said=$VM_DIR/console.$1 reader
	cat "$VM_DIR/tty.out" >"$said" &
	reader=$!
	CLIENTS+=("$reader")
	on root "echo $1:word-of-$1 | chpasswd; systemctl restart serial-getty@ttyS1"
	eventually 60 grep -aq 'vm login: ' "$said" || fail "no getty: $(cat "$said")"
	printf '%s\r' "$1" >"$VM_DIR/tty.in"
	eventually 60 grep -aq 'Password: ' "$said" || fail "login asks for no password: $(cat "$said")"
	printf '%s\r' "word-of-$1" >"$VM_DIR/tty.in"
	eventually 60 grep -aq "$1@vm:" "$said" || fail "no shell: $(cat "$said")"
	printf '%s; exit\r' "$2" >"$VM_DIR/tty.in"
	# getty is there again: nothing more comes that another reader could take for its own.
	eventually 60 two_prompts "$said" || fail "no logout: $(cat "$said")"
	on root "systemctl stop serial-getty@ttyS1; usermod -p '*' $1"
	kill "$reader"
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
	goes_on iris "still there"
	login_works iris || fail "iris"
	login_works nora || fail "nora"
}

# Whatever is written there, root gets in, and can mend it.
check_a_wrong_configuration_never_locks_root_out() {
	local wrong
	for wrong in 'rootfs = /srv/gone.erofs' 'isolated = perhaps'; do
		on root "printf '[default]\nisolate = yes\n$wrong\n' >/etc/cloister/cloister.conf.d/wrong.conf"
		! login_works nora || fail "nora gets in with: $wrong"
		! login_works ivan || fail "ivan gets in with: $wrong"
		login_works root || fail "root is locked out with: $wrong"
		want "su with: $wrong" works "$(on root su -l root -c '"echo works"')"
	done
	on root rm /etc/cloister/cloister.conf.d/wrong.conf
	login_works nora || fail "nora"
	login_works ivan || fail "ivan"
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

# What users have there, and Cloister beside it: not what is in it.
states() {
	on root 'find /var/lib/cloister -name upper -prune -print -o -print | sort'
}

sessions() {
	on root 'for file in /run/cloister/sessions/*; do [ ! -e "$file" ] || basename "$file"; done | sed s/-[^-]*$// | sort -u | paste -sd " "'
}

there_are() {
	[ "$(sessions)" = "$1" ]
}

inits_are() {
	[ "$(on root 'pgrep -xc cloister-init')" = "$1" ]
}

nothing_of_sessions() {
	[ -z "$(on root 'pgrep -x cloister-init; find /run/cloister/sessions /run/cloister/logins -type f')" ] && no_cgroups
}

restarted() {
	local now
	now=$(VM_TIMEOUT=30 on root cat /proc/sys/kernel/random/boot_id) && [ -n "$now" ] && [ "$now" != "$1" ]
}

check_reboot_with_sessions_that_linger() {
	local boot states up down
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
	local module='stat -c %i /lib/x86_64-linux-gnu/security/pam_cloister.so' before user id
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
	# By its id: the user manager that logind starts has a session of its own.
	id=$(on lena sed -n s/^session=//p /run/cloister/session)
	want "the new tools in the old session" lena "$(on root cloister enter "$id" -- cat /tmp/mark)"
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

gone() {
	! kill -0 "$1"
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
	VM_TIMEOUT=300 on root 'mkdir -p /etc/cloister/cloister.conf.d; printf "[user:ivan]\nisolate = yes\n" >/etc/cloister/cloister.conf.d/vm.conf
		dpkg -i /root/packages/now/*.deb && pam-auth-update --enable cloister' || fail "dpkg -i"
	want "ivan, installed again" cloister-init "$(on ivan cat /proc/1/comm)"
}

denials() {
	on root 'cat /var/log/audit/audit.log* | grep -a "apparmor=\"DENIED\""; journalctl -q -k | grep "apparmor=\"DENIED\""; true'
}

check_apparmor_has_denied_nothing() {
	local denied
	want "AppArmor" Y "$(on root cat /sys/module/apparmor/parameters/enabled)"
	denied=$(denials)
	want "denials" "" "$denied"
	on root 'cp /bin/true /usr/local/bin/control; echo "profile control /usr/local/bin/control { }" | apparmor_parser -r
		/usr/local/bin/control' && fail "control: it is not confined"
	eventually 30 denied || fail "control: the denial is not recorded"
}

denied() {
	[ -n "$(denials)" ]
}

check_ends() {
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
