# shellcheck shell=bash
# Images for tests: erofs as a file and by a loop device, squashfs. To be sourced after cases.sh.

# shellcheck disable=SC2034 # read by run_cases
CASE_TIMEOUT=120

# What every case copies its images from, and where it puts them. The kernel mounts an erofs file of ext4 by itself; one
# of a tmpfs it cannot, and a loop device does it.
MADE=/opt/made
DISK=/opt/disk
MEMORY=/opt/memory
IMAGES=("$DISK/i.erofs" "$MEMORY/i.erofs" "$MEMORY/i.squashfs")

make_images() {
	local tree=$1 name=$2
	mkfs.erofs "$MADE/$name.erofs" "$tree" >/dev/null
	mksquashfs "$tree" "$MADE/$name.squashfs" -noappend -quiet -no-progress -noI -noD -noF >/dev/null
}

make_loop_devices() {
	local number
	mknod -m 0600 /dev/loop-control c 10 237
	for number in $(seq 0 63); do
		mknod -m 0600 "/dev/loop$number" b 7 "$number"
	done
}

set_up() {
	make_loop_devices
	mkdir "$MADE" "$DISK" "$MEMORY"
	mount -t tmpfs -o mode=0755 memory "$MEMORY"
	truncate -s 400M /opt/disk.ext4
	mkfs.ext4 -q /opt/disk.ext4
	mount -o loop /opt/disk.ext4 "$DISK"
	rmdir "$DISK/lost+found"
	rootfs_make /opt/tree
	cp "$HOST_BUILD/probe/resident" /opt/tree/bin/
	echo one >/opt/tree/version
	head -c 8M /dev/urandom >/opt/tree/big
	make_images /opt/tree one
	echo two >/opt/tree/version
	make_images /opt/tree two
	chown 1234 /opt/tree/etc
	make_images /opt/tree foreign
	rm -rf /opt/tree
}

# Fresh images of a kind (one, two, foreign) at the places of IMAGES; by rename.
place() {
	local image
	for image in "${IMAGES[@]}"; do
		cp "$MADE/$1.${image##*.}" "$image.new"
		mv "$image.new" "$image"
	done
}

start_clean() {
	rm -rf "${DISK:?}"/* "${MEMORY:?}"/*
	place one
	: >/etc/subuid
	: >/etc/subgid
	wait_for_no_loop
	sleep 0.02
	snapshot_before
}

# The loop devices of files in MEMORY or on DISK.
loops() {
	local here
	here="$(mountpoint -d "$MEMORY")|$(mountpoint -d "$DISK")"
	losetup -nl -O NAME,BACK-MAJ:MIN,AUTOCLEAR,RO | tr -s ' ' | grep -E " ($here)( |\$)"
}

no_loop() {
	! loops >/dev/null
}

wait_for_no_loop() {
	eventually 5 no_loop || fail "a loop device is left: $(loops)"
}

nothing_left() {
	snapshot_same
	wait_for_no_loop
}

# Sets INIT to the init of a session whose command runs and that is none of OTHERS.
new_init() {
	local pid
	for pid in $(pgrep -f '^sleep 999'); do
		pid=$(pgrep -x cloister-init --ns "$pid" --nslist pid 2>/dev/null) || continue
		[[ $1 == *" $pid "* ]] || INIT=$pid
		[[ $1 == *" $pid "* ]] || return 0
	done
	return 1
}

# A session that stays, with writable = MODE and IMAGE; INIT is its pid on the host.
live() {
	local user=$1 image=$2 mode=$3 others
	others=" $(pgrep -x cloister-init | paste -sd' ' || true) "
	isolate "$user" "rootfs = $image" "writable = $mode"
	client "$user" 'exec sleep 999'
	eventually 10 new_init "$others" || fail "no session: $(cat "$CASE_STATE/client") $(log_new)"
}

# inside PID COMMAND...: as the host's root, in that session's files.
inside() {
	local pid=$1
	shift
	nsenter -t "$pid" -m "$@"
}

# sees READER OTHER: what the session of the one init reads is in memory for the other's. The kernel may drop pages at any
# time, so more than once is asked.
sees() {
	local try
	for try in 1 2 3 4 5 6; do
		inside "$1" /bin/cat /big >/dev/null
		[ "$(resident "$2")" != all ] || return 0
		echo "try $try: $(resident "$2")"
	done
	return 1
}

# How much of /big is in memory, as that session sees it: "all", "part" or "none".
resident() {
	inside "$1" /bin/resident /big | awk '{print ($1 > $2 * 0.95 ? "all" : $1 > $2 * 0.05 ? "part (" $1 " of " $2 ")" : "none")}'
}

