#!/bin/bash
# login(1) and su(1), which have a terminal before the session opens.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# talk_pty COMMAND: an expect(1) conversation (standard input) with COMMAND.
talk_pty() {
	{
		cat <<-'END'
			set timeout 10
			proc wait_for {text} {
				expect {
					-re $text {}
					timeout { puts "\nTIMEOUT for $text"; exit 1 }
					eof { puts "\nEOF for $text"; exit 1 }
				}
			}
			set stty_init "rows 24 columns 80"
		END
		# A shell keeps the terminal open: util-linux's login(1) closes it, vhangup(2)s and opens it anew, and a read of
		# the master in that moment is the end of the file.
		# And it is the leader of its session, as below getty(8): else it would be stopped as a background job.
		echo "spawn -noecho sh -c {setsid -c -w $1; :}"
		cat <<-'END'
			wait_for {[$] $}
			send "PS1='REA''DY> '\r"
			wait_for {READY> $}
		END
		cat
	} >"$CASE_STATE/talk"
	timeout -k 2 50 expect "$CASE_STATE/talk"
}

inside() {
	[ "$(readlink /proc/1/ns/mnt)" != "$1" ] && grep -q '^mnt:' <<<"$1"
}

test_control_su_plain_user() {
	want "namespace" "$(readlink /proc/1/ns/mnt)" "$(timeout 20 su -l nora -c 'readlink /proc/self/ns/mnt' </dev/null)"
	want_match "tty" '^/dev/pts/' "$(in_pty "su -l nora -c tty")"
}

# Whichever comes first, the program's initgroups(3) or the session: the user's groups are there.
test_supplementary_groups() {
	groupadd -g 3100 team
	usermod -aG team,disk iris
	usermod -aG team,disk nora
	local user groups
	for user in nora iris; do
		groups=$(printf '%s\n' disk team "$user" | sort | xargs)
		want "$user: su" "$groups" "$(timeout 20 su -l "$user" -c 'id -Gn; id -gn >~/gid' </dev/null | tr ' ' '\n' | sort | xargs)"
		want "$user: su, gid" "$user" "$(cat "/home/$user/gid")"
		want "$user: runuser" "$groups" "$(timeout 20 runuser -l "$user" -c 'id -Gn' </dev/null | tr ' ' '\n' | sort | xargs)"
		talk_pty "login -f $user" <<-'END'
			send "id -Gn >~/groups; id -gn >~/gid; echo do''ne\r"
			wait_for {done}
			send "exit 0\r"
			expect eof
		END
		want "$user: login" "$groups" "$(tr ' ' '\n' <"/home/$user/groups" | sort | xargs)"
		want "$user: login, gid" "$user" "$(cat "/home/$user/gid")"
	done
}

# table: su, su -l | contained
test_su_command() {
	local option
	# shellcheck disable=SC2086 # nothing, or one option
	for option in '' -l; do
		inside "$(timeout 20 su $option iris -c 'readlink /proc/self/ns/mnt' </dev/null)" || fail "su $option: not inside"
		want "whoami" iris "$(timeout 20 su $option iris -c whoami </dev/null)"
		want "status" 3 "$(status timeout 20 su $option iris -c 'exit 3' </dev/null)"
		want "status" 255 "$(status timeout 20 su $option iris -c 'exit 255' </dev/null)"
		want "status" 0 "$(status timeout 20 su $option iris -c true </dev/null)"
	done
}

test_su_death_by_signal() {
	want "TERM" "$(status timeout 20 su nora -c 'kill -TERM $$' </dev/null)" \
		"$(status timeout 20 su iris -c 'kill -TERM $$' </dev/null)"
}

test_su_pipes() {
	local sum
	head -c 10000000 /dev/urandom >/tmp/data
	sum=$(sha256sum </tmp/data)
	want "data" "$sum" "$(timeout 30 su iris -c cat </tmp/data | sha256sum)"
	want "stderr apart" out "$(timeout 20 su iris -c 'echo out; echo err >&2' </dev/null 2>/dev/null)"
}

