#!/bin/bash
# cloister image import with archives made to do harm: what they try is refused or takes no effect, shown beside a control
# where a plain tool lets it happen.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

IMAGES=/var/lib/cloister/images
archives() { python3 "$HOST_TESTS/lib/archives.py" "$@"; }
image() { "$HOST_BUILD/cloister" image "$@"; }

# try KIND [OPTION...]: imports a hostile archive as image "bad"; OUT and STATUS are the results.
try() {
	local kind=$1
	shift
	archives hostile "$kind" /tmp/bad.tar
	STATUS=0
	OUT=$(image import "$@" /tmp/bad.tar bad 2>&1) || STATUS=$?
}

# refused KIND REASON [OPTION...]
refused() {
	local kind=$1 reason=$2
	shift 2
	try "$kind" "$@"
	want "$kind: status" 125 "$STATUS"
	want_match "$kind: reason" "$reason" "$OUT"
	want "$kind: nothing is left" "" "$(ls -A "$IMAGES")"
}

# harmless KIND: taken, without harm.
harmless() {
	try "$@"
	want "$1: status ($OUT)" 0 "$STATUS"
	want "$1: the good file" good "$(cat "$IMAGES/bad/rootfs/good")"
}

# A directory with a file in it that a hostile archive is after.
outside_make() {
	rm -rf /tmp/outside
	mkdir -m 0777 /tmp/outside
	echo secret >/tmp/outside/victim
	chmod 0666 /tmp/outside/victim
}

outside_same() {
	want "$1: outside" victim "$(ls -A /tmp/outside)"
	want "$1: the victim" "secret 666 1" "$(cat /tmp/outside/victim) $(stat -c '%a %h' /tmp/outside/victim)"
}

# The same archives by GNU tar -P, as root, where it writes outside: an attack that cannot work tests nothing.
test_control_plain_tar_writes_outside() {
	local kind
	for kind in dotdot absolute symlink-absolute symlink-chain; do
		outside_make
		mkdir -p /tmp/plain/a/b/c/d
		archives hostile "$kind" /tmp/bad.tar
		tar -C /tmp/plain/a/b/c/d -P -xf /tmp/bad.tar 2>/dev/null || true
		[ "$(ls -A /tmp/outside)" != victim ] || fail "$kind: tar -P writes nothing outside"
		rm -rf /tmp/plain
	done
	outside_make
	mkdir /tmp/plain
	archives hostile hardlink-out /tmp/bad.tar
	tar -C /tmp/plain -P -xf /tmp/bad.tar
	want "hard link" 2 "$(stat -c %h /tmp/outside/victim)"
	archives hostile set-id /tmp/bad.tar
	tar -C /tmp/plain -p -xf /tmp/bad.tar
	want "set-user-ID" 4755 "$(stat -c %a /tmp/plain/su)"
}

test_paths_out_of_the_tree() {
	outside_make
	local kind
	for kind in dotdot dotdot-middle dotdot-directory; do
		refused "$kind" '"\.\." component'
		outside_same "$kind"
	done
	harmless absolute
	outside_same absolute
	want "absolute names are names in the tree" x "$(cat "$IMAGES/bad/rootfs/tmp/outside/absolute")"
}

test_symbolic_links() {
	outside_make
	local kind
	for kind in symlink-absolute symlink-relative symlink-chain symlink-proc magic-link; do
		refused "$kind" 'cannot be opened below the root'
		outside_same "$kind"
	done
	# What they lead to in the tree is the tree's.
	harmless symlink-there
	outside_same symlink-there
	want "inside" x "$(cat "$IMAGES/bad/rootfs/tmp/outside/file")"
	image rm bad
	# A link is replaced, never written through.
	harmless symlink-last
	outside_same symlink-last
	want "a file now" "regular file" "$(stat -c %F "$IMAGES/bad/rootfs/file")"
	image rm bad
	harmless symlink-directory
	outside_same symlink-directory
	want "a directory now" "directory 777 1000" "$(stat -c '%F %a %u' "$IMAGES/bad/rootfs/way")"
}

