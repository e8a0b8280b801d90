#!/bin/bash
# Ways out of the session's files.
set -u
. "$(dirname -- "$0")/../lib/attack.sh"

# The canary is a file of the host's /etc; the rootfs is another directory.
# table: F01 | /proc/PID/root, cwd of every process | nora
test_f01_proc_roots() {
	rooted
	attacks attack_files nora "proc_roots=${CANARY#/}"
	want "by the shell" "" "$(on iris "cat /proc/1/root$CANARY /proc/*/root$CANARY /proc/1/cwd$CANARY 2>/dev/null; true")"
}

# table: F02 | chroot(2) and fchdir out of it | root
test_f02_chroot_break() {
	rooted
	attacks attack_files root "chroot_break=${CANARY#/}" chroot
}

# table: F02 | the same as root of a session ([user:root]) | root
test_f02_chroot_break_as_session_root() {
	tree
	printf '%s\n' '[user:root]' 'isolate = yes' "rootfs = $ROOT" 'home = none' 'shell = /bin/sh' | configure
	cp "$HOST_BUILD/probe/attack_files" "$ROOT/attack_files"
	snapshot_before
	want_match "control" "chroot_break.*: worked" "$("$HOST_BUILD/probe/attack_files" "chroot_break=${CANARY#/}")"
	local out
	out=$(on root "/attack_files chroot_break=${CANARY#/} mount=tmpfs mknod=c,1,1")
	want "refused" 3 "$(grep -c ': refused' <<<"$out")"
	want "host uid" "" "$(on root 'awk "{print \$2}" /proc/self/uid_map' | grep -x 0 || true)"
}

# table: F03 | .. from every descriptor | nora
test_f03_descriptor_walk() {
	rooted
	attacks attack_files nora "fd_walk=${CANARY#/}"
}

# table: F04 | open_by_handle_at with guessed inodes | root
test_f04_open_by_handle() {
	attacks attack_files root open_by_handle_at
	# Without the filter the capability is still missing.
	isolated 'seccomp = none'
	put_probes attack_files
	want_match "without the filter" refused "$(on iris ./attack_files open_by_handle_at)"
}

# table: F05 | pivot_root, umount /, bind, remount | root
test_f05_mounts_by_root() {
	attacks attack_files root umount_root pivot_root bind=/tmp remount=/tmp move_mount fsmount mount_setattr fspick
}

# table: F05 | the new mount calls without a privilege | nora
test_f05_mount_calls() {
	attacks attack_files nora open_tree open_tree_attr fsconfig
}

# table: F06 | the same in a user namespace of one's own: tmpfs, overlay, sysfs, proc, fuse; a mask taken away | nora
test_f06_nested_mounts() {
	attacks attack_files nora mount=tmpfs mount=overlay mount=sysfs bind=/tmp remount=/tmp fsopen=tmpfs fsopen=fuse \
		unmask=/proc/kallsyms unmask=/proc/sys
}

# What a session with cap_sys_admin can do about masks and read-only mounts is up to the administrator; the host it cannot reach.
# table: F06 | with seccomp = none and user namespaces: masks hold, since they are locked | nora (mounting), root (taking a mask away)
test_f06_masks_hold_without_the_filter() {
	rooted 'seccomp = none'
	put_probes attack_files attack_kernel
	want "control: mounts of one's own" "mount=tmpfs: worked" "$(on iris ./attack_files mount=tmpfs)"
	local out
	cat >/home/iris/nested.sh <<-'END'
		umount /proc/kallsyms 2>/dev/null && echo unmasked
		umount -l /proc/sys 2>/dev/null && echo writable
		mount -t proc proc /tmp 2>/dev/null && head -c 1 /tmp/kallsyms && echo "a new proc shows it"
		mount -o remount,bind,rw /proc/sys 2>/dev/null && echo remounted
		echo done
	END
	out=$(on iris 'unshare -Urmpf sh nested.sh 2>/dev/null' || true)
	want "nested" "done" "$out"
}

# table: F07 | mountinfo: host paths, an old root, flags, propagation | nora (sees the host's)
test_f07_mountinfo() {
	local mounts mode
	want_match "control" ' /opt ' "$(on nora cat /proc/self/mountinfo)"
	for mode in overlay tmpfs no direct; do
		rooted "writable = $mode"
		[ "$mode" != direct ] || chown -R iris: "$ROOT"
		mounts=$(on iris cat /proc/self/mountinfo)
		# Of a bind the kernel shows where it is in its file system: with "direct" that is seen, and cannot be used.
		[ "$mode" != direct ] || mounts=${mounts/ \/rootfs\/attack \/ / \/ \/ }
		want_no_match "$mode: host path" '/opt|rootfs|attack|oldroot|/var/lib/cloister' "$mounts"
		want "$mode: without nosuid" "" "$(grep -v nosuid <<<"$mounts" || true)"
		# Single devices and their directory are meant to be devices.
		want "$mode: without nodev" "" "$(grep -v nodev <<<"$mounts" | awk '$5 !~ "^/dev(/|$)" && $4 != "/null"')"
		want_no_match "$mode: propagation" 'shared:|master:|propagate_from:' "$mounts"
		want "$mode: one root" 1 "$(awk '$5 == "/"' <<<"$mounts" | wc -l)"
	done
}

# table: F08 | a mount on the host below the rootfs after login; a mount of the session | a plain shell on the host
test_f08_propagation() {
	rooted 'writable = direct'
	mkdir -p "$ROOT/mnt/later"
	chown -R iris: "$ROOT"
	mount --make-rshared / 2>/dev/null || true
	session_up 'while [ ! -e ~/go ]; do sleep 0.1; done; ls /mnt/later; echo end; sleep 100'
	mount -t tmpfs later "$ROOT/mnt/later"
	touch "$ROOT/mnt/later/mounted" /home/iris/go
	[ -e "$ROOT/mnt/later/mounted" ] || void "no mount"
	eventually 10 grep -q end "$CASE_STATE/client" || fail "no answer"
	want_no_match "inside" mounted "$(cat "$CASE_STATE/client")"
	session_down
	umount "$ROOT/mnt/later"
	mount --make-rprivate /
	# The other way round: nothing of the session's mounts was ever on the host; the snapshot shows it at the end, this shows it
	# meanwhile.
	snapshot_before
	session_up 'sleep 100'
	want "mounts" "$(grep '^mount ' "$CASE_STATE/before" | sort)" "$(sed 's/^/mount /' /proc/1/mountinfo | sort)"
	session_down
}

# table: F10 | /proc/PID/exe of init, and of oneself: path, writing | nora
test_f10_executables() {
	local hash
	hash=$(sha256sum "$HOST_BUILD/cloister-init")
	rooted 'shell = /bin/ash'
	put_probes attack_files
	want "control" 2 "$(on nora 'cp /bin/sleep mine; ./mine 5 & sleep 0.5; ./attack_files exe_path=$! exe_write=$!' | grep -c ': worked')"
	want "init" 2 "$(on iris ./attack_files exe_path=1 exe_write=1 | grep -c ': refused')"
	want "one's own path is one of the session" /home/iris/readlink "$(on iris 'cp /bin/busybox readlink; ./readlink /proc/self/exe')"
	# The launcher over the passwd shell is the host's cloister-init (runc CVE-2019-5736).
	put_probes attack_files
	# A program that runs is nobody's to write (ETXTBSY).
	eventually 10 no_processes_left || fail "left: $(processes_left)"
	want_match "control: root can write it" "write_over.*: worked" "$("$HOST_BUILD/probe/attack_files" "write_over=$HOST_BUILD/cloister-init")"
	want_match "the launcher" 'write_over.*: refused' "$(on iris ./attack_files write_over=/bin/sh)"
	printf '#!/proc/self/exe\n' >/home/iris/script
	chmod 0755 /home/iris/script
	on iris ./script >/dev/null 2>&1 || true
	want "cloister-init" "$hash" "$(sha256sum "$HOST_BUILD/cloister-init")"
}

run_cases "$@"
