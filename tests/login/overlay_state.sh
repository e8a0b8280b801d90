#!/bin/bash
# Where the layers of an overlay are: a full disk, what a crash leaves, and places that cannot hold them. Every
# refusal names path and cause, loses nothing, and leaves nothing mounted.
# shellcheck disable=SC2119 # set_rootfs takes lines of the configuration, or none
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
. "$(dirname -- "$0")/../lib/states.sh"

# shellcheck disable=SC2034 # read by run_cases
CASE_TIMEOUT=150

test_state_directory_of_others() {
	set_rootfs
	on iris 'echo kept >/srv/file'
	local users=$STATES/users
	chown ivan "$users"
	refused "state: users: every directory must be root's.*$STATE"
	chown root "$users"
	chmod 0770 "$users"
	refused "state: users: every directory must be root's.*$STATE"
	chmod 0700 "$users"
	chown ivan "$STATE/work"
	want "the work directory is made anew" kept "$(on iris 'cat /srv/file')"
	want "and is root's" 0 "$(stat -c %u "$STATE/work")"
}

test_state_directory_is_something_else() {
	set_rootfs
	on iris 'echo kept >/srv/file'
	local what
	mv "$STATES/users" /opt/rootfs/users
	for what in 'ln -s /opt/rootfs/users' touch mkfifo; do
		$what "$STATES/users"
		refused "state: users: not a directory.*$STATE"
		rm "$STATES/users"
	done
	mv /opt/rootfs/users "$STATES/users"
	for what in 'ln -s /etc' touch mkfifo; do
		mv "$STATE/upper" "$STATE/upper.kept"
		$what "$STATE/upper"
		refused "upper: not a directory.*$STATE"
		rm "$STATE/upper"
		mv "$STATE/upper.kept" "$STATE/upper"
	done
	want "nothing is lost" kept "$(on iris 'cat /srv/file')"
}

test_state_on_an_overlay() {
	set_rootfs
	mkdir /run/l /run/u /run/w
	mount -t overlay -o lowerdir=/run/l,upperdir=/run/u,workdir=/run/w none "$STATES"
	trap 'umount -l "$STATES"; rm -rf /run/l /run/u /run/w' EXIT
	chmod 0700 "$STATES"
	refused "the layers are on an overlay themselves.*$STATE.*EINVAL"
	want_match "check" '^error: .*overlay themselves' "$(cloister check iris || true)"
}

test_state_without_extended_attributes() {
	set_rootfs
	mount -t ramfs -o mode=0700 none "$STATES"
	trap 'umount -l "$STATES"' EXIT
	refused "no extended attributes.*$STATE.*EOPNOTSUPP"
	want_match "check" '^error: .*extended attributes' "$(cloister check iris || true)"
}

test_state_is_read_only() {
	set_rootfs
	refused_once_read_only "users: cannot be made: the file system is read-only.*$STATE.*EROFS"
	on iris 'echo kept >/srv/file'
	refused_once_read_only "read-only file system.*$STATE.*EROFS"
	want "nothing is lost" kept "$(on iris 'cat /srv/file')"
}

refused_once_read_only() {
	# A login beside another would join its layer.
	all_closed
	trap 'mount -o remount,rw "$STATES"' EXIT
	mount -o remount,ro "$STATES"
	refused "$1"
	mount -o remount,rw "$STATES"
}

