# shellcheck shell=bash
# Tricks of a rootfs that the user made, at places that a session mounts on; on top of attack.sh.
TRICKS='absolute relative dangling loop fifo socket file closed mount others root_link'

# trick NAME PATH: puts it at PATH of the rootfs.
trick() {
	local at=$ROOT/$2
	rm -rf "$at"
	mkdir -p "$(dirname "$at")"
	case $1 in
	absolute) ln -s /etc "$at" ;;
	root_link) ln -s / "$at" ;;
	relative) ln -s ../../../../../../../../etc "$at" ;;
	dangling) ln -s /nowhere/at/all "$at" ;;
	loop) ln -s "$(basename "$at")" "$at" ;;
	fifo) mkfifo "$at" ;;
	socket) perl -e 'use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un($ARGV[0])) or die' "$at" ;;
	file) echo content >"$at" ;;
	closed) mkdir -m 0000 "$at" ;;
	mount) mkdir "$at" && mount -t tmpfs trick "$at" ;;
	others) mkdir "$at" && chown -h ivan: "$at" ;;
	esac
	case $1 in
	mount | others) ;;
	*) chown -h iris: "$at" ;;
	esac
}

# logins PATH...: every trick at PATH, in a rootfs of iris's own that is written directly, and below an overlay.
logins() {
	local path name mode inside=0 refused=0
	for path in "$@"; do
		for mode in direct overlay; do
			for name in $TRICKS; do
				tree
				# Not -R: hundreds of links.
				chown iris: "$ROOT" "$ROOT"/{bin,etc,proc,dev,sys,tmp,run,home,root,usr,var}
				trick "$name" "$path"
				isolate iris "rootfs = $ROOT" "writable = $mode"
				inside_or_refused 5 su iris -c "readlink /proc/self/ns/mnt; cat $CANARY; touch /$path/made /tmp/made"
				# shellcheck disable=SC2153 # inside_or_refused sets it
				[ "$INSIDE" -eq 1 ] && inside=$((inside + 1)) || refused=$((refused + 1))
				# By what the trick is: at the place of a link, umount(8) would follow it.
				[ "$name" != mount ] || umount "$ROOT/$path"
				[ ! -e /tmp/made ] || fail "$path, $mode, $name: the host's /tmp was written"
			done
			rm -rf /var/lib/cloister/*
		done
	done
	echo "$inside inside, $refused refused"
	[ "$inside" -gt 0 ] || fail "not one login was inside"
	rm -rf "${ROOT:?}"
	snapshot_matches_files
}

# The configuration was set anew for each login: only files outside of it are compared here, all the rest at the end.
snapshot_matches_files() {
	local now
	now=$(snapshot_files | grep -vE ' (/etc/cloister|/etc/cloister/cloister.conf)( |$)' | md5sum)
	want "files of /etc and /root" "$FILES_BEFORE" "$now"
	snapshot_before
}

case_before() {
	echo "host canary" >"$CANARY"
	FILES_BEFORE=$(snapshot_files | grep -vE ' (/etc/cloister|/etc/cloister/cloister.conf)( |$)' | md5sum)
	snapshot_before
}