test_su_terminal() {
	want_match "tty" '^/dev/pts/[0-9]+$' "$(in_pty "su -l iris -c tty")"
	want_match "whoami" '^iris$' "$(in_pty "su -l iris -c whoami")"
	want_match "test -t" '^yes$' "$(in_pty "su -l iris -c 'test -t 0 && test -t 1 && test -t 2 && echo yes'")"
	want_match "/dev/tty" '^there$' "$(in_pty "su -l iris -c 'echo there >/dev/tty'")"
	want "status" 3 "$(status timeout 20 script -qec "su -l iris -c 'exit 3'" /dev/null </dev/null)"
	want "inside" 0 "$(in_pty "su -l iris -c 'readlink /proc/self/ns/mnt'" | grep -c "$(readlink /proc/1/ns/mnt)" || true)"
}

test_su_terminal_output_is_complete() {
	want "last line" 20000 "$(in_pty "su -l iris -c 'seq 20000'" | tail -n 1)"
	want "lines" 20000 "$(in_pty "su -l iris -c 'seq 20000'" | wc -l)"
}

# table: su -l from a terminal | contained, with a pty of the session; the outer one is out of reach
test_su_interactive() {
	talk_pty "su -l iris" <<-'END'
		send "sleep 100\r"
		sleep 0.5
		send "\003"
		wait_for {READY> $}
		send "echo status=\$?\r"
		wait_for {status=130}
		send "sleep 100\r"
		sleep 0.5
		send "\032"
		wait_for {Stopped|Suspended}
		wait_for {READY> $}
		send "fg\r"
		wait_for {sleep 100}
		sleep 0.3
		send "\003"
		wait_for {READY> $}
		send "stty size\r"
		wait_for {24 80}
		stty rows 33 columns 99 < $spawn_out(slave,name)
		sleep 0.5
		send "stty size\r"
		wait_for {33 99}
		send "exit 0\r"
		expect eof
	END
}

# root's terminal is as it was, also after the session was killed in the middle of something.
test_su_gives_the_terminal_back() {
	local before after
	# shellcheck disable=SC2016
	in_pty 'stty -g; su -l iris -c "stty raw -echo"; stty -g' >/tmp/out
	before=$(sed -n 1p /tmp/out)
	after=$(tail -n 1 /tmp/out)
	want "stty" "$before" "$after"
}

# A process of the session must not be able to type into root's shell: neither while su runs nor after it.
test_su_no_tiocsti() {
	cat >/tmp/tiocsti.py <<-'END'
		import fcntl, sys, termios
		for name in ("/dev/tty", "/proc/self/fd/0", "/proc/self/fd/1", "/dev/console"):
		    for request in (termios.TIOCSTI, termios.TIOCSTI | (1 << 32)):
		        try:
		            with open(name, "rb+", buffering=0) as tty:
		                for byte in b"touch /tmp/typed\n":
		                    fcntl.ioctl(tty, request, bytes([byte]))
		                print("typed into", name)
		        except Exception as error:
		            print(name, error)
	END
	cp /tmp/tiocsti.py /home/iris/tiocsti.py
	local python
	python=/usr/bin/python3
	[ -x "$python" ] || python=$(command -v python3)
	in_pty "su -l iris -c '$python tiocsti.py'; sleep 1" >/tmp/out
	want_match "it ran" '/dev/tty' "$(cat /tmp/out)"
	want_no_match "typed" 'typed into' "$(cat /tmp/out)"
	[ ! -e /tmp/typed ] || fail "root's shell was typed into"
}

test_su_hosts_terminals_are_hidden() {
	want "one pty" "0" "$(in_pty "su -l iris -c 'ls /dev/pts | grep -v ptmx | paste -sd\" \"'")"
	want_no_match "the host's tty by name" "/dev/tty[0-9]" "$(in_pty "su -l iris -c 'ls /dev'")"
}

# table: login | contained, on its terminal
test_login() {
	talk_pty "login -f iris" <<-'END'
		send "readlink /proc/self/ns/mnt >namespace\r"
		wait_for {READY> $}
		send "tty\r"
		wait_for {/dev/(pts/[0-9]+|console)}
		wait_for {READY> $}
		send "echo \$0 in \$PWD\r"
		wait_for {-sh in /home/iris}
		wait_for {READY> $}
		send "sleep 100\r"
		sleep 0.5
		send "\003"
		wait_for {READY> $}
		send "ps -e -o pid= -o comm=\r"
		wait_for {1 cloister-init}
		wait_for {READY> $}
		send "exit\r"
		expect eof
	END
	inside "$(cat /home/iris/namespace)" || fail "login: not inside"
}

