#!/bin/bash
# Power is lost in the middle of each operation that writes: tests/lib/power_loss.py has the rules. A sample of the
# moments in `make check`; CLOISTER_FAULTS_SEED=TEXT takes another one, LONG=1 (make check-long) all.
set -u
# shellcheck disable=SC2034 # of cases.sh
CASE_TIMEOUT=${LONG:+3600}
CASE_TIMEOUT=${CASE_TIMEOUT:-200}
. "$(dirname -- "$0")/../lib/attack.sh"
. "$(dirname -- "$0")/../lib/states.sh"

# power_loss OPERATION [LINE...]: with these lines for iris, in a tree where /srv is hers.
power_loss() {
	local operation=$1
	shift
	make_loop_nodes
	tree
	mkdir "$ROOT/srv"
	echo old >"$ROOT/srv/file"
	chown -R iris: "$ROOT/srv"
	isolate iris "rootfs = $ROOT" "$@"
	sshd_stop
	HOST_BUILD=$HOST_BUILD POWER_LOSS_ROOT=$ROOT python3 "$HOST_TESTS/lib/power_loss.py" ${LONG:+--all} "$operation" ||
		fail "see above"
	sshd_start
	snapshot_before
}

# table: S06 | power loss at any moment of a session, from its start to its end; /run empty, or as it was, with other processes by those pids | the same without a restart: each operation works
test_s06_login() {
	power_loss login
}

# table: S06 | the same of a second login to a shared session | as before
test_s06_join() {
	power_loss join 'scope = user'
}

# table: S06 | the same of six logins at once | as before
test_s06_burst() {
	power_loss burst
}

# table: S06 | the same of a first login with home = private: the home is whole, or not there | as before
test_s06_private_home() {
	mkdir -p /etc/skel/.config/deep
	head -c 20000 /etc/services >/etc/skel/.config/deep/file
	ln -sf /etc/passwd /etc/skel/link
	power_loss home 'home = private'
}

# table: S06 | the same of cloister reset: all of the layer, or nothing; once it has said so, nothing | as before
test_s06_reset() {
	power_loss reset
}

# table: S06 | the same of an import, one with --replace, and image rm: an image is whole, or not there | as before
test_s06_image_import() {
	power_loss import
}

test_s06_image_replace() {
	power_loss replace
}

test_s06_image_remove() {
	power_loss remove
}

run_cases "$@"
