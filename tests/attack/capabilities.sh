#!/bin/bash
# Capabilities, set-user-ID programs, ids and devices; the defaults that every session has.
set -u
. "$(dirname -- "$0")/../lib/attack.sh"

# table: C01 | any capability, of all 64 numbers, in any of the five sets | root
# table: C08 | securebits that are not locked, keepcaps | root
test_c01_c08_capability_sets() {
	attacks attack_processes root capability securebits keepcaps
}

# Programs of root's, set-user-ID and with file capabilities, in the rootfs and in the home.
# table: C02 | a set-user-ID program of root's in the rootfs and the home | nora
# table: C03 | a program with file capabilities there | nora
test_c02_c03_programs_that_gain() {
	local program=$HOST_BUILD/probe/attack_processes user
	mount -o remount,suid /home
	tree
	for user in iris nora; do
		install -o root -m 6755 "$program" "/home/$user/setuid"
		install -o root -m 0755 "$program" "/home/$user/filecap"
		setcap cap_sys_admin,cap_setuid+ep "/home/$user/filecap"
	done
	install -o root -m 6755 "$program" "$ROOT/bin/setuid"
	install -o root -m 0755 "$program" "$ROOT/bin/filecap"
	setcap cap_sys_admin,cap_setuid+ep "$ROOT/bin/filecap"
	isolated "rootfs = $ROOT" 'writable = tmpfs'
	attacks attack_processes nora "'gain=./setuid say'" "'gain=./filecap say'"
	want "in the rootfs" 2 "$(on iris ./attack_processes "'gain=/bin/setuid say'" "'gain=/bin/filecap say'" | grep -c ': refused EPERM')"
	mount -o remount,nosuid /home
	snapshot_before
}

# table: C04 | no_new_privs and the filter in every thread | see: kernel.k07_filter_of_every_thread
# table: C05 | su, sudo, newuidmap, mount of the host's files | root
test_c05_programs_of_the_host() {
	want "control" 0 "$(on root 'sudo -n id -u')"
	want_no_match "sudo" '^0$' "$(on iris 'sudo -n id -u' 2>/dev/null || true)"
	want_no_match "su" '^0$' "$(on iris 'su -c "id -u" root' 2>/dev/null </dev/null || true)"
	[ "$(status on iris 'mount -t tmpfs none /tmp')" -ne 0 ] || fail "mount"
	[ "$(status on iris 'newuidmap $$ 0 100000 1')" -ne 0 ] || fail "newuidmap"
}

# table: C06 | setuid(0), setresgid, setgroups to groups of the host | root
# table: C07 | uid_map, gid_map, setgroups of one's own namespace written again | root (a new namespace)
test_c06_c07_ids() {
	attacks attack_processes root setuid=0 setuid=1 setresgid=0 setresgid=5 setgroups=0 setgroups=42
	# By root, in a namespace whose map is not written yet.
	want_match "control" ': worked' "$(unshare --user "$HOST_BUILD/probe/attack_processes" write_map=/proc/self/uid_map 2>&1 || true)$(
		unshare --user sleep 5 &
		sleep 0.5
		"$HOST_BUILD/probe/attack_processes" "write_map=/proc/$!/uid_map"
		kill $!)"
	want "refused" 3 "$(on iris ./attack_processes write_map=/proc/self/{uid_map,gid_map,setgroups} | grep -c ': refused')"
	want_no_match "0 of the host is mapped" '(^| )0( |$)' "$(on iris "awk '{print \$2}' /proc/self/uid_map /proc/self/gid_map" | tr '\n' ' ')"
}

# table: C06 | supplementary groups docker, disk, shadow, adm | nora reads a file of the group
test_c06_groups_of_the_system() {
	local user
	echo secret >/opt/shadowed
	chgrp shadow /opt/shadowed
	chmod 0640 /opt/shadowed
	for user in iris nora; do usermod -aG shadow,disk,adm "$user"; done
	isolated 'bind = /opt/shadowed:/opt/shadowed'
	want "control" secret "$(on nora cat /opt/shadowed)"
	want "inside" "" "$(on iris cat /opt/shadowed 2>/dev/null || true)"
	for user in iris nora; do gpasswd -d "$user" shadow; gpasswd -d "$user" disk; gpasswd -d "$user" adm; done >/dev/null
	rm /opt/shadowed
	snapshot_before
}

# table: C09 | root: isolated by name alone, then an unprivileged id of the host | see: files.f02_chroot_break_as_session_root

# ---- devices ----
# table: D01 | mknod of a disk, mem, fuse | root
test_d01_mknod() {
	attacks attack_files root mknod=b,8,0 mknod=c,1,1 mknod=c,10,229 mknod=c,1,3
}

# table: D02 | device nodes that are in the rootfs and the home already | nora
test_d02_nodes_that_are_there() {
	local where
	mount -o remount,dev /home
	tree
	for where in /home/iris /home/nora "$ROOT"; do
		mknod -m 0666 "$where/zero" c 1 5
	done
	isolated "rootfs = $ROOT" 'writable = tmpfs'
	attacks attack_files nora open=zero
	want "in the rootfs" "open=/zero: refused EACCES" "$(on iris ./attack_files open=/zero)"
	rm /home/{iris,nora}/zero
	mount -o remount,nodev /home
	snapshot_before
}

# table: D03 | /dev holds what is listed and no more | nora (sees the host's)
# table: D04 | kmsg, mem, kvm, fuse, loop-control, net/tun, userfaultfd, vsock | root (nodes made for this)
# table: D05 | a devpts of its own | see: ssh_tty.tty_is_the_sessions_first
test_d03_d04_dev() {
	want "names" "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero" "$(on iris 'ls /dev' | xargs)"
	mknod -m 0666 /dev/test-kmsg c 1 11
	want "control" "open=/dev/test-kmsg: worked" "$("$HOST_BUILD/probe/attack_files" open=/dev/test-kmsg)"
	rm /dev/test-kmsg
	put_probes attack_files
	want "refused" 9 "$(on iris ./attack_files open=/dev/{kmsg,mem,kvm,fuse,loop-control,net/tun,userfaultfd,vsock,console} | grep -c ': refused')"
	on iris 'rm /dev/null || mv /dev/zero /dev/x || chmod 600 /dev/null' 2>/dev/null && fail "/dev can be changed"
	snapshot_before
}

# ---- the rest of the defaults ----
# table: defaults | RLIMIT_CORE is 0 and stays so | root
test_defaults_core_limit() {
	attacks attack_processes root core_limit
}

# table: defaults | every mask of /proc shows nothing, read-only parts are so | root reads them (K03)
test_defaults_masks() {
	local path out
	# A mask of a file is /dev/null, that of a directory is an empty one.
	out=$(on iris 'cd /proc; for f in acpi asound kcore keys latency_stats timer_list timer_stats sched_debug scsi kallsyms \
		kmsg vmallocinfo slabinfo pagetypeinfo config.gz sysrq-trigger; do
		[ -e $f ] || continue; [ -d $f ] && ls -A $f || { [ -c $f ] && cat $f || echo $f is there; }; done')
	want "what the masks show" "" "$out"
	for path in bus fs irq sys; do
		[ -e "/proc/$path" ] || continue
		want_match "/proc/$path" "/proc/$path ro,nosuid,nodev,noexec" "$(on iris grep " /proc/$path " /proc/self/mountinfo)"
	done
}

# table: defaults | Landlock's scopes for abstract sockets and signals | not applicable: this machine's kernel has Landlock switched off; see fail_closed.entry_step_fails
run_cases "$@"