test_login_leaves_nothing() {
	snapshot_before
	talk_pty "login -f iris" <<-'END'
		send "sleep 1000 &\r"
		wait_for {READY> $}
		send "exit\r"
		expect eof
	END
	snapshot_same
}

test_su_leaves_nothing() {
	snapshot_before
	timeout 20 su -l iris -c 'setsid sleep 1000 >/dev/null 2>&1 </dev/null &' </dev/null
	in_pty "su -l iris -c 'setsid sleep 1000 & sleep 0.2'" >/dev/null
	snapshot_same
}

test_su_from_a_user_asks_nobody_else() {
	want "root to root is not isolated" "$(readlink /proc/1/ns/mnt)" \
		"$(timeout 20 su -l root -c 'readlink /proc/self/ns/mnt' </dev/null)"
}

# table: runuser | contained
test_runuser() {
	pam_service runuser
	pam_service runuser-l
	inside "$(timeout 20 runuser -l iris -c 'readlink /proc/self/ns/mnt' </dev/null)" || fail "runuser -l: not inside"
	want "status" 3 "$(status timeout 20 runuser -l iris -c 'exit 3' </dev/null)"
	want_match "tty" '^/dev/pts/0$' "$(in_pty "runuser -l iris -c tty")"
}

sudo_for_root() {
	pam_service sudo-i
	pam_service sudo
	printf 'root ALL=(ALL:ALL) NOPASSWD: ALL\n' >/etc/sudoers
	chmod 0440 /etc/sudoers
	rm -rf /etc/sudoers.d
}

# sudo goes on after PAM_SESSION_ERR, and after that alone: a refusal must be another error.
test_sudo_is_refused_like_others() {
	sudo_for_root
	isolate iris 'rootfs = /nowhere'
	[ "$(status timeout 20 sudo -i -u iris touch /home/iris/ran </dev/null)" -ne 0 ] || fail "sudo -i: worked"
	[ ! -e /home/iris/ran ] || fail "sudo -i: user code ran on the host"
	want "control: nora" nora "$(timeout 20 sudo -i -u nora whoami </dev/null)"
}

# sudo makes its own pty before the session opens, or none.
# table: sudo -i | contained
test_sudo_login() {
	sudo_for_root
	isolate iris
	inside "$(timeout 20 sudo -i -u iris readlink /proc/self/ns/mnt </dev/null)" || fail "sudo -i: not inside"
	want "whoami" iris "$(timeout 20 sudo -i -u iris whoami </dev/null)"
	want "status" 3 "$(status timeout 20 sudo -i -u iris sh -c 'exit 3' </dev/null)"
	want_match "with a terminal" '^iris$' "$(in_pty "sudo -i -u iris whoami")"
	want "control: nora" "$(readlink /proc/1/ns/mnt)" "$(timeout 20 sudo -i -u nora readlink /proc/self/ns/mnt </dev/null)"
}

# An @reboot line runs as soon as cron starts.
# table: cron | contained
test_cron() {
	local user
	pam_service cron
	mkdir -p /var/spool/cron/crontabs
	chgrp crontab /var/spool/cron/crontabs
	chmod 1730 /var/spool/cron/crontabs
	for user in iris nora; do
		printf '@reboot readlink /proc/self/ns/mnt >/home/%s/namespace; id -un >>/home/%s/namespace\n' "$user" "$user" \
			>/var/spool/cron/crontabs/"$user"
		chown "$user:crontab" /var/spool/cron/crontabs/"$user"
		chmod 0600 /var/spool/cron/crontabs/"$user"
	done
	rm -f /run/crond.reboot
	/usr/sbin/cron -f </dev/null &
	eventually 10 grep -q nora /home/nora/namespace || fail "control: cron did not run nora's"
	want "control: nora" "$(readlink /proc/1/ns/mnt)" "$(head -n 1 /home/nora/namespace)"
	eventually 10 grep -q iris /home/iris/namespace || fail "cron did not run iris's"
	inside "$(head -n 1 /home/iris/namespace)" || fail "cron: not inside"
	# cron waits by wait(2) until it has no child: with the session's init among them it would wait for ever.
	eventually 10 logins_at_most 0 || fail "cron: the session does not end with the job"
}

run_cases "$@"
