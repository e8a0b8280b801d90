#!/bin/bash
# Homes: of the user's own (private), on file servers that keep root out, mounted on demand, and such that are refused.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

STATE=/var/lib/cloister/users/$(id -u iris 2>/dev/null)

# refused REGEX: a login of iris fails, runs nothing, and syslog says REGEX.
refused() {
	[ "$(status on iris 'echo ran >/run/test-case/ran')" -ne 0 ] || fail "the login worked"
	[ ! -e /run/test-case/ran ] || fail "user code ran"
	eventually 3 eval 'log_new | grep -q "session for iris refused"' || fail "no line in syslog: $(log_new)"
	want_match "syslog" "session for iris refused: $1" "$(log_new)"
}

# checked REGEX: `cloister check iris` says it, as an error.
checked() {
	want_match "check" "^error: .*$1" "$("$HOST_BUILD/cloister" check --config "$HOST_CONF" iris)"
}

not_checked() {
	want_no_match "check" "$1" "$("$HOST_BUILD/cloister" check --config "$HOST_CONF" iris)"
}

# A skeleton with everything in it that a file system has.
skeleton() {
	mkdir -p /etc/skel/.config/deep
	echo "from the skeleton" >/etc/skel/.config/deep/file
	ln -s /etc/passwd /etc/skel/link
	mkfifo /etc/skel/fifo
	mknod /etc/skel/device c 1 3
	cp /bin/true /etc/skel/tool
	chmod 6755 /etc/skel/tool
	echo one >/etc/skel/name
	ln /etc/skel/name /etc/skel/other-name
	chmod 0640 /etc/skel/name
}

test_private_home() {
	skeleton
	isolate iris 'home = private'
	echo host >/home/iris/of-the-host
	not_checked '^(error|warning): home'
	want "the place" /home/iris "$(on iris pwd)"
	want "owner and mode" "iris iris 700" "$(on iris 'stat -c "%U %G %a" .')"
	want "nothing of the host's home" "" "$(on iris 'ls of-the-host .ssh 2>/dev/null' || true)"
	want "a file" "from the skeleton" "$(on iris cat .config/deep/file)"
	want "a link" /etc/passwd "$(on iris readlink link)"
	want "no FIFO, no device" "" "$(on iris 'ls -d fifo device 2>/dev/null' || true)"
	want "no set-id bits" 755 "$(on iris stat -c %a tool)"
	want "modes" 640 "$(on iris stat -c %a name)"
	want "names are files" "1 1" "$(on iris 'echo $(stat -c %h name other-name)')"
	want "all of it is the user's" "" "$(on iris find . ! -user iris -o ! -group iris)"
	on iris 'echo kept >mine' || fail "cannot write"
	want "kept" kept "$(on iris cat mine)"
	want "the skeleton is not copied again" "" "$(rm /etc/skel/name && on iris 'rm name; echo')$(on iris 'ls name 2>/dev/null' || true)"
	want "the host's home is as it was" "$(printf '.ssh\nof-the-host')" "$(ls -A /home/iris)"
	want "on the host" kept "$(cat "/var/lib/cloister/users/$(id -u iris)/home/mine")"
	[ "$(status on nora "ls /var/lib/cloister/users/$(id -u iris)/home")" -ne 0 ] || fail "nora reaches it"
	not_checked '^(error|warning): home'
}

# The same home whatever the rest of the root is made of.
test_private_home_with_every_rootfs() {
	local mode
	# Of another test.
	find /etc/skel -mindepth 1 -newer /etc/ssh/test_host_key -delete
	rootfs_make /opt/rootfs/busybox
	isolate iris 'home = private' 'writable = tmpfs'
	on iris 'echo kept >mine'
	for mode in overlay tmpfs no direct; do
		isolate iris 'home = private' 'rootfs = /opt/rootfs/busybox' "writable = $mode"
		[ "$mode" != direct ] || chown -R iris: /opt/rootfs/busybox
		want "$mode" kept "$(on iris cat mine)"
		on iris "touch $mode" || fail "$mode: not writable"
	done
	for mode in overlay no; do
		isolate iris 'home = private' "writable = $mode"
		want "/ $mode" "kept" "$(on iris cat mine)"
	done
	want "all in one" "direct mine no overlay tmpfs" "$(on iris 'echo *')"
	want "su" kept "$(timeout 20 su -l iris -c 'cat mine' </dev/null)"
}

