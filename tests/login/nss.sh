#!/bin/bash
# A name service library that the user planted in a rootfs of their own: between its fork and its setuid the login
# program's child loads it. It must never run with a uid of 0 on the host.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# The library says, in the rootfs, who runs it; and tries to leave a set-user-ID file of root's behind.
plant() {
	local root=$1
	rootfs_make "$root"
	rootfs_add "$root" /bin/bash
	mkdir -p "$root/lib/x86_64-linux-gnu"
	cat >/tmp/evil.c <<-'END'
		#include <fcntl.h>
		#include <stdio.h>
		#include <sys/stat.h>
		#include <unistd.h>
		__attribute__((constructor)) static void loaded(void)
		{
			char text[64];
			int fd = open("/drop/planted", O_WRONLY | O_CREAT | O_APPEND, 0666);
			int n = snprintf(text, sizeof(text), "uid %d\n", (int)geteuid());
			if (fd >= 0 && write(fd, text, (size_t)n) == n)
				fchmod(fd, 06755);
		}
	END
	gcc -shared -fPIC -o "$root/lib/x86_64-linux-gnu/libnss_evil.so.2" /tmp/evil.c
	cp -L /lib/x86_64-linux-gnu/libc.so.6 "$root/lib/x86_64-linux-gnu/"
	mkdir -p "$root/lib64"
	cp -L /lib64/ld-linux-x86-64.so.2 "$root/lib64/"
	printf 'passwd: evil files\ngroup: evil files\n' >"$root/etc/nsswitch.conf"
	chown -R iris: "$root"
	# Where an unprivileged id can write, too, and the result stays.
	mkdir -m 0777 "$root/drop"
	chown iris: "$root/drop"
}

# The control: the same child, merely in the user's rootfs, loads the library as root of the host.
test_control_chroot_runs_it_as_root() {
	plant /opt/rootfs/own
	chroot /opt/rootfs/own /bin/bash -c 'echo ~nobody' >/dev/null 2>&1 || true
	want_match "the planted library" '^uid 0$' "$(cat /opt/rootfs/own/drop/planted)"
	want "its file's owner" 0 "$(stat -c %u /opt/rootfs/own/drop/planted)"
}

test_never_root_on_the_host() {
	plant /opt/rootfs/own
	isolate iris 'rootfs = /opt/rootfs/own' 'writable = direct'
	want "login" iris "$(on iris 'id -un')"
	# It did run, as the namespace's root: else this test shows nothing.
	want_match "the planted library ran" '^uid 0$' "$(cat /opt/rootfs/own/drop/planted)"
	local owner
	owner=$(stat -c %u /opt/rootfs/own/drop/planted)
	[ "$owner" -ge 65536 ] || fail "its file belongs to uid $owner on the host"
	want "files of the host's root in the rootfs" "" "$(find /opt/rootfs/own -uid 0)"
}

test_users_host_is_refused_there() {
	plant /opt/rootfs/own
	isolate iris 'rootfs = /opt/rootfs/own' 'writable = direct' 'users = host'
	want "status" 254 "$(status on iris true)"
	[ ! -e /opt/rootfs/own/drop/planted ] || fail "the library ran"
	want_match "reason" 'refused: .*must be owned by root' "$(log_new)"
}

test_users_host_is_refused_where_only_etc_is_the_users() {
	rootfs_make /opt/rootfs/own
	chown -R iris: /opt/rootfs/own/etc
	isolate iris 'rootfs = /opt/rootfs/own' 'writable = no' 'users = host'
	want "status" 254 "$(status on iris true)"
	want_match "reason" 'refused: .*only root may be able to write' "$(log_new)"
	chown -R root: /opt/rootfs/own/etc
	want "status" 0 "$(status on iris true)"
}

# A link of the rootfs is looked at as a session would follow it: not on the host, and not as if it were what it leads to.
test_users_host_is_refused_where_a_link_leads_to_what_is_the_users() {
	local link
	rootfs_make /opt/rootfs/own
	mkdir -p /opt/rootfs/own/opt/data/lib /opt/data/lib
	isolate iris 'rootfs = /opt/rootfs/own' 'writable = no' 'users = host'
	for link in /opt/data/lib opt/data/lib ./opt/data/lib ../opt/data/lib; do
		rm -rf /opt/rootfs/own/lib
		ln -s "$link" /opt/rootfs/own/lib
		chown root: /opt/rootfs/own/opt/data
		want "$link, all root's" 0 "$(status on iris true)"
		chown iris: /opt/rootfs/own/opt/data
		want "$link, through the user's" 254 "$(status on iris true)"
		want_match "reason" 'refused: .*what links lead to.* this is not so for lib:' "$(log_new)"
	done
	rm -rf /opt/data
}

# What the session's root, such a library, makes is on the host's disk: with a group of the host's it could be a
# set-group-ID program of that group's for whoever finds it (tty: every terminal of the machine).
test_no_group_of_the_host_is_mapped() {
	local map
	isolate iris
	for map in "$(on iris cat /proc/self/gid_map)" "$(timeout 20 su -l iris -c 'cat /proc/self/gid_map' </dev/null)" \
		"$(printf 'cat /proc/self/gid_map >~/map\nexit\n' | timeout 20 script -qec 'login -f iris' /dev/null >/dev/null
			cat /home/iris/map)"; do
		want "lines" "$(id -g iris)" "$(awk '$2 < 100000 {print $2}' <<<"$map" | xargs)"
	done
}

run_cases "$@"
