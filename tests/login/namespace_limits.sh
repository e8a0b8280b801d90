#!/bin/bash
# user.max_*_namespaces = 0: each refuses the login, in every step of it. The limits belong to a user namespace; the
# test host has one of its own here, so that nobody else on the machine is touched.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
HOST_USER_NAMESPACE=${HOST_USER_NAMESPACE-wanted}

# The machine's own "/" cannot be cloned from here (its submounts are locked to it), hence a directory.
set_up() {
	echo "user namespace: $(readlink /proc/self/ns/user)" >/dev/null
}

directory_session() {
	rootfs_make /opt/rootfs/busybox
	isolate iris 'rootfs = /opt/rootfs/busybox' 'writable = tmpfs'
}

test_control_works_here() {
	directory_session
	want "login" iris "$(on iris whoami)"
	[ "$(on iris readlink /proc/self/ns/mnt)" != "$(readlink /proc/1/ns/mnt)" ] || fail "not inside"
}

limit_refuses() {
	local kind=$1 before lines
	directory_session
	before=$(cat "/proc/sys/user/max_${kind}_namespaces")
	echo 0 >"/proc/sys/user/max_${kind}_namespaces"
	wc -l </var/log/syslog >"$CASE_STATE/log-start"
	[ "$(status on iris 'touch ~/ran')" -ne 0 ] || fail "the login worked"
	echo "$before" >"/proc/sys/user/max_${kind}_namespaces"
	[ ! -e /home/iris/ran ] || fail "user code ran"
	sleep 0.3
	lines=$(log_new | grep pam_cloister || true)
	want "lines in syslog" 1 "$(grep -c . <<<"$lines")"
	want_match "syslog" 'refused: .*ENOSPC' "$lines"
	want "afterwards" iris "$(on iris whoami)"
}

test_user() {
	limit_refuses user
}

test_mnt() {
	limit_refuses mnt
}

test_pid() {
	limit_refuses pid
}

test_uts() {
	limit_refuses uts
}

test_ipc() {
	limit_refuses ipc
}

test_net() {
	limit_refuses net
}

test_cgroup() {
	limit_refuses cgroup
}

# The login shell alone makes its namespaces as the user, and tells her what is in the way.
test_user_in_the_login_shell() {
	local before output
	directory_session
	sed -i '/pam_cloister/d' /etc/pam.d/sshd
	sed -i -E "s,^(iris:.*:)[^:]*\$,\\1$HOST_BUILD/cloister-sh," /etc/passwd
	before=$(cat /proc/sys/user/max_user_namespaces)
	echo 0 >/proc/sys/user/max_user_namespaces
	output=$(on iris 'touch ~/ran' 2>&1 || true)
	echo "$before" >/proc/sys/user/max_user_namespaces
	want_match "refused" 'could not be started: namespaces: .*ENOSPC' "$output"
	want_match "advice" 'sysctl user.max_user_namespaces=' "$output"
	[ ! -e /home/iris/ran ] || fail "user code ran"
}

run_cases "$@"
