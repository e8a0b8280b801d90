#!/bin/bash
# conf/ansible: a machine is set up by the role, by the real Ansible through ssh; twice is the same as once, --check changes
# nothing, and nothing that is wrong is put in place.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
. "$(dirname -- "$0")/../lib/installed.sh"

# shellcheck disable=SC2034 # read by run_cases
CASE_TIMEOUT=300
FILE=/etc/cloister/cloister.conf.d/50-ansible.conf

set_up() {
	installed_once
}

case_before() {
	installed_again
	export ANSIBLE_ROLES_PATH=/opt/conf/ansible/roles ANSIBLE_HOST_KEY_CHECKING=False ANSIBLE_NOCOLOR=1 LC_ALL=C.UTF-8 \
		ANSIBLE_PIPELINING=1 ANSIBLE_GATHERING=explicit ANSIBLE_LOCALHOST_WARNING=False
	groupadd students
	useradd -m -s /bin/bash -p '*' -G students alice
	printf '[login_hosts]\nserver ansible_user=root ansible_python_interpreter=/usr/bin/python3\n' >/root/inventory
	files_now >/root/before
}

files_now() {
	find /etc/cloister /etc/pam.d -type f -exec sha256sum {} + | sort
}

# play [OPTION...]: the example's playbook, with such variables for Ansible.
play() {
	timeout 200 ansible-playbook -i /root/inventory /opt/conf/ansible/site.yml -e '{"cloister_pam_services": ["sshd"]}' "$@" >/tmp/played 2>&1
}

nothing_is_changed() {
	files_now | diff /root/before - || fail "$1: files are changed"
}

is_inside() {
	[ "$(on alice cat /proc/1/comm)" = cloister-init ]
}

test_syntax() {
	ansible-playbook -i /root/inventory --syntax-check /opt/conf/ansible/site.yml >/tmp/played 2>&1 || fail "$(cat /tmp/played)"
}

test_set_up_and_taken_out() {
	play --check || fail "--check: $(cat /tmp/played)"
	want_match "--check says what would be" 'changed=[1-9]' "$(cat /tmp/played)"
	nothing_is_changed "--check"
	play || fail "$(cat /tmp/played)"
	is_inside || fail "alice is not isolated"
	want "nora" nora "$(on nora id -un)"
	want "root" root "$(on root id -un)"
	want "the last line" "session    required    pam_cloister.so" "$(tail -n 1 /etc/pam.d/sshd)"
	play || fail "$(cat /tmp/played)"
	want_match "once more" 'changed=0 ' "$(cat /tmp/played)"
	play -e cloister_state=absent || fail "absent: $(cat /tmp/played)"
	nothing_is_changed "absent"
	is_inside && fail "alice is isolated still"
	true
}

# Where the PAM line is there already, a wrong file would refuse logins at once.
test_mistakes_are_not_put_in_place() {
	play || fail "$(cat /tmp/played)"
	files_now >/root/before
	play -e '{"cloister_configuration": "[group:students]\nisolate = yes\nwritable = sometimes\n"}' && fail "a mistake"
	want_match "said" 'writable = sometimes' "$(cat /tmp/played)"
	nothing_is_changed "a mistake"
	play -e '{"cloister_configuration": "[group:students]\nisolate = yes\nrootfs = /srv/nowhere\n"}' && fail "no rootfs"
	nothing_is_changed "no rootfs"
	is_inside || fail "alice cannot log in"
	# Control: in place it does refuse.
	printf '[group:students]\nisolate = yes\nrootfs = /srv/nowhere\n' >"$FILE"
	[ "$(status on alice true)" -ne 0 ] || fail "control"
}

test_pam_line_is_not_enabled_for_who_could_not_log_in() {
	local inode
	rm -r /home/alice
	play && fail "a new configuration"
	nothing_is_changed "a new configuration"
	# One that is there already. The PAM line is not even there for the moment until it would be taken back.
	inode=$(stat -c %i /etc/pam.d/sshd)
	printf '[group:students]\nisolate = yes\nwritable = tmpfs\n' >"$FILE"
	files_now >/root/before
	play && fail "a user without a home"
	nothing_is_changed "a user without a home"
	want "the file of PAM" "$inode" "$(stat -c %i /etc/pam.d/sshd)"
	play -e '{"cloister_check_users": []}' && fail "no users"
	nothing_is_changed "no users"
}

test_pam_line_is_not_enabled_without_the_module() {
	MODULE=$(ls /lib/*/security/pam_cloister.so)
	mv "$MODULE" "$MODULE.away"
	trap 'mv "$MODULE.away" "$MODULE"' EXIT
	play && fail "no module"
	nothing_is_changed "no module"
}

# A line that may end the stack before ours: this can only be seen with ours in place.
test_pam_line_is_taken_back() {
	sed -i '0,/^session/s//session sufficient pam_permit.so\n&/' /etc/pam.d/sshd
	sha256sum /etc/pam.d/sshd >/root/before
	play && fail "it is content"
	sha256sum -c --quiet /root/before || fail "the line is there still: $(tail -n 3 /etc/pam.d/sshd)"
	want_match "said" 'taken back' "$(cat /tmp/played)"
	want "alice" alice "$(on alice id -un)"
}

run_cases "$@"
