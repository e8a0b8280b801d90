#!/bin/bash
# ssh into a session: what it looks like from inside, and that commands, statuses and data pass unharmed.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# Positive control: the harness itself, without a session.
test_control_plain_user() {
	want "whoami" nora "$(on nora whoami)"
	want "mount namespace" "$(readlink /proc/1/ns/mnt)" "$(on nora readlink /proc/self/ns/mnt)"
	want "hostname" testhost "$(on nora hostname)"
	want "status" 3 "$(status on nora exit 3)"
}

test_namespaces_all_new() {
	local inside kind
	# shellcheck disable=SC2016
	inside=$(on iris 'for n in user mnt pid uts ipc net cgroup; do echo $n $(readlink /proc/self/ns/$n); done')
	for kind in user mnt pid uts ipc net cgroup; do
		want_match "$kind" "^$kind $kind:" "$inside"
		want_no_match "$kind" "$(readlink "/proc/1/ns/$kind" | sed 's/[][]/\\&/g')" "$inside"
	done
}

test_mounts_are_the_sessions_own() {
	local inside outside
	inside=$(on iris cat /proc/mounts)
	want_match "root" '^[^ ]+ / ' "$inside"
	want_match "proc" '^[^ ]+ /proc proc .*nosuid,nodev,noexec' "$inside"
	want_match "dev" '^[^ ]+ /dev tmpfs ' "$inside"
	want_match "devpts" '^[^ ]+ /dev/pts devpts ' "$inside"
	want_match "tmp" '^[^ ]+ /tmp tmpfs ' "$inside"
	want_match "run" '^[^ ]+ /run tmpfs ' "$inside"
	want_match "home" '^[^ ]+ /home/iris ' "$inside"
	for outside in /var/lib/cloister /sys /sys/fs/cgroup; do
		want_no_match "$outside of the host" "^[^ ]+ $outside (overlay|tmpfs [^ ]*mode=0?7|ext4|sysfs|cgroup)" "$inside"
	done
	# On the test host these are file systems of their own, which belong to the system.
	for outside in /opt /etc; do
		want_match "$outside" "^[^ ]+ $outside [^ ]+ ro,nosuid,nodev" "$inside"
	done
	want_no_match "another home" '/home/(ivan|nora)' "$inside"
	inside=$(on iris cat /proc/self/mountinfo)
	want_no_match "propagation" 'shared:|master:' "$inside"
	want_no_match "host path in mountinfo" '/rootfs/|oldroot' "$inside"
}

test_mounts_directory_rootfs() {
	rootfs_make /opt/rootfs/busybox
	isolate iris 'rootfs = /opt/rootfs/busybox' 'writable = tmpfs'
	local inside
	inside=$(on iris cat /proc/mounts)
	want "one root" 1 "$(awk '$2 == "/"' <<<"$inside" | wc -l)"
	want_no_match "host path" '/opt|/rootfs' "$inside"
	want "files of the rootfs" busybox "$(on iris readlink /bin/sh)"
	want "id" "$(id -u iris) iris" "$(on iris 'echo $(id -u) $(id -un)')"
}

test_writable_modes() {
	local mode
	rootfs_make /opt/rootfs/busybox
	for mode in tmpfs no; do
		isolate iris 'rootfs = /opt/rootfs/busybox' "writable = $mode"
		on iris 'touch /tmp/x && touch ~/kept-'"$mode" || fail "$mode: /tmp and home must be writable"
		[ -e "/home/iris/kept-$mode" ] || fail "$mode: the home is not the host's"
	done
	isolate iris 'rootfs = /opt/rootfs/busybox' 'writable = no'
	on iris 'touch /new' && fail "no: the root was written"
	[ ! -e /opt/rootfs/busybox/new ] || fail "no: the rootfs was written"
	chown -R iris: /opt/rootfs/busybox
	isolate iris 'rootfs = /opt/rootfs/busybox' 'writable = direct'
	on iris 'echo mine >/new' || fail "direct: the root cannot be written"
	want "direct" mine "$(cat /opt/rootfs/busybox/new)"
	want "direct owner" iris "$(stat -c %U /opt/rootfs/busybox/new)"
}

