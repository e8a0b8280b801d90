#!/bin/bash
# bind, tmpfs and mask: what they show, where they may be, in which order, and what is refused - by `cloister check`, too.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

ROOT=/opt/rootfs/busybox

# refused REGEX: a login of iris fails, runs nothing, and syslog says REGEX.
refused() {
	[ "$(status on iris 'echo ran >~/ran')" -ne 0 ] || fail "the login worked"
	[ ! -e /home/iris/ran ] || fail "user code ran"
	eventually 3 eval 'log_new | grep -q "session for iris refused"' || fail "no line in syslog: $(log_new)"
	want_match "syslog" "session for iris refused: $1" "$(log_new)"
}

checked() {
	want_match "check" "^error: .*$1" "$("$HOST_BUILD/cloister" check --config "$HOST_CONF" iris)"
}

not_checked() {
	want_no_match "check" "^error" "$("$HOST_BUILD/cloister" check --config "$HOST_CONF" iris)"
}

# The sources of these tests, on the host.
sources() {
	mkdir -p /opt/rootfs/data/iris/deep
	echo text >/opt/rootfs/data/iris/file
	chown -R iris: /opt/rootfs/data/iris
	echo roots >/opt/rootfs/data/roots
}

bare_tree() {
	[ -d "$ROOT" ] || rootfs_make "$ROOT"
	isolate iris "rootfs = $ROOT" 'shell = /bin/sh' "$@"
}

test_directories_files_sockets_and_tokens() {
	sources
	socat UNIX-LISTEN:/opt/rootfs/data/socket,fork,mode=666 SYSTEM:'echo answered' &
	bare_tree 'bind = /opt/rootfs/data/%u:/data' 'bind = /opt/rootfs/data/%u:/kept:ro' 'bind = /opt/rootfs/data/roots' 'bind = /opt/rootfs/data/socket:/run/service.sock' \
		'bind = /opt/rootfs/data/%u:/by/number/%U'
	eventually 5 test -S /opt/rootfs/data/socket || fail "no socket"
	not_checked
	on iris 'echo new >/data/new' || fail "cannot write"
	want "on the host" new "$(cat /opt/rootfs/data/iris/new)"
	want "read-only" 1 "$(status on iris 'echo bad >/kept/new')"
	want "the same" new "$(on iris cat /kept/new)"
	want "a file" roots "$(on iris cat /opt/rootfs/data/roots)"
	want "nothing beside it" roots "$(on iris ls /opt/rootfs/data)"
	want "by number" text "$(on iris "cat /by/number/$(id -u iris)/file")"
	want "a socket" socket "$(on iris 'stat -c %F /run/service.sock')"
	want "no devices, no set-id" 5 "$(on iris 'grep -cE " (/data|/kept|/opt/rootfs/data/roots|/run/service.sock|/by/number/[0-9]+) .*nosuid,nodev" /proc/mounts')"
}

test_missing_sources_name_their_line() {
	isolate iris 'tmpfs = /tmp' 'tmpfs = /run' 'bind = /opt/nowhere/at/all:/data'
	checked "bind: .*nowhere.*$HOST_CONF:5.*ENOENT"
	refused "bind: .*nowhere.*$HOST_CONF:5.*/opt/nowhere/at/all.*ENOENT"
}

test_what_is_no_source() {
	mkdir -p /opt/rootfs/data
	mkfifo /opt/rootfs/data/fifo
	isolate iris 'bind = /opt/rootfs/data/fifo:/fifo'
	checked 'bind: neither a directory, a file nor a socket'
	refused 'bind: neither a directory, a file nor a socket'
	isolate iris 'bind = /dev/zero:/zero'
	refused 'bind: neither a directory, a file nor a socket'
}

# The user places a link where root looks: the attack of LXC's CVE-2015-1335.
test_source_that_is_a_planted_link() {
	echo secret >/root/secret
	mkdir /home/iris/data
	echo mine >/home/iris/data/secret
	isolate iris 'bind = %h/data:/data'
	want "control: without a link" mine "$(on iris cat /data/secret)"
	rm -r /home/iris/data
	ln -s /root /home/iris/data
	chown -h iris: /home/iris/data
	checked 'bind: .*symbolic link'
	refused 'bind: .*symbolic link'
	ln -s /home/iris/.ssh /opt/rootfs/data
	isolate iris 'bind = /opt/rootfs/data:/data'
	want "control: root's own link" authorized_keys "$(on iris ls /data)"
}