# No inode is left, one more at each try: every step that makes something is the one that fails once.
test_no_inode_at_each_step() {
	set_rootfs
	mount -t tmpfs -o mode=0700,nr_inodes=100 none "$STATES"
	trap 'umount -l "$STATES"' EXIT
	local i status logged='' seen='' worked=''
	for i in $(seq 0 40); do
		rm -rf "${STATES:?}"/*
		mount -o "remount,nr_inodes=$((i + 1))" "$STATES"
		status=0
		logged=$(cloister run --user iris -- /bin/true 2>&1) || status=$?
		if [ "$status" = 0 ]; then
			worked=$i
			break
		fi
		want "refused with $i" 125 "$status"
		want_match "reason with $i" "ENOSPC" "$logged"
		seen+=$logged$'\n'
	done
	[ -n "$worked" ] || fail "40 inodes are not enough"
	local step
	for step in 'state: users' "state: $(id -u iris)" 'upper: cannot be made' 'work: cannot be made' 'would be read-only' 'no (directory|file) to mount on'; do
		want_match "a refusal at this step" "$step" "$seen"
	done
}

test_disk_full() {
	set_rootfs
	on_disk 16M '' ''
	# Root's reserved blocks, too.
	dd if=/dev/zero of="$STATES/fill" bs=64k 2>/dev/null || true
	dd if=/dev/zero of="$STATES/fill2" bs=1k 2>/dev/null || true
	refused "cannot be made: the file system has no room.*$STATE.*ENOSPC"
	rm "$STATES"/fill*
	on iris 'echo kept >/srv/file'
	# Full by the user's own doing, copy-up included: an error inside, and the next login comes in.
	want_match "ENOSPC inside" 'No space left' "$(on iris 'head -c 5000000 /dev/zero >/srv/a; echo more >>/srv/big' 2>&1 || true)"
	on iris 'dd if=/dev/zero of=/srv/c bs=64k 2>/dev/null; dd if=/dev/zero of=/srv/d bs=1k 2>/dev/null; true'
	want "a login" kept "$(on iris 'cat /srv/file; rm /srv/a /srv/c')"
	want "room again" ok "$(on iris 'head -c 1000000 /dev/zero >/srv/e && echo ok')"
	eventually 10 no_processes_left
}

test_what_a_crash_leaves() {
	set_rootfs
	on iris 'echo kept >/srv/file'
	all_closed
	# What the kernel refuses, or cannot clean by itself: a volatile mount's mark, a deep tree, modes, an index.
	mkdir -p "$STATE/work/incompat/volatile" "$STATE/work/index" "$STATE/work/work/#1/a/b/c/d"
	chmod 0777 "$STATE/work" "$STATE/work/work"
	mknod "$STATE/work/work/#2" c 0 0
	mkfifo "$STATE/work/work/#3"
	ln -s /etc "$STATE/work/work/#4"
	want "kept" kept "$(on iris 'cat /srv/file')"
	want "clean" "$STATE/work $STATE/work/work" "$(find "$STATE/work" | sort | paste -sd' ')"
	[ -d /etc/cloister ] || fail "what a link led to is gone"
	all_closed
	rm -r "$STATE/work"
	mkfifo "$STATE/work"
	refused "work: cannot remove what an earlier session left.*$STATE"
	rm "$STATE/work"
	want "nothing is lost" kept "$(on iris 'cat /srv/file')"
}

test_kill_in_mid_copy_up() {
	set_rootfs
	head -c 300000000 /dev/zero >"$TREE/srv/big"
	on iris 'echo kept >/srv/file'
	snapshot_before
	local i
	for i in 1 2 3; do
		client iris 'echo ready >~/ready; echo more >>/srv/big'
		eventually 20 test -e /home/iris/ready || fail "no session"
		sleep "0.0$i"
		kill -KILL "$(pgrep -f '^sshd: iris \[priv\]')" $(pgrep -x cloister-init) $(pgrep -u iris) 2>/dev/null || true
		wait "$CLIENT" 2>/dev/null || true
		rm -f /home/iris/ready
		eventually 10 no_processes_left || fail "processes are left: $(processes_left)"
		want_match "old or new, and kept" '^30000000[05] kept$' "$(on iris 'echo $(stat -c %s /srv/big) $(cat /srv/file)')"
		rm -f "$STATE/upper/srv/big"
	done
	want "no temporary files" "" "$(find "$STATE/work/work" -mindepth 1)"
	snapshot_same
}

run_cases "$@"
