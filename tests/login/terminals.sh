#!/bin/bash
# Programs that own the terminal, over a real ssh, and what becomes of them at the end; the relay of su.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# talk COMMAND...: an expect(1) script (standard input) with a program on a terminal of its own, as PROGRAM.
talk() {
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
		END
		echo "spawn -noecho $*"
		cat
	} >"$CASE_STATE/talk"
	TERM=xterm timeout -k 2 40 expect -f "$CASE_STATE/talk" >"$CASE_STATE/talk.output" 2>&1 ||
		fail "talk: $(tr -d '\033' <"$CASE_STATE/talk.output")"
}

USERS='nora iris'

# table: tmux | contained; ends with the session
test_tmux() {
	local user
	for user in $USERS; do
		talk ssh -tt "$user@testhost" <<-'END'
			wait_for {\$ $}
			send "export PS1='out> '; tmux -f /dev/null new-session -d -s work 'PS1=in: exec sh'\r"
			wait_for {out> $}
			send "tmux attach -t work\r"
			wait_for {in:}
			send "echo a\$((40 + 2))b\r"
			wait_for {a42b}
			# Keys that come in one burst are pasted text to tmux.
			sleep 0.3
			send "\002"
			sleep 0.1
			send "d"
			wait_for {detached}
			wait_for {out> $}
			send "tmux attach -t work\r"
			wait_for {a42b}
			send "exit\r"
			wait_for {exited}
			send "exit\r"
			expect eof
		END
	done
}

# table: ssh -t tmux | contained
test_tmux_attach_as_a_command() {
	local user
	for user in $USERS; do
		talk ssh -tt "$user@testhost" "tmux -f /dev/null new-session -A -s work" <<-'END'
			wait_for {\$ }
			send "echo a\$((40 + 2))b\r"
			wait_for {a42b}
			send "exit\r"
			wait_for {exited}
			expect eof
		END
	done
}

# table: screen | contained; ends with the session
test_screen() {
	local user
	# Its sockets are in a directory that Debian makes at boot.
	mkdir -p /run/screen
	chmod 1777 /run/screen
	for user in $USERS; do
		talk ssh -tt "$user@testhost" <<-'END'
			wait_for {\$ $}
			send "export SCREENDIR=\$HOME/.screen; mkdir -p -m 0700 \$HOME/.screen; export PS1='out> '\r"
			wait_for {out> $}
			send "screen -q -S work sh -c 'PS1=in: exec sh'\r"
			wait_for {in:}
			send "echo a\$((40 + 2))b\r"
			wait_for {a42b}
			send "\001d"
			wait_for {detached}
			# Leaving, it throws away what was typed meanwhile.
			wait_for {out> $}
			send "screen -q -r work\r"
			wait_for {a42b}
			send "exit\r"
			wait_for {terminating|out>}
			send "exit\r"
			expect eof
		END
	done
}

test_stty_says_the_same() {
	want "stty -a" "$(in_pty "ssh -tt nora@testhost stty -a")" "$(in_pty "ssh -tt iris@testhost stty -a")"
}

# table: less, vi | as without a session
test_less_and_vi() {
	local user
	for user in $USERS; do
		seq 1 500 >"/home/$user/numbers"
		chown "$user" "/home/$user/numbers"
		talk ssh -tt "$user@testhost" <<-'END'
			wait_for {\$ $}
			send "export PS1='out> '\r"
			wait_for {out> $}
			send "less numbers\r"
			wait_for {numbers}
			send "/^321\$\r"
			wait_for {321}
			send "q"
			wait_for {out> $}
			send "vim.tiny -u NONE numbers\r"
			wait_for {500L|numbers}
			send ":%s/^321\$/changed/\r"
			wait_for {changed}
			send ":wq\r"
			wait_for {out> $}
			send "exit\r"
			expect eof
		END
		want "$user: the file" "changed" "$(sed -n 321p "/home/$user/numbers")"
	done
}

test_hang_up() {
	snapshot_before
	ssh -tt iris@testhost 'trap "echo hung-up >~/trapped; exit" HUP; echo ready; while :; do sleep 0.1; done' \
		</dev/zero >"$CASE_STATE/client" 2>&1 &
	local client=$!
	eventually 10 grep -q ready "$CASE_STATE/client" || fail "no session"
	kill -KILL "$client"
	wait "$client" 2>/dev/null || true
	snapshot_same
}

# The outer terminal of su goes away (a closed window): the session's terminal hangs up, and su ends.
test_hang_up_through_su() {
	snapshot_before
	python3 - <<'END'
import os, pty, signal
pid, master = pty.fork()
if pid == 0:
    os.execvp("su", ["su", "-l", "iris", "-c", "echo ready; exec cat"])
got = b""
while b"ready" not in got:
    got += os.read(master, 100)
os.close(master)
signal.alarm(10)
os.waitpid(pid, 0)
END
	snapshot_same
}

