#!/bin/bash
# Who is not isolated notices nothing: nora and root, also while the configuration is broken.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# What a login of USER looks like from inside.
view() {
	on "$1" 'env | grep -v "^SSH_" | sort; sed "s/^[0-9]* [0-9]* //" /proc/self/mountinfo; readlink /proc/self/ns/*;
		id; pwd; umask; ulimit -a; grep -E "^(Cap|NoNewPrivs|Seccomp:|Groups)" /proc/self/status; cat /proc/self/cgroup;
		ls /proc/self/fd; ls /; hostname; cat /proc/sys/kernel/random/boot_id; keyctl show 2>&1 | tail -n +2 | sed "s/ *[0-9][0-9]* */ /g"'
}

without_the_module() {
	sed -i '/pam_cloister/d' /etc/pam.d/sshd
}

broken() {
	printf '[default]\nnonsense\n= = =\n[user:iris\nisolate = perhaps\n' | configure
}

same_view() {
	local user=$1
	without_the_module
	view "$user" >/tmp/without
	pam_service sshd
	[ "$2" != broken ] || broken
	view "$user" >/tmp/with
	[ -s /tmp/with ] || fail "no login"
	diff /tmp/without /tmp/with || fail "$user sees a difference"
}

test_user() {
	same_view nora whole
}

test_user_with_a_broken_configuration() {
	same_view nora broken
}

test_root() {
	same_view root whole
}

test_root_with_a_broken_configuration() {
	same_view root broken
}

test_root_is_isolated_only_by_name() {
	printf '[default]\nisolate = yes\n[group:root]\nisolate = yes\n' | configure
	want "root" "$(readlink /proc/1/ns/mnt)" "$(on root readlink /proc/self/ns/mnt)"
	[ "$(on nora readlink /proc/self/ns/mnt)" != "$(readlink /proc/1/ns/mnt)" ] || fail "control: [default] isolates nora"
}

# A configuration that cannot even be trusted: root must be able to come and mend it.
test_root_with_an_untrusted_configuration() {
	chmod 0666 "$HOST_CONF"
	want "root" "$(readlink /proc/1/ns/mnt)" "$(on root readlink /proc/self/ns/mnt)"
	rm "$HOST_CONF"
	want "root" "$(readlink /proc/1/ns/mnt)" "$(on root readlink /proc/self/ns/mnt)"
}

test_a_fault_in_anothers_section() {
	printf '[user:iris]\nisolate = perhaps\n' | configure
	want "nora" nora "$(on nora whoami)"
	want "ivan" ivan "$(on ivan whoami)"
	[ "$(status on iris true)" -ne 0 ] || fail "control: iris logged in"
}

test_su_and_login() {
	broken
	want "su" nora "$(timeout 20 su -l nora -c whoami </dev/null)"
	want "su root" root "$(timeout 20 su -l root -c whoami </dev/null)"
}

test_no_words_in_the_log() {
	on nora true
	sleep 0.3
	want "nothing of ours" "" "$(log_new | grep pam_cloister || true)"
}

test_nothing_is_left() {
	snapshot_before
	on nora true
	on root true
	snapshot_same
}

test_forwarding_and_files() {
	echo x >/run/canary
	want "sftp" x "$(timeout 20 sftp -q nora@testhost:/run/canary /tmp/got >/dev/null && cat /tmp/got)"
	want "tty of the host" 0 "$(status as nora -tt "test -c \$(tty)" </dev/null)"
}

# Medians of 15 logins each in turn; half as much again would be noticed.
test_no_slower() {
	local i start
	cp /etc/pam.d/sshd /tmp/with
	without_the_module
	cp /etc/pam.d/sshd /tmp/without
	for i in $(seq 15); do
		for kind in with without; do
			cp "/tmp/$kind" /etc/pam.d/sshd
			start=$(date +%s%N)
			on nora true
			echo $((($(date +%s%N) - start) / 1000)) >>"/tmp/times-$kind"
		done
	done
	local with without
	with=$(sort -n /tmp/times-with | sed -n 8p)
	without=$(sort -n /tmp/times-without | sed -n 8p)
	[ $((with * 2)) -lt $((without * 3)) ] || fail "with the module $with us, without $without us"
}

run_cases "$@"
