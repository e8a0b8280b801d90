# shellcheck shell=bash
# What the tests of users = root have in common.

# Where the range of a user without one in /etc/subuid begins (lib/id_range.c).
range_of() {
	echo $((1879048192 + 65536 * $(id -u "$1")))
}

# Every uid and gid of the session's processes, as the host sees them.
host_ids() {
	local pid
	for pid in /proc/[0-9]*; do
		[ "$(readlink "$pid/ns/pid")" != "$(readlink /proc/1/ns/pid)" ] || continue
		awk '/^(Uid|Gid):/ {print $2, $3, $4, $5}' "$pid/status" 2>/dev/null
	done | tr ' ' '\n' | sort -un
}

ROOT=/opt/rootfs/own
# shellcheck disable=SC2034 # of the tests
STATE=/var/lib/cloister/users

# Made once: a test takes a copy.
set_up() {
	rootfs_make /opt/busybox
	# useradd(8) gave each a range.
	: >/etc/subuid
	: >/etc/subgid
}

# rooted [LINE...]: iris is root in a BusyBox tree of her own.
rooted() {
	rm -rf "$ROOT"
	cp -a /opt/busybox "$ROOT"
	isolate iris "rootfs = $ROOT" 'users = root' "$@"
}
