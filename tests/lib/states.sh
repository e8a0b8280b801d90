# shellcheck shell=bash
# For tests of the place where the layers of an overlay are. Sourced after cases.sh.

TREE=/opt/rootfs/tree
STATES=/var/lib/cloister

# set_rootfs LINE...: a BusyBox tree as the rootfs, with places of the users in it.
# shellcheck disable=SC2120
set_rootfs() {
	rootfs_make "$TREE"
	mkdir -p "$TREE/srv/below"
	echo old >"$TREE/srv/file"
	head -c 20000000 /dev/zero >"$TREE/srv/big"
	chown -R iris: "$TREE/srv"
	[ ! -d "$TREE/ivan" ] && mkdir "$TREE/ivan" && chown ivan: "$TREE/ivan"
	cp "$HOST_BUILD/probe/overlay" /home/iris/probe
	isolate iris "rootfs = $TREE" "$@"
	STATE=$STATES/users/$(id -u iris)/${TREE//\//-}
}

cloister() {
	"$HOST_BUILD/cloister" "$1" --config "$HOST_CONF" "${@:2}"
}

mounts() {
	cut -d' ' -f5- /proc/1/mountinfo
}

# refused REGEX: a login is, with this in the log and no mount left.
refused() {
	local lines before
	lines=$(wc -l </var/log/syslog)
	before=$(mounts)
	want "a login that must be refused ($1)" 254 "$(status on iris true)"
	eventually 5 refusal_logged "$lines" "$1" ||
		fail "nothing like '$1' in: $(tail -n "+$((lines + 1))" /var/log/syslog | grep pam_cloister)"
	eventually 5 no_processes_left || fail "processes are left: $(processes_left)"
	want "mounts ($1)" "$before" "$(mounts)"
}

refusal_logged() {
	tail -n "+$(($1 + 1))" /var/log/syslog | grep 'session for iris refused' | grep -qE -- "$2"
}

make_loop_nodes() {
	[ -e /dev/loop-control ] || mknod -m 0600 /dev/loop-control c 10 237
	local number
	for number in $(seq 0 63); do
		[ -e "/dev/loop$number" ] || mknod -m 0600 "/dev/loop$number" b 7 "$number"
	done
}

# on_disk SIZE MKFS-OPTIONS MOUNT-OPTIONS: an ext4 of its own for the states. The loop device goes with the mount.
on_disk() {
	make_loop_nodes
	truncate -s "$1" /run/disk.img
	# shellcheck disable=SC2086
	mkfs.ext4 -q -F $2 /run/disk.img
	# shellcheck disable=SC2086
	mount -o "loop$3" /run/disk.img "$STATES" || return 1
	trap 'umount -l "$STATES"; rm -f /run/disk.img' EXIT
	chmod 0700 "$STATES"
}
