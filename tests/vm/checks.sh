#!/bin/bash
# What is checked in the virtual machine, from outside through ssh: the files of tests/vm/checks in the order below, since
# some leave a machine that others could not begin with. One line a check; the last one is "N passed, N failed".
# usage: checks.sh [PATTERN]
set -u
here=$(dirname -- "$0")
. "$here/../lib/checks.sh"
. "$here/machine.sh"
for name in systemd limits quota services log directory lasting apparmor; do
	# shellcheck source=/dev/null
	. "$here/checks/$name.sh"
	CHECK_FILES+=("$here/checks/$name.sh")
done

if ! eventually "${VM_BOOT:-600}" login_works root; then
	echo "not ok vm.boot"
	exit 1
fi
echo "# it is up after $SECONDS s"
# From OpenSSH 9.8 on the login program is one of its own.
SSHD=$(on root 'test -x /usr/lib/openssh/sshd-session && echo sshd-session || echo sshd')
eventually 120 on root 'systemctl is-system-running --wait' || true
status=0
run_checks vm "$VM_DIR/output" "$@" || status=$?
on root systemctl poweroff || true
exit "$status"