test_hard_links() {
	outside_make
	refused hardlink-out 'a hard link to what is not in the tree|cannot be opened below the root'
	refused hardlink-dotdot 'a hard link to what is outside'
	refused hardlink-through-symlink 'cannot be opened below the root'
	refused hardlink-directory 'a hard link to a directory'
	outside_same "hard links"
	harmless hardlink-to-symlink
	outside_same hardlink-to-symlink
	want "another name of the link" "/tmp/outside/victim" "$(readlink "$IMAGES/bad/rootfs/second")"
	image rm bad
	harmless hardlink-data
	outside_same hardlink-data
	want "replaced" overwritten "$(cat "$IMAGES/bad/rootfs/second")"
}

test_device_nodes_fifos_and_bits() {
	harmless devices
	want "left out" good "$(ls -A "$IMAGES/bad/rootfs")"
	want_match "counted" '^left out: 3 device nodes, 1 FIFO or socket$' "$OUT"
	image rm bad
	harmless set-id
	want_match "counted" '^left out: 3 set-user-ID and set-group-ID bits$' "$OUT"
	want "none on disk" "" "$(find "$IMAGES" -type f -perm /6000)"
	want "modes" "755 755 755 2775 1777" \
		"$(cd "$IMAGES/bad/rootfs" && stat -c %a su sg both shared sticky | xargs)"
	want "a directory's group" 50 "$(stat -c %g "$IMAGES/bad/rootfs/shared")"
	image rm bad
	harmless xattrs
	want_match "counted" "^left out: 2 files' extended attributes$" "$OUT"
	want "none on disk" "" "$(python3 -c '
import os
for top, directories, files in os.walk("'"$IMAGES"'/bad"):
    for name in directories + files:
        print(*os.listxattr(os.path.join(top, name)), end="")')"
}

test_names_and_nesting() {
	refused control 'control character'
	want "one line" 1 "$(wc -l <<<"$OUT")"
	want_no_match "no escape" $'\x1b' "$OUT"
	harmless nul
	want "up to the NUL" "before good" "$(cd "$IMAGES/bad/rootfs" && echo *)"
	image rm bad
	refused long-name 'too long'
	refused long-path 'too long'
	refused deep 'too long'
	refused deep-by-symlink 'below the root'
}

# U+009B is CSI to a terminal.
test_messages_hold_no_commands() {
	refused controls-of-8-bits 'here\?\?2J'
	want_no_match "a control" $'\xc2[\x80-\x9f]' "$OUT"
}

test_sizes() {
	refused sparse 'larger than --max-size allows'
	harmless sparse-small
	want "a hole" "1073741824 yes" \
		"$(stat -c %s "$IMAGES/bad/rootfs/hole") $([ "$(stat -c %b "$IMAGES/bad/rootfs/hole")" -lt 1000 ] && echo yes)"
	image rm bad
	refused sparse-small 'larger than --max-size allows' --max-size 1000000000
	refused many 'more files than --max-files allows' --max-files 2000
	harmless many --max-files 2001
	image rm bad
	# Directories that no member names.
	refused implied 'more files than --max-files allows' --max-files 2000
	harmless implied --max-files 2100
	image rm bad
	refused bomb-file 'larger than --max-size allows' --max-size 100000000
	# Contents that are never written, and what follows the end, are bytes to be decompressed all the same.
	refused bomb-skipped 'more than --max-size and --max-files allow' --max-size 100000000 --max-files 1000
	refused bomb-trailing 'more than --max-size and --max-files allow' --max-size 100000000 --max-files 1000
	[ "$(stat -c %s /tmp/bad.tar)" -lt 3000000 ] || fail "control: the bomb is no bomb"
}

test_owners() {
	harmless ids
	want "unknown ones are nobody's" "65534 65534" "$(stat -c '%u %g' "$IMAGES/bad/rootfs/big")"
	want "the last known one" "65535 65535" "$(stat -c '%u %g' "$IMAGES/bad/rootfs/last")"
	want_match "counted" '^left out: 1 owner above 65535$' "$OUT"
}

# What the archive says of its root must not open the rootfs to others.
test_the_root_of_the_archive() {
	outside_make
	harmless root-mode
	want "the root" "0 0 755" "$(stat -c '%u %g %a' "$IMAGES/bad/rootfs")"
	image rm bad
	refused root-file 'root of the archive is no directory'
	refused root-link 'root of the archive is no directory'
	outside_same root
	harmless replaced
	want "a file in a directory's place" "file now" "$(cat "$IMAGES/bad/rootfs/d")"
}

run_cases "$@"
