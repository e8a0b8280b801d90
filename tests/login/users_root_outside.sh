#!/bin/bash
# users = root, seen from outside: which ids there are on the host, whose the files are that root inside leaves, and what
# those can do to anybody else.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
. "$(dirname -- "$0")/../lib/root_inside.sh"

test_nobody_is_root_on_the_host() {
	rooted
	client iris 'echo ready; sleep 100'
	eventually 10 grep -q ready "$CASE_STATE/client" || fail "no session"
	want_match "control: the user" "^$(id -u iris)\$" "$(host_ids)"
	want_no_match "root" '^0$' "$(host_ids)"
	# Init has an id that root inside cannot become, whichever number it asks for.
	local pid
	pid=$(pgrep -x sleep | tail -n 1)
	want_match "control: a map" "^ *0 +$(id -u iris) +1\$" "$(cat "/proc/$pid/uid_map")"
	want_match "init" "^$(range_of iris)\$" "$(host_ids)"
	want "mapped for root inside" "" "$(awk -v id="$(range_of iris)" '$2 <= id && id < $2 + $3' "/proc/$pid/uid_map")"
	want "and of groups" "" "$(awk -v id=5 '$2 <= id && id < $2 + $3' "/proc/$pid/gid_map")"
}

# Whose capabilities in the session would be all of them: nobody can become that id by a file.
test_the_owner_has_no_id_inside() {
	local pid owner kind
	rooted
	for kind in root same; do
		isolate iris "rootfs = $ROOT" "users = $kind"
		client iris 'echo ready; sleep 100'
		eventually 10 grep -q ready "$CASE_STATE/client" || fail "no session"
		pid=$(pgrep -x cloister-init | head -n 1)
		# NS_GET_OWNER_UID (ioctl_ns(2)).
		owner=$(python3 -c 'import fcntl, struct, sys
with open(sys.argv[1]) as file: print(struct.unpack("I", fcntl.ioctl(file, 0xb704, bytes(4)))[0])' "/proc/$pid/ns/user")
		want "$kind: owner" $((4294901760 + $(id -u iris))) "$owner"
		want "$kind: inside" "" "$(awk -v id="$owner" '$2 <= id && id < $2 + $3' "/proc/$pid/uid_map")"
		kill "$CLIENT"
		all_closed
	done
	isolate iris 'id_range = 4294836224:131072'
	local said
	said=$("$HOST_BUILD/cloister" check --config "$HOST_CONF" iris || true)
	want_match "a range that has it" '^error: .*id_range' "$said"
}

# Two users without a range in /etc/subuid: what one rules the other must not.
test_ranges_are_the_users_own() {
	rooted
	printf '[user:ivan]\nisolate = yes\nrootfs = %s\nusers = root\n' "$ROOT" >>"$HOST_CONF"
	on iris 'touch mine; chown 1:1 mine'
	on ivan 'touch mine; chown 1:1 mine'
	want "iris" "$(($(range_of iris) + 1))" "$(stat -c %u /home/iris/mine)"
	want "ivan" "$(($(range_of ivan) + 1))" "$(stat -c %u /home/ivan/mine)"
	all_closed
	printf 'iris:300000:65536\n' | tee /etc/subuid >/etc/subgid
	on iris 'touch next; chown 1:1 next'
	want "from /etc/subuid" "300001 300001" "$(stat -c '%u %g' /home/iris/next)"
	: >/etc/subuid
	: >/etc/subgid
}

# ---- what is left on the disk ----
test_layers_are_out_of_reach() {
	rooted
	on iris 'cp /bin/busybox /etc/busybox; chmod 4755 /etc/busybox'
	local file
	file=$(find "$STATE" -name busybox)
	want "it is there, of root's" "0 4755" "$(stat -c '%u %a' "$file")"
	local directory=$STATE
	want "its directories" "700 700 700 700" "$(stat -c %a /var/lib/cloister "$STATE" "$STATE"/1* "$STATE"/1*/root-* | xargs)"
	want "for another user" 1 "$(status su -s /bin/sh nora -c "test -e $file")"
	want "inside nothing comes of it" bob \
		"$(on iris 'echo bob:x:1000:1000::/:/bin/sh >>/etc/passwd; su bob -c "/etc/busybox whoami"')"
}

# A library that the name service loads as root of the host with users = host, and as the session's root with same.
plant_libnss() {
	cp -a /opt/busybox "$ROOT"
	rootfs_add "$ROOT" /bin/bash
	mkdir -p "$ROOT/lib/x86_64-linux-gnu" "$ROOT/lib64" "$ROOT/drop"
	chmod 0777 "$ROOT/drop"
	cp -L /lib/x86_64-linux-gnu/libc.so.6 "$ROOT/lib/x86_64-linux-gnu/"
	cp -L /lib64/ld-linux-x86-64.so.2 "$ROOT/lib64/"
	cat >/tmp/evil.c <<-'END'
		#include <fcntl.h>
		#include <stdio.h>
		#include <sys/stat.h>
		#include <unistd.h>
		__attribute__((constructor)) static void loaded(void)
		{
			FILE *out = fopen("/drop/planted", "a");
			struct stat st;
			if (out == NULL)
				return;
			fprintf(out, "uid %d\n", (int)geteuid());
			/* What the login process has open: no exec has closed it yet. */
			for (int fd = 0; fd < 1024; fd++) {
				char path[32], name[64] = "";
				if (fstat(fd, &st) < 0)
					continue;
				snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
				if (readlink(path, name, sizeof(name) - 1) >= 0)
					fprintf(out, "%s %s\n", S_ISDIR(st.st_mode) ? "directory" : "open", name);
			}
			fclose(out);
		}
	END
	gcc -shared -fPIC -o /tmp/libnss_evil.so.2 /tmp/evil.c
}

test_what_root_inside_wrote_serves_nobody_else() {
	local users drop=/srv/drop
	plant_libnss
	rm -rf "$drop"
	mkdir -p "$drop"
	chmod 0777 "$drop"
	isolate iris "rootfs = $ROOT" 'users = root' "bind = $drop:/drop"
	timeout 20 scp -q /tmp/libnss_evil.so.2 iris@testhost:/lib/x86_64-linux-gnu/ || fail "scp"
	on iris 'printf "passwd: evil files\ngroup: evil files\n" >/etc/nsswitch.conf'
	# The control: here it is loaded.
	on iris true
	want_match "with users = root" 'uid' "$(cat "$drop/planted")"
	want_match "control: what is open" '^open (socket|pipe):' "$(cat "$drop/planted")"
	want_no_match "a way out by a descriptor" '^directory|[a-z]:\[.*\] \(deleted\)|^open (mnt|pid|user|net):' "$(cat "$drop/planted")"
	rm "$drop/planted"
	for users in same host; do
		all_closed
		isolate iris "rootfs = $ROOT" "users = $users" "bind = $drop:/drop"
		want "users = $users" iris "$(on iris id -un)"
		[ ! -e "$drop/planted" ] || fail "users = $users: the library ran: $(cat "$drop/planted")"
	done
	all_closed
	# And with the layers of the one for the other it would have run.
	cp -a "$STATE"/1*/root-*/upper/. "$STATE"/1*/-*/upper/
	on iris true
	[ -e "$drop/planted" ] || fail "control: the library does not run from such a layer"
	rm -r "$drop"
}

run_cases "$@"
