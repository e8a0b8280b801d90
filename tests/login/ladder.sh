#!/bin/bash
# The tutorial's ladder: what a session is made of, one rung after the other. First each rung by hand, with unshare(1),
# mount(8) and pivot_root(8), which shows what the kernel does and why the next rung is needed; then that a session of
# ours stands on top of it. The planted libnss of the last rung is nss.sh.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

ROOT=/opt/rootfs/ladder

# by_hand SCRIPT [UNSHARE OPTION...]: a shell script in new namespaces, with $ROOT set.
by_hand() {
	local script=$1
	shift
	ROOT=$ROOT timeout -k 2 20 unshare "$@" sh -c "$script" </dev/null 2>&1
}

session_on_ladder() {
	rootfs_make "$ROOT"
	isolate iris "rootfs = $ROOT" 'writable = tmpfs' "$@"
}

# Rung 1. A new mount namespace begins as a copy of the old one: every mount of the host is still there. Isolation does
# not come from the namespace, it comes from changing the root in it.
test_1_a_mount_namespace_alone_shows_the_hosts_mounts() {
	want "by hand" "$(cut -d' ' -f1-3 /proc/mounts | sort)" \
		"$(by_hand 'cut -d" " -f1-3 /proc/mounts | sort' --mount)"
	[ "$(by_hand 'readlink /proc/self/ns/mnt' --mount)" != "$(readlink /proc/1/ns/mnt)" ] || fail "control: not new"
	session_on_ladder
	want_no_match "a session" '/opt|/var/lib|/etc overlay' "$(on iris cut -d' ' -f1-3 /proc/mounts)"
}

# Rung 2. pivot_root(2) wants a mount point as the new root, and a place below it for the old one. A directory is no
# mount point: EINVAL. Bound on itself it is one; then the old root can be put into a directory of the same file system.
test_2_pivot_root_needs_a_mount_point() {
	rootfs_make "$ROOT"
	mkdir "$ROOT/old"
	want_match "without the bind" 'Invalid argument' \
		"$(by_hand 'cd $ROOT && pivot_root . old' --mount --propagation private || true)"
	want "with the bind" "there old-is-the-host" "$(by_hand '
		mount --bind $ROOT $ROOT && cd $ROOT && pivot_root . old &&
		exec chroot . /bin/sh -c "[ -e /bin/busybox ] && echo there \
			\$([ -e /old/opt/cloister ] && echo old-is-the-host)"' --mount --propagation private)"
}

# The old root is still reachable through that directory until it is detached. pivot_root(".", "."), which a session
# does, needs no directory in the rootfs at all: old and new lie on one another, and the old one is detached.
test_2_the_old_root_must_be_detached() {
	rootfs_make "$ROOT"
	mkdir "$ROOT/old"
	want "by hand" "gone" "$(by_hand '
		mount --bind $ROOT $ROOT && cd $ROOT && pivot_root . old && cd / &&
		exec chroot . /bin/sh -c "umount -l /old && ls -A /old; echo gone"' --mount --propagation private)"
	rmdir "$ROOT/old"
	session_on_ladder
	want "a session leaves no such directory" "" "$(on iris 'ls -d /old /oldroot /.old* /.pivot* 2>/dev/null; true')"
	want "one root" 1 "$(on iris "awk '\$2 == \"/\"' /proc/mounts | wc -l")"
}

# Rung 3. After that /proc of the rootfs is an empty directory: mount(8), ps(1) and /proc/self are not there.
test_3_no_proc_before_it_is_mounted() {
	rootfs_make "$ROOT"
	mkdir "$ROOT/old"
	want_match "by hand" 'No such file or directory' "$(by_hand '
		mount --bind $ROOT $ROOT && cd $ROOT && pivot_root . old && cd / &&
		exec chroot . /bin/sh -c "umount -l /old; cat /proc/mounts"' --mount --propagation private || true)"
	session_on_ladder
	want "a session has it" 0 "$(status on iris cat /proc/mounts)"
}

# Rung 4. With proc mounted there are just the two: / and /proc.
test_4_then_only_root_and_proc() {
	rootfs_make "$ROOT"
	mkdir "$ROOT/old"
	want "by hand" "/ /proc" "$(by_hand '
		mount --bind $ROOT $ROOT && cd $ROOT && pivot_root . old && cd / &&
		exec chroot . /bin/sh -c "umount -l /old; mount -t proc proc /proc; cut -d\" \" -f2 /proc/mounts | sort"' \
		--mount --propagation private --pid --fork | paste -sd' ')"
	session_on_ladder 'home = none'
	# What a session adds, it makes itself: /dev, /tmp, /run, its two account files and the masks of /proc.
	want_no_match "a session" '^/($|proc|dev|tmp|run|etc/(passwd|group)$)' \
		"$(on iris "cut -d' ' -f2 /proc/mounts" | grep -vE '^/($|(proc|dev|tmp|run)(/|$)|etc/(passwd|group)$)' || echo none)"
	want "none of another file system" "" \
		"$(on iris "cut -d' ' -f3 /proc/mounts" | grep -vE '^(overlay|proc|tmpfs|devpts|mqueue)$' || true)"
}

