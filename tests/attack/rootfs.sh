#!/bin/bash
# A rootfs that the user made, with every trick at every place that a session is mounted on. Each login is either refused or
# inside, ends within five seconds, and the host's /etc and /root stay as they are (the snapshot looks at every inode).
set -u
CASE_TIMEOUT=${LONG:+3600}
CASE_TIMEOUT=${CASE_TIMEOUT:-120}
. "$(dirname -- "$0")/../lib/attack.sh"
. "$(dirname -- "$0")/../lib/tricks.sh"

# What the tricks are worth: the same places followed by root, as a set-up that resolves paths would.
# table: R01, R02 | control: mount(8) at these places lands on the host | root
test_r01_control_tricks_work() {
	local name
	for name in absolute relative root_link; do
		tree
		trick "$name" proc
		want_match "$name" '^/(etc)?$' "$(readlink -f "$ROOT/proc")"
	done
	tree
	trick fifo etc/resolv.conf
	want "a FIFO blocks who opens it" 124 "$(status timeout 1 cat "$ROOT/etc/resolv.conf")"
	rm -rf "${ROOT:?}"
}

# table: R01 | rootfs/proc is a link to /etc, /, a FIFO, a mount point, ... | root, by path
test_r01_proc() {
	logins proc
}

# table: R02 | rootfs/dev likewise (CVE-2026-41579) | root, by path
test_r02_dev() {
	logins dev
}

# table: R06 | the home of /etc/passwd is a link to /root | root, by path
test_r06_home_is_a_link() {
	mv /home/iris /home/iris.away
	ln -s /root "/home/iris"
	chown -h iris: /home/iris
	isolated
	inside_or_refused 5 su iris -c "readlink /proc/self/ns/mnt; ls -A ~"
	[ "$(su iris -c 'ls -A ~/.ssh' </dev/null 2>/dev/null)" != "$(ls -A /root/.ssh)" ] || fail "/root is seen"
	rm /home/iris
	mv /home/iris.away /home/iris
}

# table: R05 | the rootfs itself is a link; its parent is the user's | root, by path
test_r05_rootfs_is_a_link() {
	mkdir -p /opt/rootfs/users
	chown iris: /opt/rootfs/users
	ln -s / /opt/rootfs/users/link
	chown -h iris: /opt/rootfs/users/link
	isolated 'rootfs = /opt/rootfs/users/link' 'writable = direct'
	want "a user's link" 1 "$(status timeout 5 su iris -c true </dev/null)"
	want_match "reason" 'symbolic link in a directory that not only root can write' "$(log_new)"
	# root's own link is the administrator's way to name a rootfs.
	tree
	ln -s attack /opt/rootfs/current
	isolated 'rootfs = /opt/rootfs/current' 'writable = tmpfs'
	want "root's link" 0 "$(status timeout 5 su iris -c true </dev/null)"
}

# table: R07 | .pivot_root, .oldroot, oldroot, put_old exist: with files, as a link to / | none: pivot_root(".", ".") needs no such place
test_r07_old_root_directories() {
	local name
	tree
	for name in .pivot_root .oldroot oldroot put_old; do
		mkdir "$ROOT/$name"
		touch "$ROOT/$name/file"
		ln -s / "$ROOT/$name.link"
	done
	chown iris: "$ROOT" "$ROOT"/{home,etc,run,tmp,dev,proc}
	isolated "rootfs = $ROOT" 'writable = direct'
	inside_or_refused 5 su iris -c "readlink /proc/self/ns/mnt; cat /.*/$CANARY /*/$CANARY"
	want "inside" 1 "$INSIDE"
	want "one root" 1 "$(su iris -c "awk '\$2 == \"/\"' /proc/mounts | wc -l" </dev/null)"
}

# table: R09 | renameat2(RENAME_EXCHANGE) of a directory and a link while logins go on | root, by path: finds both
test_r09_exchange_race() {
	local i names='proc dev tmp run etc' name inside=0 exchangers=() seen
	local rounds=${LONG:+1000}
	rounds=${rounds:-60}
	tree
	chown iris: "$ROOT" "$ROOT"/*
	isolated "rootfs = $ROOT" 'writable = direct'
	for name in $names; do
		ln -s /etc "$ROOT/$name.other"
		setpriv --reuid iris --regid iris --clear-groups "$HOST_BUILD/probe/exchange" "$ROOT/$name" "$ROOT/$name.other" &
		exchangers+=($!)
	done
	# The control: who looks by path meets both.
	for i in $(seq 200); do stat -c %F "$ROOT/proc"; done >"$CASE_STATE/seen"
	seen=$(sort -u "$CASE_STATE/seen" | wc -l)
	[ "$seen" -eq 2 ] || void "nothing is exchanged"
	local done=0 start=$SECONDS
	for i in $(seq "$rounds"); do
		# On a machine that is busy with other things fewer will do.
		[ -n "${LONG-}" ] || [ $((SECONDS - start)) -lt 45 ] || break
		done=$i
		inside_or_refused 5 su iris -c "readlink /proc/self/ns/mnt; cat $CANARY"
		inside=$((inside + INSIDE))
	done
	kill "${exchangers[@]}"
	wait || true
	[ "$done" -ge 15 ] || fail "only $done logins in 45 s"
	echo "$inside of $done inside"
}

# table: R10 | rootfs/bin/sh -> /proc/self/exe | none: the answer must be a refusal
test_r10_shell_is_proc_self_exe() {
	tree
	ln -sf /proc/self/exe "$ROOT/bin/sh"
	isolated "rootfs = $ROOT" 'writable = tmpfs'
	inside_or_refused 5 su iris -c 'readlink /proc/self/ns/mnt'
	want "inside" 0 "$INSIDE"
}

# table: R10 | a hostile ld.so, libnss and nsswitch.conf in the rootfs | see: nss.never_root_on_the_host
# table: R11 | the ordinary links /var/run -> /run, /lib -> usr/lib, /bin -> usr/bin work | none: nothing is attacked
test_r11_ordinary_links() {
	tree
	mv "$ROOT/bin" "$ROOT/usr/bin2"
	rmdir "$ROOT/usr/bin"
	mv "$ROOT/usr/bin2" "$ROOT/usr/bin"
	ln -s usr/bin "$ROOT/bin"
	ln -s usr/lib "$ROOT/lib"
	ln -s /run "$ROOT/var/run"
	ln -s ../proc/self/mounts "$ROOT/etc/mtab"
	isolated "rootfs = $ROOT" 'writable = tmpfs' 'tmpfs = /tmp' 'tmpfs = /run' 'tmpfs = /var/run/daemon'
	want "login" iris "$(on iris whoami)"
	want "a mount behind a link" /run/daemon "$(on iris "awk '\$2 ~ /daemon/ {print \$2}' /proc/mounts")"
}

run_cases "$@"
