#!/bin/bash
# rootfs = / on a machine with file systems of its own for parts of it: those of the system are shown, read-only; no other
# is; and the hidden places are hidden on them, too. With root, and without (cloister-sh alone).
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# The machine: /usr, /usr/local and /opt apart, and what must not be seen.
file_systems() {
	mount --bind /usr /usr
	mount -t tmpfs -o mode=0755 local /usr/local
	echo local >/usr/local/marker
	mkdir -p /usr/local/chroot/proc /usr/local/nested /opt/software /opt/software/deep
	mount -t proc proc /usr/local/chroot/proc
	mount -t tmpfs -o mode=0755 nested /usr/local/nested
	echo nested >/usr/local/nested/marker
	mount -t tmpfs -o mode=0755 software /opt/software
	mkdir /opt/software/deep
	echo software >/opt/software/marker
	mount -t tmpfs -o mode=0755 deep /opt/software/deep
	echo deep >/opt/software/deep/marker
	mount -t tmpfs -o mode=0755 srv /srv
	mkdir /srv/courses /srv/beside
	echo course >/srv/courses/marker
	mount -t tmpfs -o mode=0755 mnt /mnt
	mkdir /mnt/data
	echo data >/mnt/data/marker
	trap file_systems_away EXIT
}

file_systems_away() {
	umount -l /usr/local /usr /opt/software /srv /mnt 2>/dev/null || true
	umount -l /usr/dead 2>/dev/null || true
}

# without_pam: cloister-sh as iris' login shell, and no module.
without_pam() {
	local service
	for service in sshd login su su-l; do
		sed -i '/pam_cloister/d' "/etc/pam.d/$service"
	done
	usermod -s "$HOST_BUILD/cloister-sh" iris
}

shown_and_hidden() {
	want "/usr" 0 "$(status on iris test -x /usr/bin/env)"
	want "/usr/local" local "$(on iris cat /usr/local/marker)"
	want "below it" nested "$(on iris cat /usr/local/nested/marker)"
	want "below /opt" software "$(on iris cat /opt/software/marker)"
	want "read-only" "" "$(on iris 'for d in /usr /usr/local /usr/local/nested /opt /opt/software; do touch $d/x 2>/dev/null && echo $d; done' || true)"
	want "not /srv" "" "$(on iris 'ls -d /srv/courses /srv/beside 2>/dev/null' || true)"
	want "not /mnt" "" "$(on iris 'ls /mnt')"
	want "too deep below /opt" "" "$(on iris 'ls /opt/software/deep')"
	want "no other /proc" "" "$(on iris 'ls /usr/local/chroot/proc')"
	want "control: the host has them" "course data deep" "$(cat /srv/courses/marker /mnt/data/marker /opt/software/deep/marker | xargs)"
	[ -e /usr/local/chroot/proc/1 ] || fail "control: no proc"
}

test_file_systems_of_the_system() {
	file_systems
	chmod 0777 /usr/local/nested /opt/software
	isolate iris
	shown_and_hidden
	want "each nosuid,nodev,ro" 5 \
		"$(on iris 'grep -cE " (/usr|/usr/local|/usr/local/nested|/opt|/opt/software) [^ ]+ ro,nosuid,nodev" /proc/mounts')"
	local plan
	plan=$("$HOST_BUILD/cloister" plan --config "$HOST_CONF" iris)
	for place in /usr /usr/local /usr/local/nested /opt /opt/software; do
		want_match "plan" "bind +$place from $place ro,nosuid,nodev .*alone" "$plan"
	done
	want_no_match "plan" '(from|bind +)/srv|/opt/software/deep|chroot' "$plan"
}

test_file_systems_without_root() {
	without_pam
	file_systems
	chmod 0777 /usr/local/nested /opt/software
	isolate iris
	shown_and_hidden
}

test_bound_although_hidden() {
	file_systems
	isolate iris 'bind = /srv/courses:/srv/courses:ro' 'bind = /mnt/data'
	want "both" "course data" "$(on iris 'echo $(cat /srv/courses/marker /mnt/data/marker)')"
	want "nothing beside them" "data" "$(on iris 'echo $(ls -d /srv/beside 2>/dev/null; ls /mnt)')"
	without_pam
	want "without root" "course data" "$(on iris 'echo $(cat /srv/courses/marker /mnt/data/marker)')"
	want "nothing beside them" "data" "$(on iris 'echo $(ls -d /srv/beside 2>/dev/null; ls /mnt)')"
}

test_var_apart() {
	mount --rbind /var /var
	mount -o remount,bind,rw /var
	trap 'rm -f /var/tmp/secret-$$; umount -l /var' EXIT
	echo secret >/var/log/secret
	mkdir -p /var/lib/mysql
	echo secret >/var/lib/mysql/secret
	echo visible >/var/lib/visible
	echo secret >/var/tmp/secret-$$
	isolate iris
	want "shown" visible "$(on iris cat /var/lib/visible)"
	want "hidden" "" "$(on iris 'ls /var/log /var/lib/mysql /var/spool /var/cache /var/lib/cloister | grep -v :' || true)"
	want "a /var/tmp of its own" "mine" "$(on iris 'echo mine >/var/tmp/x; cat /var/tmp/*')"
	want "read-only" 1 "$(status on iris touch /var/x)"
	rm /var/lib/visible
	rm -r /var/lib/mysql
}