test_home_modes() {
	rootfs_make /opt/rootfs/busybox
	isolate iris 'rootfs = /opt/rootfs/busybox' 'writable = tmpfs' 'home = tmpfs'
	on iris 'cd && echo x >in-tmpfs && cat in-tmpfs' >/dev/null || fail "home = tmpfs cannot be written"
	[ ! -e /home/iris/in-tmpfs ] || fail "home = tmpfs reached the host's home"
	isolate iris 'rootfs = /opt/rootfs/busybox' 'writable = tmpfs' 'home = none'
	want "home = none" "" "$(on iris 'ls /home/iris/.ssh/authorized_keys 2>/dev/null; true')"
}

test_overlay_is_kept_and_tmpfs_is_not() {
	isolate iris 'writable = overlay' 'users = same' 'bind = /home/iris:/kept'
	on iris 'echo one >/kept/a' || fail "a bind cannot be written"
	want "bind" one "$(cat /home/iris/a)"
	isolate iris 'writable = tmpfs'
	want "no trace on the host" "" "$(find /var/lib/cloister/users -mindepth 1 -maxdepth 1 ! -name "$(id -u iris)")"
}

test_ps_shows_the_session_alone() {
	local inside
	inside=$(on iris ps -e -o pid= -o args=)
	want_match "PID 1" '^ *1 cloister-init' "$inside"
	want_match "ps" ' ps -e' "$inside"
	want_no_match "PID 1 shows nothing of sshd" '^ *1 .*(sshd|iris)' "$inside"
	want_no_match "other processes" 'syslogd|listener|\[priv\]|bash /opt|run_cases' "$inside"
	[ "$(wc -l <<<"$inside")" -le 4 ] || fail "more than init, sshd, the shell and ps: $inside"
	want "comm" cloister-init "$(on iris cat /proc/1/comm)"
}

test_proc_1_is_closed() {
	local path
	for path in root cwd exe environ maps fd mem ns/mnt; do
		on iris "cat /proc/1/$path || ls /proc/1/$path/" 2>/dev/null && fail "/proc/1/$path can be read"
		[ -z "$(on iris "readlink /proc/1/$path" 2>/dev/null)" ] || fail "/proc/1/$path can be followed"
	done
	echo canary >/run/canary
	want "canary" "" "$(on iris 'cat /proc/1/root/run/canary /run/canary' 2>/dev/null || true)"
}

test_hostname() {
	want "default: the host's" testhost "$(on iris hostname)"
	isolate iris 'hostname = box-%u'
	want "configured" box-iris "$(on iris hostname)"
	want "the host's stays" testhost "$(hostname)"
}

test_identity() {
	local inside
	want "id" "$(id -u iris):$(id -g iris):iris" "$(on iris 'echo $(id -u):$(id -g):$(id -un)')"
	inside=$(on iris cat /proc/self/status)
	want_match "no_new_privs" '^NoNewPrivs:[[:space:]]*1' "$inside"
	want_match "seccomp" '^Seccomp:[[:space:]]*2' "$inside"
	want "capabilities" 5 "$(grep -cE '^Cap[A-Za-z]+:[[:space:]]*0+$' <<<"$inside")"
	on iris 'touch ~/mine'
	want "owner on the host" iris "$(stat -c %U /home/iris/mine)"
	want "owner inside" iris "$(on iris stat -c %U mine)"
	want "groups" "$(id -Gn iris)" "$(on iris id -Gn)"
}

test_host_uid_is_never_root() {
	local pid uid
	as iris sleep 20 </dev/null &
	eventually 10 pgrep -x -u iris sleep || fail "no session"
	for pid in $(pgrep -x cloister-init); do
		uid=$(awk '/^Uid:/ {print $2, $3, $4, $5}' "/proc/$pid/status")
		want_no_match "host uid of init" '(^| )0( |$)' "$uid"
		want_match "capabilities of init" '^CapPrm:[[:space:]]*0+$' "$(cat "/proc/$pid/status")"
	done
}

test_root_files_look_like_roots() {
	# /etc is an overlay on the test host, which cannot be idmapped.
	want "/bin owner" 0:0 "$(on iris stat -L -c %u:%g /bin)"
	want "/usr/bin owner" 0:0 "$(on iris stat -c %u:%g /usr/bin)"
	want "/ owner" 0:0 "$(on iris stat -c %u:%g /)"
}