# A user's own file server says that its files are root's: a link of it is no link of root's.
test_source_on_a_lying_file_server() {
	[ -c /dev/fuse ] || mknod -m 0666 /dev/fuse c 10 229 2>/dev/null || skip "no /dev/fuse can be made here"
	echo secret >/root/secret
	echo user_allow_other >>/etc/fuse.conf
	mkdir -p /home/iris/served /home/iris/mounted
	ln -s /root /home/iris/served/link
	mkdir /home/iris/served/plain
	chown -hR iris: /home/iris/served /home/iris/mounted
	setpriv --reuid iris --regid iris --init-groups bindfs -o allow_other --force-user=root --force-group=root \
		--perms=0755 /home/iris/served /home/iris/mounted
	trap 'umount -l /home/iris/mounted' EXIT
	want "control: it lies" "root 755" "$(stat -c '%U %a' /home/iris/mounted)"
	want "control: root follows" secret "$(cat /home/iris/mounted/link/secret)"
	isolate iris 'bind = %h/mounted/plain:/data'
	want "control: a directory of it" 0 "$(status on iris test -d /data)"
	isolate iris 'bind = %h/mounted/link:/data'
	refused 'bind: .*link in a FUSE file system'
}

test_mount_points_that_are_missing() {
	sources
	bare_tree 'bind = /opt/rootfs/data/iris:/a/b/c'
	want "made in the layer" text "$(on iris cat /a/b/c/file)"
	want "the rootfs is as it was" "" "$(find "$ROOT" -name a)"
	bare_tree 'bind = /opt/rootfs/data/iris:/a/b/c' 'writable = no'
	want "read-only root" text "$(on iris cat /a/b/c/file)"
	want "no" 1 "$(status on iris touch /a/b/new)"
}

# With writable = direct what is made is made in the rootfs itself, by nobody who is root there.
test_mount_points_that_cannot_be_made() {
	sources
	bare_tree 'bind = /opt/rootfs/data/iris:/usr/a/b' 'writable = direct'
	chown -R iris: "$ROOT"
	chown root: "$ROOT/usr"
	refused "bind: the mount point is missing in the rootfs and cannot be made there.*$HOST_CONF:5"
	mkdir -p "$ROOT/usr/a/b"
	want "with it" text "$(on iris cat /usr/a/b/file)"
}

test_nested() {
	sources
	mkdir -p /opt/rootfs/inner/tree /opt/rootfs/innermost
	echo inner >/opt/rootfs/inner/file
	echo innermost >/opt/rootfs/innermost/file
	bare_tree 'bind = /opt/rootfs/innermost:/data/deep/tree/x:ro' 'bind = /opt/rootfs/inner:/data/deep' 'bind = /opt/rootfs/data/iris:/data' \
		'mask = /data/deep/file' 'tmpfs = /data/deep/tree:size=1M'
	not_checked
	want "outer" text "$(on iris cat /data/file)"
	want "masked below a bind" "" "$(on iris cat /data/deep/file)"
	want "innermost" innermost "$(on iris cat /data/deep/tree/x/file)"
	want "the host's is as it was" "" "$(ls /opt/rootfs/inner/tree)$(ls /opt/rootfs/data/iris/deep)"
	want "a tmpfs between" 1 "$(on iris 'grep -c " /data/deep/tree tmpfs .*size=1024k" /proc/mounts')"
}

test_inside_the_home() {
	sources
	isolate iris 'bind = /opt/rootfs/data/iris:%h/courses/c:ro' 'bind = /opt/rootfs/data/roots:%h/note'
	not_checked
	want "shown" text "$(on iris cat courses/c/file)"
	want "a file" roots "$(on iris cat note)"
	want "the mount points are the user's" "iris iris iris" "$(cd /home/iris && stat -c %U courses courses/c note | xargs)"
	on iris 'echo more >courses/mine' || fail "cannot write beside it"
	for home in private tmpfs; do
		isolate iris "home = $home" 'bind = /opt/rootfs/data/iris:%h/courses/c:ro'
		want "$home" text "$(on iris cat courses/c/file)"
	done
}

# A link that the user places on the way to a mount point would lead the mount to another place of the session.
test_planted_links_on_the_way_to_a_mount_point() {
	sources
	isolate iris 'bind = /opt/rootfs/data/iris:%h/a/b'
	want "control: a directory" text "$(on iris cat a/b/file)"
	rm -r /home/iris/a
	ln -s /tmp /home/iris/a
	chown -h iris: /home/iris/a
	refused "bind: a symbolic link on the way.*$HOST_CONF:3.*/home/iris/a/b"
	rm /home/iris/a
	mkdir /home/iris/a
	ln -s /tmp /home/iris/a/b
	refused "bind: a symbolic link on the way"
	rm -r /home/iris/a
	ln -s /etc /opt/rootfs/data/iris/way
	isolate iris 'bind = /opt/rootfs/data/iris:/data' 'tmpfs = /data/way/x' 'tmpfs = /tmp' 'tmpfs = /run'
	refused "tmpfs: a symbolic link on the way"
}

