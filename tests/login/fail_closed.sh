#!/bin/bash
# Whatever is missing or broken: the login is refused, nothing of the user's runs, forwards do not work, and one line in
# syslog says which step and which path.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# Everything of the user's that a login would run leaves a mark.
traps() {
	local file
	for file in .profile .ssh/rc .bashrc .bash_profile; do
		echo 'echo trapped >>/home/iris/ran' >"/home/iris/$file"
		chown iris: "/home/iris/$file"
	done
}

logged_new() {
	grep -q pam_cloister <<<"$(log_new)"
}

# refused REGEX: a login fails in every way, and exactly one line of ours in syslog matches REGEX.
refused() {
	local status lines
	traps
	sleep 0.2
	wc -l </var/log/syslog >"$CASE_STATE/log-start"
	status=$(status on iris 'echo command >>/home/iris/ran')
	[ "$status" -ne 0 ] || fail "the login worked"
	eventually 20 logged_new || true
	lines=$(log_new | grep 'pam_cloister' || true)
	want "lines in syslog" 1 "$(grep -c . <<<"$lines")"
	want_match "the line in syslog" "pam_cloister\(sshd:session\): session for iris refused: " "$lines"
	want_match "the line in syslog" "$1" "$lines"
	as iris -tt </dev/null >/tmp/told 2>&1 && fail "a login with a terminal worked"
	echo 'echo shell >>/home/iris/ran' | as iris -T >/dev/null 2>&1 && fail "a shell worked"
	timeout 10 sftp -q iris@testhost <<<'put /etc/hostname ran' >/dev/null 2>&1 || true
	no_forward
	[ ! -e /home/iris/ran ] || fail "user code ran: $(cat /home/iris/ran)"
	eventually 20 no_processes_left || fail "left: $(processes_left)"
}

no_forward() {
	client iris -N -L 9001:127.0.0.1:22 -R 9002:127.0.0.1:22
	sleep 0.7
	want "the forward" "" "$(timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9001 && head -c 3 <&3' 2>/dev/null || true)"
	port_open 9002 && fail "the remote forward works"
	kill "$CLIENT" 2>/dev/null || true
}

test_control_the_traps_work() {
	traps
	on iris true
	want_match "traps" trapped "$(cat /home/iris/ran)"
	client nora -N -L 9001:127.0.0.1:22 -R 9002:127.0.0.1:22
	eventually 10 port_open 9001 || fail "no forward"
	want "the forward" SSH "$(timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9001 && head -c 3 <&3')"
	port_open 9002 || fail "no remote forward"
}

test_the_user_is_told_politely() {
	isolate iris 'rootfs = /nowhere'
	want_match "what the user sees" 'could not be started' "$(on iris true 2>&1 || true)"
	want_no_match "no path" nowhere "$(on iris true 2>&1 || true)"
}

test_rootfs_missing() {
	isolate iris 'rootfs = /opt/rootfs/nowhere'
	refused '/opt/rootfs/nowhere.*ENOENT'
}

test_rootfs_is_a_file() {
	touch /opt/rootfs/file
	isolate iris 'rootfs = /opt/rootfs/file'
	refused '/opt/rootfs/file'
}

test_rootfs_is_a_fifo() {
	mkfifo /opt/rootfs/fifo
	isolate iris 'rootfs = /opt/rootfs/fifo'
	refused '/opt/rootfs/fifo'
}

test_rootfs_without_the_shell() {
	rootfs_make /opt/rootfs/busybox
	rm /opt/rootfs/busybox/bin/sh
	isolate iris 'rootfs = /opt/rootfs/busybox' 'writable = tmpfs'
	refused 'shell.*/bin/sh'
}

test_home_missing() {
	mv /home/iris /home/iris.away
	isolate iris
	sshd_restart 'AuthorizedKeysFile /home/%u.away/.ssh/authorized_keys
StrictModes no'
	[ "$(status on iris true)" -ne 0 ] || fail "a login without its home worked"
	mv /home/iris.away /home/iris
}

test_bind_missing() {
	isolate iris 'bind = /nowhere:/somewhere'
	refused '/nowhere'
}

test_configuration_missing() {
	rm "$HOST_CONF"
	refused "$HOST_CONF"
}

test_configuration_with_an_unknown_key() {
	isolate iris 'rotfs = /'
	refused "line 3.*rotfs.*$HOST_CONF"
}

test_configuration_with_a_wrong_value() {
	isolate iris 'users = everybody'
	refused "line 3.*$HOST_CONF"
}

test_configuration_that_others_can_write() {
	chmod 0666 "$HOST_CONF"
	refused "$HOST_CONF"
}

test_configuration_is_a_fifo() {
	rm "$HOST_CONF"
	mkfifo "$HOST_CONF"
	refused "$HOST_CONF"
}

test_configuration_with_a_nul_byte() {
	printf '[user:iris]\nisolate = yes\nroot\0fs = /\n' >"$HOST_CONF"
	refused "line 3.*$HOST_CONF"
}

test_module_argument_unknown() {
	sed -i 's/conf=/configuration=/' /etc/pam.d/sshd
	refused 'configuration='
}

# The module in a directory of its own, with another init beside it or none.
module_with_init() {
	[ ! -e /usr/libexec/cloister/cloister-init ] || mount -t tmpfs none /usr/libexec/cloister
	rm -rf /opt/rootfs/module
	mkdir /opt/rootfs/module
	cp "$HOST_BUILD/pam_cloister.so" /opt/rootfs/module/
	[ -z "${1-}" ] || cp "$1" /opt/rootfs/module/cloister-init
	HOST_BUILD=/opt/rootfs/module pam_service sshd
}

