#!/bin/bash
# Configurations that are broken, hostile, or not root's: each refuses iris, none locks nora out by a mistake that is not hers.
set -u
. "$(dirname -- "$0")/../lib/attack.sh"

# login of su(1): quick, and the same code.
refused() {
	rm -f /home/iris/ran
	[ "$(status timeout 10 su iris -c 'touch ~/ran' </dev/null)" -ne 0 ] || fail "$1: the login worked"
	[ ! -e /home/iris/ran ] || fail "$1: user code ran"
}

# table: G01 | missing, empty, a directory, a FIFO, others can write it, not root's | iris with a good one
test_g01_files() {
	isolate iris
	want "control" 0 "$(status su iris -c true </dev/null)"
	rm "$HOST_CONF"
	refused missing
	: >"$HOST_CONF"
	refused empty
	rm "$HOST_CONF"
	mkdir "$HOST_CONF"
	refused directory
	rmdir "$HOST_CONF"
	mkfifo "$HOST_CONF"
	refused FIFO
	rm "$HOST_CONF"
	isolate iris
	chmod 0664 "$HOST_CONF"
	refused group-writable
	chmod 0644 "$HOST_CONF"
	chown iris: "$HOST_CONF"
	refused "the user's own"
	chown root: "$HOST_CONF"
	chmod 0777 /etc/cloister
	refused "a directory that others can write"
	chmod 0755 /etc/cloister
	want "again" 0 "$(status su iris -c true </dev/null)"
	snapshot_before
}

# table: G02 | NUL, CRLF, BOM, 10 MB line, a million lines, twice the same key, unknown key | iris with a good one
test_g02_content() {
	local text
	for text in '\0000' 'isolate = yes\r' 'isolate = no' 'rotfs = /' 'bind' '= x' '[user:iris' 'isolate yes' '\x80\xff = 1'; do
		printf '[user:iris]\nisolate = yes\n%b\n' "$text" >"$HOST_CONF"
		refused "$text"
	done
	printf '\xef\xbb\xbf[user:iris]\nisolate = yes\n' >"$HOST_CONF"
	refused "byte order mark"
	{ printf '[user:iris]\nisolate = yes\nhostname = '; head -c 10000000 /dev/zero | tr '\0' x; echo; } >"$HOST_CONF"
	refused "10 MB line"
	{ printf '[user:iris]\nisolate = yes\n'; seq -f '# %.0f' 1000000; } >"$HOST_CONF"
	refused "a million lines"
	printf '[user:iris]\nisolate = yes' >"$HOST_CONF"
	inside_or_refused 10 su iris -c 'readlink /proc/self/ns/mnt'
	snapshot_before
}

# table: G03 | numbers: 1x, -1, 0x10, 99999999999999999999, empty, with a blank (CVE-2026-30892) | iris with 10
test_g03_numbers() {
	local value
	isolate iris 'timeout = 10'
	want "control" 0 "$(status su iris -c true </dev/null)"
	for value in 1x -1 0x10 99999999999999999999 '' '1 0' +1 010x 1e1 0 601; do
		isolate iris "timeout = $value"
		refused "timeout = $value"
	done
	for value in 0:65536 65536 65536:0 1:1 -1:65536 65536:99999999999 '65536:65536x' 4294967295:65536; do
		isolate iris "id_range = $value"
		refused "id_range = $value"
	done
	for value in x -1 1X 0x1 99999999999999999999G; do
		isolate iris "tmpfs = /tmp:size=$value"
		refused "size=$value"
	done
	snapshot_before
}

# table: G04 | paths: relative, .., //, a trailing slash, 5,000 characters, control characters, tokens that are not known | iris with a good one
test_g04_paths() {
	local value
	for value in relative ../x /a/../b /a//b /a/ '' "/$(head -c 5000 /dev/zero | tr '\0' a)" '/%x' '/%' "/a$(printf '\033')b" /a/./b; do
		isolate iris "rootfs = $value"
		refused "rootfs = ${value:0:40}"
		isolate iris "bind = $value:/mnt"
		refused "bind = ${value:0:40}"
	done
	isolate iris 'bind = /tmp:/' 
	inside_or_refused 10 su iris -c 'readlink /proc/self/ns/mnt'
	snapshot_before
}

# table: G05 | rootfs missing, a file, a FIFO | see: fail_closed.rootfs_missing
# table: G05 | rootfs on a noexec mount, a read-only one, an overlay, in a directory that others can write | iris on a good one
test_g05_places() {
	local options
	mkdir -p /opt/rootfs/place
	for options in noexec ro; do
		mount -t tmpfs place /opt/rootfs/place
		cp -a /opt/attack-tree/. /opt/rootfs/place/ 2>/dev/null || { tree && cp -a "$ROOT/." /opt/rootfs/place/; }
		mount -o "remount,$options" /opt/rootfs/place
		isolate iris 'rootfs = /opt/rootfs/place' 'writable = tmpfs'
		inside_or_refused 10 su iris -c 'readlink /proc/self/ns/mnt'
		echo "$options: inside $INSIDE"
		umount /opt/rootfs/place
	done
	snapshot_before
}

# table: G06 | a user without an entry is not isolated, as documented; with [default] isolate = yes they are | none
test_g06_default() {
	printf '[default]\nisolate = yes\n' | configure
	[ "$(su nora -c 'readlink /proc/self/ns/mnt' </dev/null)" != "$(readlink /proc/1/ns/mnt)" ] || fail "nora is not isolated"
	want "root" "$(readlink /proc/1/ns/mnt)" "$(on root readlink /proc/self/ns/mnt)"
	snapshot_before
}

# table: G08 | init missing, not executable, no program, another's | see: fail_closed.init_missing
# table: G09 | fuzzing of the parser; `make fuzz` runs it as long as wanted | see: fuzz_corpus.config
run_cases "$@"