# Databases and keys, readable by everybody, since nothing but the list hides them then.
test_hidden_places() {
	local place
	mkdir -p /var/lib/postgresql/data /var/lib/sss/db /etc/wireguard /var/lib/systemd/coredump
	for place in /var/lib/postgresql/data /var/lib/sss/db /etc/wireguard /var/lib/systemd/coredump; do
		echo secret >"$place/file"
		chmod -R a+rX "$place"
	done
	echo secret >/etc/krb5.keytab
	chmod 0644 /etc/krb5.keytab /etc/shadow
	isolate iris
	for place in /var/lib/postgresql/data/file /var/lib/sss/db/file /etc/wireguard/file /var/lib/systemd/coredump/file; do
		want "control: $place" secret "$(on nora cat "$place")"
		want "$place" 1 "$(status on iris test -e "$place")"
	done
	want "files" "" "$(on iris cat /etc/krb5.keytab /etc/shadow)"
	without_pam
	want "without root" "" "$(on iris 'cat /etc/krb5.keytab /etc/shadow /var/lib/postgresql/data/file /var/lib/sss/db/file 2>/dev/null' || true)"
	chmod 0640 /etc/shadow
	rm -r /etc/krb5.keytab /var/lib/postgresql /var/lib/sss /etc/wireguard /var/lib/systemd/coredump
}

# Daemons of the host that listen elsewhere than in /run.
test_hidden_sockets() {
	local place socket
	isolate iris
	for place in /var/lib/sss/pipes /var/lib/gssproxy; do
		socket=$place/socket
		mkdir -p "$place"
		socat "UNIX-LISTEN:$socket,fork,mode=0666" 'SYSTEM:echo host' &
		eventually 10 test -S "$socket" || fail "no socket"
		want "control: $place" host "$(on nora "socat -u UNIX-CONNECT:$socket -")"
		want "$place" "" "$(on iris "socat -u UNIX-CONNECT:$socket - 2>/dev/null" || true)"
		kill "$!"
	done
	mkdir -p /var/lib/sss/mc
	echo names >/var/lib/sss/mc/passwd
	want "control: the cache" names "$(on nora cat /var/lib/sss/mc/passwd)"
	want "the cache" 1 "$(status on iris test -e /var/lib/sss/mc/passwd)"
	rm -r /var/lib/sss /var/lib/gssproxy
}

# A place behind a directory that init may not search: then that one is hidden. The user, of its group, may.
test_hidden_behind_a_closed_directory() {
	mkdir -p /var/lib/samba/private
	echo secret >/var/lib/samba/private/file
	chgrp -R iris /var/lib/samba
	chmod -R 0750 /var/lib/samba
	want "control: without Cloister" secret "$(sed -i /pam_cloister/d /etc/pam.d/sshd; on iris cat /var/lib/samba/private/file)"
	pam_service sshd
	isolate iris
	[ "$(status on iris cat /var/lib/samba/private/file)" -ne 0 ] || fail "not hidden"
	want "the login works" iris "$(on iris whoami)"
	rm -r /var/lib/samba
}

test_homes_elsewhere() {
	mkdir -p /opt/people
	cp -a /home/iris /home/ivan /opt/people/
	chmod 0755 /opt/people/ivan
	echo secret >/opt/people/ivan/secret
	mount -t tmpfs -o mode=0755 srv /srv
	trap 'umount -l /srv; usermod -d /home/iris iris' EXIT
	cp -a /opt/people /srv/people
	usermod -d /srv/people/iris iris
	isolate iris
	want "the own home" "/srv/people/iris" "$(on iris pwd)"
	want "nobody else's" "iris" "$(on iris ls /srv/people)"
	usermod -d /opt/people/iris iris
	want "below /opt, which is a program's" "/opt/people/iris" "$(on iris pwd)"
	want "nobody else's" "iris" "$(on iris ls /opt/people)"
	want "control: nora sees it" secret "$(on nora cat /opt/people/ivan/secret)"
	rm -r /opt/people
}

no_bindfs() {
	! pgrep -x bindfs
}

# What should be shown and cannot be: the login is refused, not made without.
test_a_dead_file_system() {
	[ -c /dev/fuse ] || mknod -m 0666 /dev/fuse c 10 229 2>/dev/null || skip "no /dev/fuse can be made here"
	mkdir -p /opt/served /opt/dead
	trap 'umount -l /opt/dead' EXIT
	bindfs /opt/served /opt/dead
	isolate iris
	want "control: alive" iris "$(on iris whoami)"
	pkill -KILL -x bindfs
	eventually 10 no_bindfs || fail "bindfs does not end"
	# FUSE answers from what it knows for a second.
	sleep 2
	[ "$(status on iris true)" -ne 0 ] || fail "the login worked"
	want_match "syslog" 'refused: bind: .*/opt/dead.*(ENOTCONN|ECONNABORTED)' "$(log_new)"
	want_match "check" '^error: bind: .*/opt/dead' "$("$HOST_BUILD/cloister" check --config "$HOST_CONF" iris)"
}

# A user can mount FUSE on a directory of their own: nobody's login may depend on it, and nothing of it is shown.
test_a_users_file_system() {
	[ -c /dev/fuse ] || mknod -m 0666 /dev/fuse c 10 229 2>/dev/null || skip "no /dev/fuse can be made here"
	mkdir -p /opt/served /opt/mine
	chown ivan: /opt/served /opt/mine
	trap 'umount -l /opt/mine' EXIT
	setpriv --reuid ivan --regid ivan --init-groups bindfs --no-allow-other /opt/served /opt/mine
	isolate iris
	want "a login" iris "$(on iris whoami)"
	want "not shown" 0 "$(on iris 'grep -c " /opt/mine " /proc/mounts' || true)"
}

test_leaves_nothing() {
	file_systems
	isolate iris
	on iris true
	snapshot_before
	on iris true
	snapshot_same
}

run_cases "$@"
