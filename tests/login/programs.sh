#!/bin/bash
# sudo(8), doas(1), atd(8), su -P: each by the real program, contained and as usable as on the host.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

inside() {
	[ "$(readlink /proc/1/ns/mnt)" != "$1" ] && grep -q '^mnt:' <<<"$1"
}

# sudo_for_root [LINE...]: sudo's PAM services, and root's right to become anybody.
sudo_for_root() {
	pam_service sudo-i
	pam_service sudo
	rm -rf /etc/sudoers.d
	printf '%s\n' 'root ALL=(ALL:ALL) NOPASSWD: ALL' "$@" >/etc/sudoers
	chmod 0440 /etc/sudoers
}

# table: sudo -u | contained
test_sudo_command() {
	sudo_for_root
	inside "$(timeout 20 sudo -u iris readlink /proc/self/ns/mnt </dev/null)" || fail "sudo -u: not inside"
	want "status" 3 "$(status timeout 20 sudo -u iris sh -c 'exit 3' </dev/null)"
	want "pipe" abc "$(printf abc | timeout 20 sudo -u iris cat)"
}

# The terminal is the session's, with sudo's own pty between or without one.
# table: sudo, with use_pty and without | contained
test_sudo_terminal() {
	local option
	for option in use_pty '!use_pty'; do
		sudo_for_root "Defaults $option"
		inside "$(in_pty "sudo -i -u iris readlink /proc/self/ns/mnt")" || fail "$option: not inside"
		want_match "$option: tty" '^/dev/pts/[0-9]+$' "$(in_pty "sudo -i -u iris tty")"
		want "$option: status" 3 "$(in_pty "sudo -i -u iris sh -c 'exit 3'; echo \$?")"
	done
}

# table: sudo, I/O logging | contained, and logged
test_sudo_io_log() {
	sudo_for_root 'Defaults log_input, log_output' 'Defaults iolog_dir=/var/log/sudo-io'
	inside "$(in_pty "sudo -i -u iris readlink /proc/self/ns/mnt")" || fail "terminal: not inside"
	want "pipe" abc "$(printf abc | timeout 20 sudo -u iris cat)"
	[ -n "$(find /var/log/sudo-io -name 'ttyout*' -size +0)" ] || fail "no terminal output was logged"
	[ -n "$(find /var/log/sudo-io -name 'stdout*' -size +0)" ] || fail "no output was logged"
}

test_sudo_leaves_nothing() {
	sudo_for_root
	snapshot_before
	timeout 20 sudo -i -u iris sh -c 'setsid sleep 1000 >/dev/null 2>&1 </dev/null &' </dev/null
	in_pty "sudo -i -u iris sh -c 'setsid sleep 1000 & sleep 0.2'" >/dev/null
	snapshot_same
}

# sudo goes on where a session module has failed with PAM_SESSION_ERR, and of two that have failed the first one counts.
# table: sudo, a session module before ours that fails, and a refusal of ours | refused
test_sudo_after_another_failure() {
	sudo_for_root
	isolate iris 'rootfs = /srv/nowhere'
	sed -i '/pam_cloister/i session required pam_debug.so open_session=session_err' /etc/pam.d/sudo
	want_match "control: sudo goes on" '^nora$' "$(timeout 20 sudo -u nora id -un </dev/null 2>&1)"
	want_no_match "iris" '^(iris|uid)' "$(timeout 20 sudo -u iris id -un </dev/null 2>&1 || true)"
	want_match "refused" 'event="refuse" user="iris"' "$(log_new)"
	isolate iris
}

# Where root has redirected all of them, /dev/tty would still be root's terminal.
# reaches_terminal COMMAND...: what a command, started at a terminal without any of it as a descriptor, writes there.
reaches_terminal() {
	in_pty "$* 'echo \"outer\"\"terminal\" >/dev/tty' </dev/null >/dev/null 2>&1; sleep 0.3"
}

# table: su, sudo, doas, runuser with every descriptor redirected | the outer terminal is out of reach
test_terminal_that_is_redirected() {
	local user
	sudo_for_root 'Defaults !use_pty'
	pam_service doas
	pam_service runuser
	printf 'permit nopass root\n' >/etc/doas.conf
	chmod 0400 /etc/doas.conf
	isolate iris
	for user in "doas -u %s sh -c" "runuser -u %s -- sh -c" "su %s --session-command" "sudo -u %s sh -c"; do
		# shellcheck disable=SC2059 # the user's place
		want_match "control: $user" outerterminal "$(reaches_terminal "$(printf "$user" nora)")"
		# shellcheck disable=SC2059
		want "$user" "" "$(reaches_terminal "$(printf "$user" iris)")"
	done
	want "cloister run" "" "$(reaches_terminal "$HOST_BUILD/cloister run --user iris -- sh -c")"
	client iris 'exec sleep 60'
	eventually 10 pgrep -u iris -x sleep || fail "no session"
	want "cloister enter" "" "$(reaches_terminal "$HOST_BUILD/cloister enter iris -- sh -c")"
	kill "$CLIENT"
}

