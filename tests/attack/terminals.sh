#!/bin/bash
# Terminals: typing into somebody else's, console requests.
set -u
. "$(dirname -- "$0")/../lib/attack.sh"

HIGH=0x100000000

# table: T01 | TIOCSTI, with high bits of the request set (CVE-2019-7303), by an orphan; TIOCLINUX | root
# table: T04 | the console's requests on /dev/tty | root
test_t01_t04_injection() {
	local names=(tiocsti "tiocsti=$HIGH" tiocsti_orphan "tiocsti_orphan=$HIGH" tioclinux "tioclinux=$HIGH")
	put_probes attack_terminals
	# What is typed into the control's terminal is echoed before the next line.
	as root -tt "$HOST_BUILD/probe/attack_terminals" "${names[@]}" </dev/null | tr -d '\r' | sed 's/^ *//' >"$CASE_STATE/control"
	as iris -tt ./attack_terminals "${names[@]}" </dev/null | tr -d '\r' >"$CASE_STATE/inside"
	attacks_compare 6
}

# table: T01 | the same from su on root's own terminal | see: login_su.su_no_tiocsti
# table: T03 | ttyname, job control, ^C, SIGWINCH, tmux, screen work | see: ssh_tty.job_control
# table: T05 | su from root's terminal: a pty of the session | see: login_su.su_interactive
run_cases "$@"