# Rung 5. A rootfs that is not there: the error says so, and how to get one.
test_5_a_missing_rootfs_says_so() {
	isolate iris 'rootfs = /opt/rootfs/nowhere'
	[ "$(status on iris true)" -ne 0 ] || fail "the login worked"
	sleep 0.3
	want_match "which" '/opt/rootfs/nowhere' "$(log_new)"
	want_match "that it is missing" 'rootfs is missing' "$(log_new)"
	want_match "how to get one" 'debootstrap|mmdebstrap' "$(log_new)"
}

# Rung 6. A shell that is not in the rootfs (bash on Alpine): named, with the shells that are there.
test_6_a_shell_that_is_not_in_the_rootfs() {
	session_on_ladder
	usermod -s /bin/bash iris
	[ "$(status on iris true)" -ne 0 ] || fail "the login worked"
	sleep 0.3
	want_match "which" '/bin/bash' "$(log_new | grep refused)"
	want_match "what there is" '/bin/(sh|ash)' "$(log_new | grep refused)"
	session_on_ladder 'shell = /bin/ash'
	want "with one that is there" iris "$(on iris whoami)"
}

# Rung 7. proc shows the processes of the pid namespace that it was mounted in. Without a new one, all of the host's.
test_7_ps_works_because_of_the_pid_namespace() {
	rootfs_make "$ROOT"
	local without with
	without=$(by_hand 'mount -t proc proc $ROOT/proc && exec chroot $ROOT /bin/ps -o args' --mount --propagation private)
	want_match "without: the host's sshd" '/usr/sbin/sshd' "$without"
	with=$(by_hand 'mount -t proc proc $ROOT/proc && exec chroot $ROOT /bin/ps -o pid,args' \
		--mount --propagation private --pid --fork)
	want_no_match "with" '/usr/sbin/sshd' "$with"
	want_match "with: it is 1" '^ *1 ' "$with"
	session_on_ladder
	want_no_match "a session" '/usr/sbin/sshd|syslogd' "$(on iris ps -o pid,args)"
	want_match "a session: PID 1" '^ *1 .*cloister-init' "$(on iris ps -o pid,args)"
}

# Rung 8. uid 0 of a user namespace is no root: outside it is the user who made it.
test_8_root_inside_is_the_user_outside() {
	local home=/home/nora
	su nora -s /bin/sh -c "unshare --user --map-root-user sh -c 'id -u; touch $home/by-hand'" </dev/null >/tmp/out
	want "by hand: inside" 0 "$(cat /tmp/out)"
	want "by hand: outside" nora "$(stat -c %U "$home/by-hand")"
	# A session that the user starts alone, with the login shell and no PAM line.
	timeout 20 su nora -s /bin/sh -c "$HOST_BUILD/cloister-sh -c 'touch $home/by-session'" </dev/null ||
		fail "cloister-sh does not start a session"
	want "a session: outside" nora "$(stat -c %U "$home/by-session")"
	want_no_match "a session: uids on the host" '(^| )0( |$)' "$(timeout 20 su nora -s /bin/sh -c \
		"$HOST_BUILD/cloister-sh -c 'awk \"{print \\\$2}\" /proc/self/uid_map'" </dev/null)"
}

# Where the machine's root is an initramfs, pivot_root(2) is EINVAL: the new root, mounted on top of "/", is entered by chroot(2)
# instead, and must be as closed. The error is injected, since this machine has another root.
test_9_an_initramfs_cannot_be_pivoted() {
	rootfs_make /opt/rootfs/busybox
	isolate iris 'rootfs = /opt/rootfs/busybox' 'writable = tmpfs'
	local normal
	normal=$(on iris 'ls -1a / /..; cut -d" " -f2- /proc/mounts')
	sshd_stop
	sshd_configuration
	strace -f -qq -o /tmp/strace -e trace=pivot_root -e inject=pivot_root:error=EINVAL /usr/sbin/sshd -D </dev/null >/dev/null 2>&1 &
	eventually 10 port_open 22 || fail "sshd does not answer under strace"
	want "the session" "$normal" "$(on iris 'ls -1a / /..; cut -d" " -f2- /proc/mounts')"
	grep -q 'EINVAL.*INJECTED' /tmp/strace || fail "nothing was injected"
	want "who" iris "$(on iris whoami)"
	want "out by chdir" "$(on iris 'ls -1 /')" "$(on iris 'cd /; cd ../../../..; ls -1')"
}

run_cases "$@"
