#!/bin/bash
# ssh -tt: the session's own pty, job control, keys that make signals, window size.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# talk USER: an expect(1) conversation, read from standard input, with `ssh -tt USER@testhost` already started and its
# prompt "READY> " waited for. Any timeout fails.
talk() {
	{
		cat <<-END
			set timeout 10
			proc wait_for {text} {
				expect {
					-re \$text {}
					timeout { puts "\\nTIMEOUT for \$text"; exit 1 }
					eof { puts "\\nEOF for \$text"; exit 1 }
				}
			}
			set stty_init "rows 24 columns 80"
			spawn -noecho ssh -tt $1@testhost
			wait_for {[$] $}
			send "PS1='REA''DY> '\r"
			wait_for {READY> $}
		END
		cat
	} >"$CASE_STATE/talk"
	timeout -k 2 50 expect "$CASE_STATE/talk"
}

test_control_plain_user_tty() {
	want_match "tty" '^/dev/pts/[0-9]+' "$(as nora -tt tty </dev/null | tr -d '\r')"
}

test_tty_is_the_sessions_first() {
	want "tty" /dev/pts/0 "$(as iris -tt tty </dev/null | tr -d '\r')"
	want "test -t" yes "$(as iris -tt 'test -t 0 && test -t 1 && test -t 2 && echo yes' </dev/null | tr -d '\r')"
	# The group is the host's tty, which is not mapped into the session's user namespace.
	want "owner and mode" "iris 620" "$(as iris -tt 'stat -c "%U %a" $(tty)' </dev/null | tr -d '\r')"
	want "nothing else in /dev/pts" "0 ptmx" "$(as iris -tt 'ls -x /dev/pts' </dev/null | tr -s '\r ' ' ' | sed 's/ $//')"
	want "without -t" "not a tty" "$(on iris tty || true)"
}

test_host_ptys_are_not_reachable() {
	want "the host's devpts stays as it was" "$(ls /dev/pts)" "$(
		as iris -tt true </dev/null >/dev/null
		ls /dev/pts
	)"
	want "another pty" "" "$(as iris -tt 'ls /dev/pts/1 /dev/ttyS0 /dev/tty1 2>/dev/null; true' </dev/null)"
}

test_dev_tty() {
	want "/dev/tty" there "$(as iris -tt 'echo there >/dev/tty' </dev/null | tr -d '\r')"
}

test_two_ttys_in_two_sessions() {
	as iris -tt 'tty; sleep 5' </dev/null >/tmp/first &
	eventually 10 grep -q /dev/pts /tmp/first || fail "no first session"
	want "second" /dev/pts/0 "$(as iris -tt tty </dev/null | tr -d '\r')"
	want "first" /dev/pts/0 "$(tr -d '\r' </tmp/first)"
}

test_interrupt_key() {
	talk iris <<-'END'
		send "sleep 100\r"
		sleep 0.5
		send "\003"
		wait_for {READY> $}
		send "echo status=\$?\r"
		wait_for {status=130}
	END
}

test_exit_status_of_a_terminal_session() {
	local status=0
	talk iris <<-'END' || status=$?
		send "exit 3\r"
		expect eof
		exit [lindex [wait] 3]
	END
	want "status" 3 "$status"
}

# table: sshd, a terminal | contained; job control, ^C, ^Z, ^\\
test_job_control() {
	talk iris <<-'END'
		send "sleep 100\r"
		sleep 0.5
		send "\032"
		wait_for {(Stopped|Suspended)}
		wait_for {READY> $}
		send "jobs\r"
		wait_for {(Stopped|Suspended).*sleep 100}
		send "bg\r"
		wait_for {READY> $}
		send "jobs\r"
		wait_for {Running.*sleep 100}
		send "fg\r"
		wait_for {sleep 100}
		sleep 0.3
		send "\003"
		wait_for {READY> $}
		send "sleep 50 & wait \$!; echo never\r"
		sleep 0.3
		send "\003"
		wait_for {READY> $}
		send "kill %1; exit\r"
		expect eof
	END
}

test_quit_key() {
	talk iris <<-'END'
		send "sleep 100\r"
		sleep 0.5
		send "\034"
		wait_for {READY> $}
		send "echo status=\$?\r"
		wait_for {status=131}
	END
}

test_end_of_file_key() {
	talk iris <<-'END'
		send "cat\r"
		sleep 0.3
		send "line\r"
		wait_for "line\r\nline\r\n"
		send "\004"
		wait_for {READY> $}
		send "\004"
		expect eof
	END
}

test_window_size() {
	talk iris <<-'END'
		send "stty size\r"
		wait_for {24 80}
		wait_for {READY> $}
		send "trap 'echo changed' WINCH\r"
		wait_for {READY> $}
		stty rows 40 columns 132 < $spawn_out(slave,name)
		sleep 0.5
		send "\r"
		wait_for {changed}
		send "stty size\r"
		wait_for {40 132}
	END
}

# table: sshd, the connection breaks | the session ends, nothing is left
test_hangup_ends_the_session() {
	snapshot_before
	talk iris <<-'END'
		send "sleep 1000 &\r"
		wait_for {READY> $}
		send "nohup sleep 1000 >/dev/null 2>&1 &\r"
		wait_for {READY> $}
		close
		wait
	END
	snapshot_same
}

test_full_screen_program() {
	command -v tmux >/dev/null || skip "no tmux"
	want_match "tmux inside" 'inside-tmux' "$(as iris -tt 'TERM=xterm tmux -f /dev/null new-session -d "echo inside-tmux; sleep 20" \; \
		run-shell "sleep 1; tmux capture-pane -p" && TERM=xterm tmux capture-pane -p; tmux kill-server' </dev/null)"
}

run_cases "$@"