# Root inside is not the host's, and has a terminal all the same.
# table: su to root, isolated, on a terminal | contained
test_root_on_a_terminal() {
	printf '[user:root]\nisolate = yes\n' >"$HOST_CONF"
	inside "$(in_pty "su -l root -c 'readlink /proc/self/ns/mnt'")" || fail "su: $(log_new)"
	want_match "its terminal" '^/dev/pts/[0-9]+$' "$(in_pty "su -l root -c tty")"
	isolate iris
	inside "$(in_pty "$HOST_BUILD/cloister run readlink /proc/self/ns/mnt")" || fail "cloister run"
}

# A job in the background leaves the terminal to the shell.
test_background_job_leaves_the_terminal() {
	want_match "cloister run" 'still here' "$(in_pty "bash -ic '$HOST_BUILD/cloister run --user iris -- sleep 0.3 & sleep 1; echo still here'")"
}

# table: su -P | contained; su says that it cannot chown its pty
test_su_pty() {
	inside "$(in_pty "su -P -l iris -c 'readlink /proc/self/ns/mnt'")" || fail "su -P: not inside"
	# Its root has no power over the user's ids inside: su says that it cannot chown its pty, and goes on.
	want "status" 3 "$(in_pty "su -P -l iris -c 'exit 3'; echo \$?" | tail -n 1)"
	want_match "tty" '/dev/pts/[0-9]+$' "$(in_pty "su -P -l iris -c tty")"
}

# table: doas | contained
test_doas() {
	pam_service doas
	printf 'permit nopass root\n' >/etc/doas.conf
	chmod 0400 /etc/doas.conf
	want "control: nora" "$(readlink /proc/1/ns/mnt)" "$(timeout 20 doas -u nora readlink /proc/self/ns/mnt </dev/null)"
	inside "$(timeout 20 doas -u iris readlink /proc/self/ns/mnt </dev/null)" || fail "doas: not inside"
	want "whoami" iris "$(timeout 20 doas -u iris whoami </dev/null)"
	want "status" 3 "$(status timeout 20 doas -u iris sh -c 'exit 3' </dev/null)"
	want_match "tty" '^/dev/pts/[0-9]+$' "$(in_pty "doas -u iris tty")"
	snapshot_before
	timeout 20 doas -u iris sh -c 'setsid sleep 1000 >/dev/null 2>&1 </dev/null &' </dev/null
	snapshot_same
}

# What starts a user's commands without a login must not be forgotten: cloister check names it.
test_services_without_the_line_are_named() {
	isolate iris
	local service said
	for service in systemd-user cron atd; do
		printf '@include common-session\n' >"/etc/pam.d/$service"
	done
	said=$("$HOST_BUILD/cloister" check iris || true)
	for service in systemd-user cron atd; do
		want_match "$service" "^warning: the PAM service $service has no pam_cloister.so: .* as iris on the host" "$said"
	done
	# By itself, and by a file that it includes.
	pam_service systemd-user
	printf 'session required %s\n' "$HOST_BUILD/pam_cloister.so" >/etc/pam.d/ours
	printf '@include ours\n' >/etc/pam.d/cron
	printf -- '-session include ours\n' >/etc/pam.d/atd
	said=$("$HOST_BUILD/cloister" check iris || true)
	for service in systemd-user cron atd; do
		want_match "$service: with it" "^ok: the PAM service $service has" "$said"
	done
	want_no_match "not isolated" 'the PAM service' "$("$HOST_BUILD/cloister" check nora || true)"
}

# table: at | contained
test_at() {
	local user daemon
	pam_service atd
	mkdir -p /var/spool/cron/atjobs /var/spool/cron/atspool
	chown daemon:daemon /var/spool/cron/at*
	chmod 1770 /var/spool/cron/at*
	echo 1 >/var/spool/cron/atjobs/.SEQ
	chown daemon:daemon /var/spool/cron/atjobs/.SEQ
	/usr/sbin/atd -f </dev/null >/dev/null 2>&1 &
	daemon=$!
	for user in nora iris; do
		(cd /tmp && echo "readlink /proc/self/ns/mnt >/home/$user/namespace; id -un >>/home/$user/namespace" |
			setpriv --reuid="$user" --regid="$user" --init-groups env HOME="/home/$user" at now) 2>/dev/null
	done
	eventually 10 grep -q nora /home/nora/namespace || { kill "$daemon"; fail "control: at did not run nora's"; }
	eventually 10 grep -q iris /home/iris/namespace || { kill "$daemon"; fail "at did not run iris's"; }
	kill "$daemon"
	want "control: nora" "$(readlink /proc/1/ns/mnt)" "$(head -n 1 /home/nora/namespace)"
	inside "$(head -n 1 /home/iris/namespace)" || fail "at: not inside"
}

run_cases "$@"