# table: sshd, `ssh host command` | contained; exit status as without a session
test_exit_status() {
	local code
	for code in 0 1 3 127 255; do
		want "exit $code" "$code" "$(status on iris "exit $code")"
	done
	want "command not found" 127 "$(status on iris no-such-command)"
	want "with a tty" 3 "$(status as iris -tt 'exit 3')"
}

test_death_by_signal() {
	local signal
	# ssh(1) says 255 for a command that a signal ended; with a plain user it is the same.
	for signal in TERM KILL SEGV; do
		want "$signal" "$(status on nora "kill -$signal \$\$")" "$(status on iris "kill -$signal \$\$")"
	done
	want "exit-signal is passed" "$(status on nora 'kill -TERM $$')" 255
	want "inside, 128 + n" 143 "$(on iris 'sh -c "kill -TERM \$\$"; echo $?')"
}

test_interactive_without_tty() {
	want "shell from standard input" "$(printf 'iris\nhere')" "$(printf 'whoami\necho here\n' | as iris -T)"
	want "login shell" -sh "$(printf 'echo $0\n' | as iris -T)"
}

test_100_megabytes() {
	local sum
	head -c 104857600 /dev/urandom >/tmp/data
	sum=$(sha256sum </tmp/data)
	want "through stdin and stdout" "$sum" "$(as iris cat </tmp/data | sha256sum)"
	want "in" "$sum" "$(as iris sha256sum </tmp/data)"
	want "bytes out" 104857600 "$(on iris head -c 104857600 /dev/zero | wc -c)"
}

test_stdin_end_of_file() {
	want "empty" 0 "$(as iris wc -c </dev/null | tr -d ' ')"
	want "without newline" 3 "$(printf abc | as iris wc -c | tr -d ' ')"
	want "stderr apart" "out" "$(on iris 'echo out; echo err >&2' 2>/dev/null)"
}

test_environment() {
	printf 'FROM_FILE=yes\n' >/home/iris/.ssh/environment
	chown iris: /home/iris/.ssh/environment
	want "user environment" yes "$(on iris 'echo $FROM_FILE')"
	want "SendEnv" sent "$(TEST_VALUE=sent as iris -n -o SendEnv=TEST_VALUE 'echo $TEST_VALUE')"
	want "HOME, USER, SHELL" "/home/iris iris /bin/sh" "$(on iris 'echo $HOME $USER $SHELL')"
	want "cwd" /home/iris "$(on iris pwd)"
}

# The passwd shell need not be there when the configuration names another one; nor be a file of its own (BusyBox).
test_configured_shell() {
	rootfs_make /opt/rootfs/busybox
	isolate iris 'rootfs = /opt/rootfs/busybox' 'writable = tmpfs' 'shell = /bin/ash'
	want "passwd says /bin/sh, a symbolic link in the rootfs" ash "$(on iris 'read -r name </proc/$$/comm; echo $name')"
	want "what scripts need of the environment stays" 1 "$(on iris 'ANY=1 /bin/sh -c "echo \$ANY"')"
	usermod -s /bin/bash iris
	want "passwd says /bin/bash, which the rootfs has not" iris "$(on iris whoami)"
	want "status" 3 "$(status on iris exit 3)"
}

test_descriptors() {
	want "only 0, 1, 2" "0 1 2" "$(on iris 'for f in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		[ -e /proc/$$/fd/$f ] && echo $f; done' | grep -vx 10 | paste -sd' ')"
}

test_network_none_and_host() {
	want "lo alone" "lo" "$(on iris "sed -n 's/:.*//p' /proc/net/dev" | tr -d ' ' | paste -sd' ')"
	want "control: the host's sshd answers nora" 0 \
		"$(status on nora 'bash -c "exec 3<>/dev/tcp/127.0.0.1/22"')"
	want "the host's sshd is not there" 1 "$(status on iris 'bash -c "exec 3<>/dev/tcp/127.0.0.1/22"')"
	isolate iris 'network = host'
	want "network = host" "$(readlink /proc/1/ns/net)" "$(on iris readlink /proc/self/ns/net)"
}

run_cases "$@"