# What a first login left that was killed: removed, without a way out of it, and made anew.
test_private_home_half_made() {
	local state
	state=/var/lib/cloister/users/$(id -u iris)
	mkdir -p "$state/home.new/.config/deep"
	chmod -R 0700 /var/lib/cloister
	echo precious >/tmp/precious
	ln -s /tmp "$state/home.new/away"
	ln -s /tmp/precious "$state/home.new/.config/deep/link"
	touch "$state/home.new/half"
	isolate iris 'home = private'
	want "made anew" "" "$(on iris 'ls -d away half 2>/dev/null' || true)"
	want "with the skeleton" 0 "$(status on iris test -s .profile)"
	want "nothing is left" home "$(find "$state" -mindepth 1 -maxdepth 1 ! -name '-*' -printf '%f\n')"
	want "not followed" precious "$(cat /tmp/precious)"
}

copying() {
	[ -e "$1/home.new/zz" ] && [ ! -e "$1/home" ]
}

test_private_home_killed_in_the_middle() {
	local state pid
	state=/var/lib/cloister/users/$(id -u iris)
	truncate -s 2G /etc/skel/zz
	isolate iris 'home = private' 'writable = tmpfs' 'timeout = 60'
	client iris 'touch ~/ran'
	eventually 10 copying "$state" || fail "never in the middle: $(ls "$state")"
	for pid in $(pgrep -f 'sshd: iris'); do
		kill -KILL "$pid"
	done
	wait "$CLIENT" || true
	eventually 5 no_processes_left || fail "left: $(processes_left)"
	[ ! -e "$state/home" ] || fail "a home in the middle of the making"
	[ -e "$state/home.new/zz" ] || fail "it was over before the kill"
	rm /etc/skel/zz
	want "the next login" 0 "$(status on iris 'test -s .profile && ! test -e zz')"
	want "nothing is left" home "$(ls "$state")"
}

test_private_home_on_a_full_disk() {
	mount -t tmpfs -o mode=0700,size=400k full /var/lib/cloister
	head -c 1000000 /dev/urandom >/etc/skel/large
	isolate iris 'home = private' 'writable = tmpfs'
	refused 'home: .*large.*ENOSPC'
	want "nothing is left" "" "$(ls "/var/lib/cloister/users/$(id -u iris)")"
	rm /etc/skel/large
	want "with room" 0 "$(status on iris test -s .profile)"
	umount /var/lib/cloister
}

test_private_home_of_two_first_logins() {
	# Without the lock of an overlay, which would keep them apart, too.
	isolate iris 'home = private' 'writable = tmpfs'
	local i pids=()
	for i in 1 2 3 4; do
		on iris "test -s .profile && touch login-$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || fail "a login failed: $(log_new)"
	done
	want "one home" "login-1 login-2 login-3 login-4" "$(on iris 'echo login-*')"
}

# A first login waits for one that is making the home, and makes none beside it.
test_private_home_that_is_being_made() {
	local state maker
	state=/var/lib/cloister/users/$(id -u iris)
	mkdir -p "$state"
	chmod 0700 /var/lib/cloister/users "$state"
	isolate iris 'home = private' 'writable = tmpfs' 'timeout = 1'
	flock "$state" sleep 50 &
	maker=$!
	sleep 0.5
	refused 'home: another login of the user is making the home.*ETIMEDOUT'
	want "nothing made" "" "$(ls "$state")"
	pkill -P "$maker" sleep
	wait "$maker" || true
	want "then" 0 "$(status on iris test -s .profile)"
}