test_control_the_module_elsewhere() {
	module_with_init "$HOST_BUILD/cloister-init"
	want "works" iris "$(on iris whoami)"
}

test_init_missing() {
	module_with_init
	refused 'init.*ENOENT'
}

test_init_not_executable() {
	module_with_init "$HOST_BUILD/cloister-init"
	chmod 0644 /opt/rootfs/module/cloister-init
	refused 'init'
}

test_init_is_no_program() {
	head -c 5000 /dev/urandom >/tmp/noise
	module_with_init /tmp/noise
	chmod 0755 /opt/rootfs/module/cloister-init
	refused 'init'
}

test_init_exits_at_once() {
	module_with_init /bin/true
	refused '.'
}

test_init_never_answers() {
	echo 'int pause(void); int main(void) { for (;;) pause(); }' >/tmp/sleeper.c
	gcc -static -o /tmp/sleeper /tmp/sleeper.c
	isolate iris 'timeout = 1'
	module_with_init /tmp/sleeper
	refused 'init'
	SECONDS=0
	on iris true && fail "a login worked"
	[ "$SECONDS" -le 4 ] || fail "it took $SECONDS seconds"
}

# Such a program goes in itself, and that only a rootfs of root's may have in it.
test_entry_refused_for_an_unknown_program() {
	pam_service pamtester
	rootfs_make /opt/rootfs/busybox
	chown iris: /opt/rootfs/busybox/etc
	isolate iris 'rootfs = /opt/rootfs/busybox'
	want "refused" 1 "$(status timeout 20 pamtester pamtester iris open_session)"
	want "control" 0 "$(status timeout 20 pamtester pamtester nora open_session)"
}

test_users_host_on_a_users_rootfs() {
	rootfs_make /opt/rootfs/busybox
	isolate iris 'rootfs = /opt/rootfs/busybox' 'users = host' 'writable = tmpfs'
	want "control: root's own" iris "$(on iris whoami)"
	chown iris: /opt/rootfs/busybox/etc
	refused '/opt/rootfs/busybox'
}

# Wherever a resource ends: either the login is inside, or it is refused.
inside_or_refused() {
	local what=$1 out
	rm -f /home/iris/ran
	as iris -n 'readlink /proc/self/ns/mnt >/home/iris/ran' >/dev/null 2>&1 || true
	out=$(cat /home/iris/ran 2>/dev/null || true)
	[ "$out" != "$(readlink /proc/1/ns/mnt)" ] || fail "$what: user code ran on the host"
	[ -n "$out" ] && INSIDE=$((INSIDE + 1)) || REFUSED=$((REFUSED + 1))
}

limits() {
	local resource=$1 value
	shift
	INSIDE=0 REFUSED=0
	for value in "$@"; do
		sshd_restart
		prlimit --pid "$(cat /run/sshd.pid)" "--$resource=$value"
		inside_or_refused "$resource=$value"
	done
	echo "$resource: $INSIDE inside, $REFUSED refused"
	[ "$REFUSED" -gt 0 ] || fail "$resource: no value was too small"
	[ "$INSIDE" -gt 0 ] || fail "$resource: no value was large enough"
	sshd_restart
	eventually 5 no_processes_left || fail "left: $(processes_left)"
	want "the next login works" iris "$(on iris whoami)"
}

test_too_few_descriptors() {
	limits nofile $(seq 5 30) 64
}

test_too_little_memory() {
	limits as $(seq 4000000 1000000 30000000) 60000000 400000000
}

test_too_small_a_stack() {
	INSIDE=0 REFUSED=0
	local value
	for value in 4096 16384 65536 131072 1000000; do
		sshd_restart
		prlimit --pid "$(cat /run/sshd.pid)" "--stack=$value"
		inside_or_refused "stack=$value"
	done
}

test_no_file_may_grow() {
	INSIDE=0 REFUSED=0
	sshd_restart
	prlimit --pid "$(cat /run/sshd.pid)" --fsize=0
	inside_or_refused fsize=0
}

test_state_on_a_full_disk() {
	mount -t tmpfs -o mode=0700,size=4k,nr_inodes=2 full /var/lib/cloister
	isolate iris
	refused '/var/lib/cloister|overlay'
	umount /var/lib/cloister
}

# A step of the entry fails, in the child itself, when everything else is done. Landlock is the one call that init does not make, too.
test_entry_step_fails() {
	sshd_stop
	sshd_configuration
	strace -f -qq -o /tmp/strace -e trace=landlock_restrict_self -e inject=landlock_restrict_self:error=EPERM \
		/usr/sbin/sshd -D </dev/null >/dev/null 2>&1 &
	eventually 10 port_open 22 || fail "sshd does not answer under strace"
	want "status" 255 "$(status on iris 'touch ~/ran')"
	[ ! -e /home/iris/ran ] || fail "user code ran"
	[ -s /tmp/strace ] || skip "the kernel has no Landlock scopes"
	grep -q INJECTED /tmp/strace || fail "nothing was injected"
	eventually 5 grep -q 'could not enter the session: landlock' /var/log/syslog || fail "no reason in syslog: $(log_new)"
	want "control: nora" nora "$(on nora whoami)"
}

run_cases "$@"