# linger = no: what is left behind ends with the session.
# table: nohup, setsid | end with the session (linger = no)
test_nohup_and_setsid_at_logout() {
	snapshot_before
	on iris 'nohup sleep 1000 >/dev/null 2>&1 & setsid sleep 1001 >/dev/null 2>&1 </dev/null & sleep 0.3'
	snapshot_same
	on nora 'setsid sleep 1002 >/dev/null 2>&1 </dev/null & sleep 0.2'
	pkill -u nora -f 'sleep 1002' || fail "control: nora's is gone"
}

# ---- su: the relay between root's terminal and the session's ----
# raw_through_su USER: a megabyte of every byte into su's terminal, and out of it again.
raw_through_su() {
	python3 - "$1" <<'END'
import hashlib, os, pty, select, sys, termios, tty
user = sys.argv[1]
data = os.urandom(1 << 20)
pid, master = pty.fork()
if pid == 0:
    os.execvp("su", ["su", "-l", user, "-c", "stty raw -echo; echo ready; exec head -c 1048576"])
got = b""
while not got.endswith(b"ready\n") and not got.endswith(b"ready\r\n"):
    got += os.read(master, 100)
got, sent = b"", 0
while len(got) < len(data):
    readable, writable, _ = select.select([master], [master] if sent < len(data) else [], [], 20)
    if not readable and not writable:
        sys.exit("stalled: sent %d, got %d" % (sent, len(got)))
    if writable:
        sent += os.write(master, data[sent:sent + 4096])
    if readable:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        got += chunk
print("same" if got == data else "different: %d bytes" % len(got))
END
}

# table: su, binary data through its terminal | unharmed
test_su_carries_every_byte() {
	want "control: nora" same "$(timeout 40 bash -c "$(declare -f raw_through_su); raw_through_su nora")"
	want "iris" same "$(timeout 40 bash -c "$(declare -f raw_through_su); raw_through_su iris")"
}

# table: su, window size, ^S and ^Q | as without a session
test_su_window_size_and_flow_control() {
	local user
	for user in $USERS; do
		talk su -l "$user" <<-'END'
			wait_for {\$ $}
			stty rows 33 columns 101 < $spawn_out(slave,name)
			send "stty size\r"
			wait_for {33 101}
			stty rows 44 columns 77 < $spawn_out(slave,name)
			send "sleep 0.3; stty size\r"
			wait_for {44 77}
			send "\023"
			send "echo fl\$((1 + 1))w\r"
			set timeout 1
			expect { "fl2w" { puts "\nXOFF did not stop it"; exit 1 } timeout {} }
			set timeout 10
			send "\021"
			wait_for {fl2w}
			send "exit\r"
			expect eof
		END
	done
}

# What is typed at root's terminal goes through the relay.
test_nobody_may_trace_the_relay() {
	local pid
	in_pty "su iris -c 'sleep 5'" >/dev/null &
	eventually 10 pgrep -f '^cloister-relay' || fail "no relay"
	pid=$(pgrep -f '^cloister-relay')
	want "its id" 4294966760 "$(awk '/^Uid:/ {print $2}' "/proc/$pid/status")"
	# Root's, where the process is not dumpable (proc(5)).
	want "not dumpable" 0 "$(stat -c %u "/proc/$pid/environ")"
	wait
}

# A program with the terminal as its own, which closes it and goes on: it is not hung up, its status counts, and ^C still
# reaches it. doas, since su -c has its program without a terminal of its own.
# table: doas, a program that closes its terminal | goes on; ^C reaches it
test_terminal_closed_by_its_program() {
	local user
	pam_service doas
	printf 'permit nopass root\n' >/etc/doas.conf
	chmod 0400 /etc/doas.conf
	for user in $USERS; do
		cat >"/home/$user/closing" <<-'END'
			#!/bin/sh
			exec <&- >&- 2>&-
			sleep "$1"
			exit 7
		END
		chmod 0755 "/home/$user/closing"
		want "$user's status" "7" "$(in_pty "doas -u $user /home/$user/closing 1; echo \$?")"
		want "$user's ^C" "130" "$(timeout 20 python3 - "$user" <<-'END'
			import os, pty, sys, time
			pid, master = pty.fork()
			if pid == 0:
			    os.execvp("doas", ["doas", "-u", sys.argv[1], f"/home/{sys.argv[1]}/closing", "1000"])
			time.sleep(1)
			os.write(master, b"\x03")
			status = os.waitpid(pid, 0)[1]
			print(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
		END
		)"
	done
}

test_su_throughput() {
	# 50 MB in well under CASE_TIMEOUT; how it compares with a plain pty is in `make bench`.
	want "bytes" 50000000 "$(in_pty "su -l iris -c 'head -c 50000000 /dev/zero'" | wc -c)"
}

run_cases "$@"