test_private_home_of_another() {
	printf '[default]\nisolate = yes\nhome = private\nwritable = tmpfs\nstate = /var/lib/cloister/all\n' | configure
	want "ivan" 0 "$(status on ivan 'echo secret >mine')"
	checked 'private home belongs to uid'
	refused 'home: the private home belongs to uid'
}

test_private_home_without_root() {
	local service
	for service in sshd login su su-l; do
		sed -i '/pam_cloister/d' "/etc/pam.d/$service"
	done
	usermod -s "$HOST_BUILD/cloister-sh" iris
	isolate iris 'home = private'
	want_match "told" 'home = private without root' "$(on iris 'touch ran' 2>&1 || true)"
	isolate iris
	want "control" iris "$(on iris whoami)"
}

test_private_home_from_a_skeleton_that_is_not_roots() {
	isolate iris 'home = private'
	chown iris /etc/skel
	refused '(path|home): .*skel'
	chown root /etc/skel
	want "control" 0 "$(status on iris true)"
}

# --- homes that root cannot reach ---

keys_elsewhere() {
	mkdir -p /etc/ssh/keys
	cp /root/.ssh/authorized_keys /etc/ssh/keys/iris
	sshd_restart 'AuthorizedKeysFile /etc/ssh/keys/%u'
}

# As with an NFS server's root squash: FUSE without allow_other lets nobody in but the user who mounted it.
squashed_home() {
	[ -c /dev/fuse ] || mknod -m 0666 /dev/fuse c 10 229 2>/dev/null || skip "no /dev/fuse can be made here"
	mkdir -p /opt/server/iris
	chown iris: /opt/server/iris
	setpriv --reuid iris --regid iris --init-groups bindfs --no-allow-other -o nonempty /opt/server/iris /home/iris

	trap 'umount -l /home/iris' EXIT
	keys_elsewhere
}

test_root_squash() {
	squashed_home
	stat /home/iris >/dev/null 2>&1 && fail "control: root reaches it"
	want "control: without Cloister" "/home/iris" "$(sed -i /pam_cloister/d /etc/pam.d/sshd; on iris pwd)"
	pam_service sshd
	isolate iris
	not_checked '^error'
	want "the home" /home/iris "$(on iris 'pwd')"
	on iris 'echo text >file' || fail "not writable: $(log_new)"
	want "on the server" text "$(cat /opt/server/iris/file)"
	want "su" text "$(timeout 20 su -l iris -c 'cat file' </dev/null)"
	on iris 'mkdir data; echo below >data/file'
	isolate iris 'bind = %h/data:/data:ro'
	not_checked '^error'
	want "a bind from there" below "$(on iris cat /data/file)"
	[ "$(status on iris touch /data/new)" -ne 0 ] || fail "not read-only"
	snapshot_leaves_no_child
}

# The child that opened the home is gone, and so are its descriptors.
snapshot_leaves_no_child() {
	local before after
	before=$(readlink "/proc/$(cat /run/sshd.pid)/fd/"* | sort)
	on iris true
	after=$(readlink "/proc/$(cat /run/sshd.pid)/fd/"* | sort)
	want "descriptors" "$before" "$after"
	eventually 5 eval '! pgrep -f "sshd: iris"' || fail "left: $(processes_left)"
}

# The user's groups of the host are what opens the way, and root's power does not.
# home_opener: "child" or "login process", by the system calls of a session's start.
home_opener() {
	strace -f -qq -e trace=clone3 -o /tmp/trace "$HOST_BUILD/cloister" run --user iris -- /bin/true </dev/null >/dev/null 2>&1 ||
		fail "no session: $(log_new)"
	if grep -q 'clone3(.*flags=CLONE_PIDFD, .*exit_signal=0' /tmp/trace; then
		echo child
	else
		echo "login process"
	fi
}