test_tmpfs_and_what_is_below() {
	sources
	isolate iris 'bind = /opt/rootfs/data/iris:/tmp/x' 'tmpfs = /tmp:size=2M' 'tmpfs = /dev/shm:size=1M'
	want "below a tmpfs" text "$(on iris cat /tmp/x/file)"
	want "size" 2048 "$(on iris 'df -k /tmp | tail -n 1' | awk '{print $2}')"
	[ "$(status on iris 'head -c 3000000 /dev/zero >/tmp/large')" -ne 0 ] || fail "larger than its size"
	want "gone" 1 "$(status on iris test -e /tmp/large)"
	want "/dev/shm" 1024 "$(on iris 'df -k /dev/shm | tail -n 1' | awk '{print $2}')"
}

test_over_etc_passwd() {
	printf 'root:x:0:0:root:/root:/bin/sh\nother:x:77:77::/:/bin/sh\n' >/opt/rootfs/passwd
	isolate iris 'bind = /opt/rootfs/passwd:/etc/passwd:ro'
	want "shown" other "$(on iris id -un 77)"
	want "the user is in it" iris "$(on iris id -un)"
	want "the host's is as it was" 2 "$(wc -l </opt/rootfs/passwd)"
}

test_masks() {
	sources
	bare_tree 'mask = /etc/motd' 'mask = /secrets' 'mask = /nowhere' 'mask = /secrets/of/nothing' 'mask = /proc/cmdline'
	echo secret >"$ROOT/etc/motd"
	mkdir "$ROOT/secrets"
	echo secret >"$ROOT/secrets/file"
	want "a file" "" "$(on iris cat /etc/motd)"
	want "a directory" "" "$(on iris ls /secrets)"
	want "not writable" 1 "$(status on iris touch /secrets/x)"
	want "proc" "" "$(on iris cat /proc/cmdline)"
	bare_tree
	want "control" "secret secret" "$(on iris 'echo $(cat /etc/motd /secrets/file)')"
}

test_overlaps() {
	isolate iris 'tmpfs = /tmp' 'bind = /opt:/tmp'
	checked "two mounts on one place: .*$HOST_CONF:[34].* and .*$HOST_CONF:[34].*/tmp"
	refused "plan: two mounts on one place: .*$HOST_CONF:[34].* and .*$HOST_CONF:[34].*/tmp"
	isolate iris 'tmpfs = /home/iris'
	checked "two mounts on one place: .*the home.*/home/iris"
	refused "plan: two mounts on one place: .*the home"
}

# Where a mount would stand between programs and the kernel, or between Cloister and its own files. With users = host
# init is the host's root, and would write the session's file into the host's directory.
test_places_that_are_cloisters_own() {
	local target
	for target in /proc /proc/sys /dev /dev/null /run /run/cloister /run/cloister/session; do
		isolate iris "bind = /opt:$target" 'tmpfs = /tmp'
		checked "plan: bind .$HOST_CONF:3.*$target"
	done
	refused "plan: bind .$HOST_CONF:3.: /run/cloister is"
	isolate iris 'tmpfs = /tmp' 'bind = /opt/rootfs/data:/run' 'users = host'
	mkdir /opt/rootfs/data
	refused "plan: bind .*/run is the session's own"
	want "nothing written" "" "$(ls /opt/rootfs/data)"
}

test_dev_log() {
	socat -u UNIX-RECV:/opt/rootfs/log,mode=666 CREATE:/opt/rootfs/logged &
	eventually 5 test -S /opt/rootfs/log || fail "no socket"
	isolate iris 'bind = /opt/rootfs/log:/dev/log'
	on iris 'logger -t session hello' || fail "cannot log"
	eventually 5 grep -q hello /opt/rootfs/logged || fail "nothing arrived"
}

test_leaves_nothing() {
	sources
	isolate iris 'bind = /opt/rootfs/data/iris:/data' 'home = private' 'tmpfs = /tmp' 'tmpfs = /run'
	on iris true
	snapshot_before
	on iris true
	snapshot_same
}

run_cases "$@"
