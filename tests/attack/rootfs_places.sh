#!/bin/bash
# The tricks of rootfs.sh at the places below /dev, and at /tmp, /run, /sys, /etc and the home.
set -u
CASE_TIMEOUT=${LONG:+3600}
CASE_TIMEOUT=${CASE_TIMEOUT:-120}
. "$(dirname -- "$0")/../lib/attack.sh"
. "$(dirname -- "$0")/../lib/tricks.sh"

# /dev is always a fresh tmpfs: what was planted below it never counts.
# table: R03 | rootfs/dev/pts, null, ptmx, console, shm | root, by path
test_r03_below_dev() {
	TRICKS='absolute fifo file closed'
	logins dev/pts dev/null dev/ptmx dev/console dev/shm
}

# table: R04 | rootfs/sys, /tmp, /run | root, by path
test_r04_sys_tmp_run() {
	TRICKS='absolute relative dangling loop fifo file closed mount others'
	logins tmp run
	TRICKS='absolute fifo'
	logins sys
}

# table: R04 | rootfs/etc, /etc/resolv.conf, /etc/passwd | root, by path
# table: R08 | a FIFO at each of these places: the login ends within five seconds | root: opening it blocks
test_r04_r08_etc() {
	logins etc
	TRICKS='absolute relative dangling loop fifo socket file closed'
	logins etc/resolv.conf etc/passwd
}

# table: R06 | the home's place in the rootfs; a component of it | root, by path
test_r06_home_in_the_rootfs() {
	TRICKS='absolute relative dangling fifo file closed others'
	logins home home/iris
}

run_cases "$@"