# A child is made only where somebody else than this kernel would have to be asked, or where the user's rights decide.
test_home_on_a_local_disk() {
	local short="login process"
	# Before, a kernel cannot say where a mount is without asking it.
	[ "$(printf '%s\n' 6.12 "$(uname -r)" | sort -V | head -n 1)" = 6.12 ] || short=child
	isolate iris
	ls /home/iris >/dev/null
	want "everybody may go there" "$short" "$(home_opener)"
	chmod 0711 /home
	want "searched by everybody" "$short" "$(home_opener)"
	chmod 0750 /home
	chgrp iris /home
	want "by the user's group alone" child "$(home_opener)"
	chgrp root /home
	chmod 0755 /home
	mkdir /home/lower /home/upper /home/work
	cp -a /home/iris/. /home/lower/
	mount -t overlay -o lowerdir=/home/lower,upperdir=/home/upper,workdir=/home/work overlay /home/iris
	chown iris: /home/iris
	want "an overlay may be over a server's" child "$(home_opener)"
	umount /home/iris
	rm -r /home/lower /home/upper /home/work
	mv /home/iris /home/there
	ln -s there /home/iris
	want "by a link" child "$(home_opener)"
	rm /home/iris
	mv /home/there /home/iris
}

# A mode that lets others in may bar the user: by a group of theirs, as the owner, by an access control list.
test_home_that_the_user_may_not_reach() {
	groupadd -f team
	usermod -aG team iris
	keys_elsewhere
	isolate iris
	chown root:team /home
	chmod 0705 /home
	refused 'home: .*as iris.*EACCES'
	chown iris:root /home
	chmod 0055 /home
	refused 'home: .*EACCES'
	chown root:root /home
	chmod 0755 /home
	python3 - "$(id -u iris)" <<-'END'
		import os, struct, sys
		entries = [(0x01, 7, 0xffffffff), (0x02, 0, int(sys.argv[1])), (0x04, 5, 0xffffffff), (0x10, 5, 0xffffffff), (0x20, 5, 0xffffffff)]
		os.setxattr("/home", "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in entries))
	END
	want "control: the mode" 755 "$(stat -c %a /home)"
	refused 'home: .*as iris.*EACCES'
	python3 -c 'import os; os.removexattr("/home", "system.posix_acl_access")'
	want "control: without it" /home/iris "$(on iris pwd)"
	gpasswd -d iris team >/dev/null
}

test_home_below_a_group_directory() {
	groupadd -f team
	mkdir -p /home/team
	mv /home/iris /home/team/iris
	chown root:team /home/team
	chmod 0750 /home/team
	usermod -d /home/team/iris iris
	keys_elsewhere
	isolate iris
	checked 'home: .*as iris'
	refused 'home: .*as iris.*EACCES'
	usermod -aG team iris
	not_checked '^error'
	want "a member" /home/team/iris "$(on iris pwd)"
	usermod -d /home/iris iris
	mv /home/team/iris /home/iris
	rmdir /home/team
}

test_home_that_is_missing_or_anothers() {
	isolate iris
	keys_elsewhere
	chown ivan: /home/iris
	checked "home: not a directory of iris's own"
	refused "home: not a directory of iris's own"
	mv /home/iris /home/away
	checked 'home: .*cannot open.*ENOENT'
	refused 'home: .*cannot open.*ENOENT'
	touch /home/iris
	checked 'home: .*ENOTDIR'
	refused 'home: .*ENOTDIR'
	rm /home/iris
	mv /home/away /home/iris
	chown iris: /home/iris
	not_checked '^error'
}

# In a directory of root's a link is the administrator's; in the user's it may be anybody's.
test_home_through_links() {
	isolate iris
	keys_elsewhere
	ln -s /home/iris /home/link
	usermod -d /home/link iris
	want "root's link" 0 "$(status on iris test -d /home/link/.ssh)"
	mkdir /home/iris/real
	ln -s real /home/iris/planted
	chown -h iris: /home/iris/real /home/iris/planted
	usermod -d /home/iris/planted iris
	checked 'home: .*symbolic link'
	refused 'home: .*symbolic link'
	usermod -d /home/iris/real iris
	want "control: without the link" /home/iris/real "$(on iris pwd)"
	usermod -d /home/iris iris
	rm /home/link
}

# The user can stop the child that opens the home, but not the login program: that goes on after the timeout.
test_home_on_a_server_that_hangs() {
	squashed_home
	isolate iris 'timeout = 2' 'writable = tmpfs'
	want "control" iris "$(on iris whoami)"
	pkill -STOP -f 'bindfs --no-allow-other'
	# FUSE answers from what it knows for a second; then the server is needed.
	sleep 2
	SECONDS=0
	refused 'home: .*no answer.*ETIMEDOUT'
	[ "$SECONDS" -le 12 ] || fail "it took $SECONDS seconds"
	pkill -CONT -f 'bindfs --no-allow-other'
	want "again" iris "$(on iris whoami)"
}

end_automount() {
	kill "$AUTOMOUNT" || true
	wait "$AUTOMOUNT" || true
	umount -l /srv/auto/iris /srv/auto /srv/browsed/iris /srv/browsed 2>/dev/null || true
	mount --make-rprivate /
}

# automount(8) with an indirect map. The host's mounts are shared, as systemd has them: the login process is in a slave.
test_autofs() {
	[ -c /dev/autofs ] || mknod /dev/autofs c 10 235 2>/dev/null || skip "no /dev/autofs can be made here"
	mkdir -p /opt/server/iris /srv/auto /srv/browsed
	chown iris: /opt/server/iris
	echo served >/opt/server/iris/file
	chown iris: /opt/server/iris/file
	printf '/srv/auto /etc/auto.homes --timeout=300\n/srv/browsed /etc/auto.browsed browse --timeout=300\n' >/etc/auto.test
	echo 'iris -fstype=bind :/opt/server/iris' >/etc/auto.browsed
	echo '* -fstype=bind :/opt/server/&' >/etc/auto.homes
	mount --make-rshared /
	trap 'end_automount' EXIT
	# In a process group of its own: autofs serves nobody of the daemon's.
	setsid automount -f --pid-file /run/automount.pid /etc/auto.test >"$CASE_STATE/automount" 2>&1 &
	AUTOMOUNT=$!
	eventually 10 grep -q ' /srv/browsed autofs' /proc/mounts || skip "automount does not run here: $(cat "$CASE_STATE/automount")"
	keys_elsewhere
	isolate iris
	# The directory is there before anything is mounted on it, as with systemd's automount units.
	usermod -d /srv/browsed/iris iris
	[ -d /srv/browsed/iris ] || fail "no directory to browse"
	want "there, and not mounted" 0 "$(grep -c ' /srv/browsed/iris ' /proc/mounts || true)"
	want "mounted by being opened" served "$("$HOST_BUILD/cloister" run --config "$HOST_CONF" --user iris -- cat /srv/browsed/iris/file)"
	usermod -d /srv/auto/iris iris
	want "not mounted yet" "" "$(grep ' /srv/auto/iris ' /proc/mounts || true)"
	# sshd looks at the home itself, before the session; here nobody does but the session.
	want "the first to look" served "$("$HOST_BUILD/cloister" run --config "$HOST_CONF" --user iris -- cat /srv/auto/iris/file)"
	want "the home" "/srv/auto/iris served" "$(on iris 'echo $(pwd) $(cat file)')"
	want "mounted on the host" 1 "$(grep -c ' /srv/auto/iris ' /proc/mounts)"
	on iris 'echo more >other'
	want "written" more "$(cat /opt/server/iris/other)"
	usermod -d /srv/auto/nobody iris
	checked 'home: .*nobody'
	refused 'home: .*nobody.*ENOENT'
	usermod -d /home/iris iris
}

run_cases "$@"
