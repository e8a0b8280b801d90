#!/bin/bash
# users = root: the user is uid 0 inside, whichever way in, and an unprivileged id outside; the home stays theirs.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
. "$(dirname -- "$0")/../lib/root_inside.sh"

PROBE=$HOST_BUILD/probe/root_inside

# table: users = root: ssh host, ssh host command | uid 0 inside, the user outside
test_ssh() {
	rooted
	want "whoami" root "$(on iris whoami)"
	want "id" "0 0" "$(on iris 'echo $(id -u) $(id -g)')"
	want "home" /home/iris "$(on iris 'echo $HOME')"
	want "directory" /home/iris "$(on iris pwd)"
	want "names" "iris iris" "$(on iris 'echo $USER $LOGNAME')"
	want_match "path" ':/usr/sbin(:|$)' "$(on iris 'echo $PATH')"
	want "status" 3 "$(status on iris exit 3)"
	head -c 2000000 /dev/urandom >/tmp/data
	want "binary" "$(sha256sum </tmp/data)" "$(as iris cat </tmp/data | sha256sum)"
	on iris 'echo text >file; mkdir directory; touch /etc/made /root/made'
	want "in the home: outside" "iris iris" "$(stat -c '%U %U' /home/iris/file | head -n 1)"
	want "in the home: inside" "0 0" "$(on iris stat -c "'%u %g'" file)"
	want "in the rootfs: inside" "0 0" "$(on iris stat -c "'%u %g'" /etc/made)"
	want "/ and what is of root's" "0 0 0 0" "$(on iris 'echo $(stat -c %u / /run /etc/passwd /dev)')"
	want "the rootfs itself" "" "$(find "$ROOT" -name made)"
}

test_terminal() {
	rooted
	want_match "tty" '^/dev/pts/[0-9]+' "$(as iris -tt tty </dev/null | tr -d '\r')"
	local output
	output=$(timeout 20 expect -c '
		spawn ssh -tt iris@testhost
		expect "# "
		send "stty size; ls -l /proc/self/fd/0 | sed s/.*-..//\r"
		expect -re {/dev/pts/[0-9]+}
		expect "# "
		send "sleep 100\r"
		sleep 0.3
		send "\003"
		expect "# "
		send "exit 4\r"
		expect eof
		exit [lindex [wait] 3]') && fail "exit 0: $output"
	want_no_match "job control" 'no job control|cannot' "$output"
}

# table: users = root: su, login, sudo, cron, at, cloister run | uid 0 inside
test_other_ways_in() {
	rooted
	want "su -l" root "$(timeout 20 su -l iris -c whoami </dev/null)"
	want "su -l, terminal" root "$(in_pty 'su -l iris -c whoami')"
	want_match "su -l, tty" '^/dev/pts/' "$(in_pty 'su -l iris -c tty')"
	want "su: status" 3 "$(status timeout 20 su -l iris -c 'exit 3' </dev/null)"
	want "cloister run" root "$("$HOST_BUILD/cloister" run --user iris -- whoami)"
	want "cloister run: home" /home/iris "$("$HOST_BUILD/cloister" run --user iris -- pwd)"
	want "cloister run: a shell" root "$("$HOST_BUILD/cloister" run --user iris -- sh -c whoami)"
	pam_service sudo
	pam_service sudo-i
	rm -rf /etc/sudoers.d
	echo 'root ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers
	chmod 0440 /etc/sudoers
	want "sudo -i" root "$(timeout 20 sudo -i -u iris whoami </dev/null)"
	# What it executes is no shell: a door, too. And a script, whose interpreter is one.
	want "sudo" "root" "$(timeout 20 sudo -u iris /bin/whoami </dev/null)"
	printf '#!/bin/sh\necho "$(whoami) $# $1"\n' >/home/iris/script
	chmod 0755 /home/iris/script
	want "a script" "root 1 a b" "$(timeout 20 sudo -u iris /home/iris/script "a b" </dev/null)"
	local output
	output=$(timeout 20 expect -c '
		spawn -noecho sh -c {setsid -c -w /bin/login -f iris; :}
		expect "# "
		send "echo I am \$(whoami) on \$(tty)\r"
		expect -re {I am root on /dev/pts/[0-9]+}
		send "exit\r"
		expect eof')
	want_match "login" 'I am root on /dev/pts/[0-9]+' "$output"
}

test_cron() {
	rooted
	pam_service cron
	mkdir -p /var/spool/cron/crontabs
	chgrp crontab /var/spool/cron/crontabs
	chmod 1730 /var/spool/cron/crontabs
	echo '@reboot echo $(whoami) $(id -u) >cron' >/var/spool/cron/crontabs/iris
	chown iris:crontab /var/spool/cron/crontabs/iris
	chmod 0600 /var/spool/cron/crontabs/iris
	rm -f /run/crond.pid /run/crond.reboot
	/usr/sbin/cron -f </dev/null >/dev/null 2>&1 &
	local daemon=$!
	eventually 15 test -s /home/iris/cron || { kill "$daemon"; fail "cron did not run it"; }
	kill "$daemon"
	want "cron" "root 0" "$(cat /home/iris/cron)"
}

# The login program's own part of a session has the user's id, which is the same on the host as root's inside.
# table: users = root: internal-sftp, scp | as the user; their files are root's inside
test_sftp_and_scp() {
	rooted
	echo "host canary" >/run/canary
	seq 1000 >/tmp/numbers
	timeout 20 sftp -q -b - iris@testhost >/dev/null <<-'END' || fail "sftp"
		put /tmp/numbers home
		put /tmp/numbers /root/numbers
		put /tmp/numbers /etc/numbers
		mkdir /etc/directory
	END
	want "inside" "0 0 0 0" "$(on iris 'echo $(stat -c %u home /root/numbers /etc/numbers /etc/directory)')"
	want "outside" iris "$(stat -c %U /home/iris/home)"
	timeout 20 scp -q /tmp/numbers iris@testhost:/etc/copied || fail "scp"
	want "scp, inside" 0 "$(on iris stat -c %u /etc/copied)"
	on iris 'echo secret >/root/secret; chmod 0600 /root/secret'
	timeout 20 scp -q iris@testhost:/root/secret /tmp/secret || fail "scp of a file of root's"
	want "it" secret "$(cat /tmp/secret)"
	timeout 20 sftp -q -b - iris@testhost <<<'get /run/canary /tmp/got' >/dev/null 2>&1 && fail "sftp reads the host"
	# What it sees of the programs' directories are the doors.
	timeout 20 sftp -q -b - iris@testhost <<<'put /tmp/numbers /bin/numbers' >/dev/null 2>&1 && fail "put in /bin"
	timeout 20 sftp -q -b - iris@testhost <<<'put /tmp/numbers /run/cloister/root/bin/numbers' >/dev/null ||
		fail "put in the programs' directory by its other name"
	want "there" 0 "$(on iris stat -c %u /bin/numbers)"
}

# table: users = root: -L, agent | contained; root inside reaches the agent
test_forwards_and_agent() {
	rooted
	rootfs_add "$ROOT" /usr/bin/ssh-add
	eval "$(ssh-agent)" >/dev/null
	ssh-add -q /root/.ssh/id_ed25519
	want_match "agent" 'ED25519' "$(as iris -A ssh-add -l </dev/null)"
	kill "$SSH_AGENT_PID"
	want "no way to the host" "" "$(timeout 5 ssh -W 127.0.0.1:22 iris@testhost </dev/null 2>/dev/null | head -n 1)"
	client iris -L 5001:127.0.0.1:5000 'while :; do nc -l -p 5000 -e echo inside; done'
	listens_inside() { timeout 3 busybox nc -w 2 127.0.0.1 5001 </dev/null 2>/dev/null | grep -q inside; }
	eventually 15 listens_inside || fail "-L does not reach what root inside listens on"
}

# In the session: a second uid, and files of it in the rootfs and in the home.
test_other_ids_inside() {
	rooted
	local base
	base=$(range_of iris)
	on iris 'echo bob:x:1000:1000::/:/bin/sh >>/etc/passwd && su bob -c "touch /tmp/x; id -u" && touch mine && chown bob mine && chgrp tty mine' \
		>/tmp/out 2>&1 || fail "$(cat /tmp/out)"
	want "bob" 1000 "$(tail -n 1 /tmp/out)"
	want "bob's on the host" "$((base + 1000))" "$(stat -c %u /home/iris/mine)"
	# Nobody's group on the host: a set-group-ID file of group tty in the home would open every terminal.
	want "tty's on the host" "$((base + 5))" "$(stat -c %g /home/iris/mine)"
	# The user's own number is nobody's inside.
	on iris "touch other && chown $(id -u iris):$(id -g iris) other && chown 0:0 mine"
	want "the number of the user" "$((base + $(id -u iris)))" "$(stat -c %u /home/iris/other)"
	want "taken back" iris "$(stat -c %U /home/iris/mine)"
	# It stays for the next login, and on the disk it is what it is inside.
	want "next login" 1000 "$(on iris 'id -u bob')"
	want "on the disk" "0 $(id -u iris)" "$(on iris "touch /etc/a /etc/b; chown $(id -u iris) /etc/b" &&
		stat -c %u "$STATE"/*/root-*/upper/etc/[ab] | xargs)"
}

# Groups of the user's of 1000 and above count inside, as with users = same.
test_groups() {
	rooted 'bind = /srv/course'
	groupadd -f -g 1500 course
	usermod -aG course,daemon iris
	mkdir -p /srv/course
	chgrp course /srv/course
	chmod 2770 /srv/course
	on iris 'touch /srv/course/here' || fail "a group's directory"
	want "its group" 1500 "$(stat -c %g /srv/course/here)"
	want "inside" "0 1500" "$(on iris 'id -G')"
	rm -r /srv/course
	gpasswd -d iris course >/dev/null
	gpasswd -d iris daemon >/dev/null
}

# ---- what root inside cannot do ----
refused_inside() {
	local control
	cp "$PROBE" "$ROOT/bin/"
	mkdir -p /tmp/control
	control=$(unshare --mount --propagation private --pid --fork --kill-child --mount-proc --net --uts --ipc \
		"$PROBE" /tmp/control)
	[ "$(grep -c ' done$' <<<"$control")" -ge 18 ] || fail "control: $control"
	want "as root inside" "" "$(on iris 'mkdir -p /tmp/a && root_inside /tmp/a' | grep ' done$' || true)"
	want "all were tried" "$(wc -l <<<"$control")" "$(on iris 'mkdir -p /tmp/a && root_inside /tmp/a' | wc -l)"
}

test_attacks() {
	rooted
	refused_inside
}

# The kernel's own walls: nothing but the inner user namespace is the user's.
test_attacks_without_the_filter() {
	rooted 'seccomp = none'
	refused_inside
}

test_attacks_with_every_capability() {
	local names
	names=$(python3 -c 'print(", ".join(line.split("\t")[1].split()[0].lower() for line in
		open("/usr/include/linux/capability.h") if line.startswith("#define CAP_") and len(line.split()) == 3
		and line.split()[2].isdigit()))' 2>/dev/null || true)
	[ "$(wc -w <<<"$names")" -gt 30 ] || names='cap_chown, cap_setuid, cap_setgid, cap_sys_admin, cap_net_admin,
		cap_sys_ptrace, cap_mknod, cap_net_raw, cap_sys_chroot, cap_dac_override, cap_kill'
	rooted "capabilities = $(tr -d '\n\t' <<<"$names")"
	want_match "control" '^CapEff:.*[1-9a-f]{4}' "$(on iris grep CapEff /proc/self/status)"
	refused_inside
}

test_the_way_in_cannot_be_changed() {
	rooted
	want "the namespace's file" 1 "$(status on iris 'echo x >/run/cloister/users')"
	want "moved away" 1 "$(status on iris 'mv /run/cloister /run/other')"
	want "removed" 1 "$(status on iris 'rm /run/cloister/users')"
	want "the session file" 1 "$(status on iris 'echo shell=/bin/other >/run/cloister/session')"
	want "replaced" 1 "$(status on iris 'rm /run/cloister/session')"
	# Out of the second tree by chroot(2), which root inside may call: to the session's own first one.
	cat >/tmp/out.c <<-'END'
		#include <fcntl.h>
		#include <stdio.h>
		#include <sys/stat.h>
		#include <unistd.h>
		int main(void)
		{
			int fd = open("/", O_RDONLY);
			mkdir("/tmp/jail", 0755);
			if (chroot("/tmp/jail") < 0 || fchdir(fd) < 0)
				return perror("chroot"), 1;
			for (int i = 0; i < 64; i++)
				if (chdir("..") < 0)
					return perror("chdir"), 1;
			if (chroot(".") < 0)
				return perror("chroot"), 1;
			printf("%s\n", access("/run/canary", F_OK) == 0 ? "host" : access("/run/cloister/root/bin", F_OK) == 0 ? "session" : "nowhere");
			fflush(stdout);
			return execl("/run/cloister/root/bin/busybox", "sh", "-c", "/run/cloister/root/bin/busybox whoami; /bin/sh -c whoami", NULL);
		}
	END
	gcc -static -o "$ROOT/bin/out" /tmp/out.c
	echo "host canary" >/run/canary
	want "control" host "$(chroot / "$ROOT/bin/out" 2>/dev/null | head -n 1)"
	want "inside" "session root" "$(on iris out 2>/dev/null | head -n 2 | xargs)"
}

test_a_program_that_is_moved_is_refused() {
	rooted
	pam_service unknown
	want "status" 1 "$(status timeout 20 pamtester unknown iris open_session)"
	want_match "reason" 'refused: .*users = root' "$(log_new)"
}

test_the_hosts_own_files_are_refused() {
	isolate iris 'users = root'
	want "rootfs = /" 254 "$(status on iris true)"
	want_match "reason" 'refused: .*users = root needs a rootfs of its own' "$(log_new)"
	mkdir -p /opt/rootfs/slash
	mount --bind / /opt/rootfs/slash
	isolate iris 'users = root' 'rootfs = /opt/rootfs/slash'
	want "by another name" 254 "$(status on iris true)"
	want_match "reason" "refused: .*the host's /" "$(log_new)"
	umount /opt/rootfs/slash
	isolate root 'users = root' 'rootfs = /opt/rootfs/slash'
	want "root" 254 "$(status on root true)"
}

# ---- settings ----
test_capabilities() {
	rooted
	want "by default" "00000000000400fb 00000000000400fb" \
		"$(on iris "awk '/^Cap(Eff|Bnd)/ {print \$2}' /proc/self/status | xargs")"
	rooted 'capabilities = none'
	want "none" "0000000000000000 0000000000000000" \
		"$(on iris "awk '/^Cap(Eff|Bnd)/ {print \$2}' /proc/self/status | xargs")"
	want "root without them" 0 "$(on iris id -u)"
	want "chown" 1 "$(status on iris 'touch a; chown 5 a')"
	rooted 'capabilities = cap_chown'
	want "one" "0000000000000001 0000000000000001" \
		"$(on iris "awk '/^Cap(Eff|Bnd)/ {print \$2}' /proc/self/status | xargs")"
	want "chown" 0 "$(status on iris 'touch a; chown 5 a')"
	want "no_new_privs, filter" "1 2" "$(on iris "awk '/^(NoNewPrivs|Seccomp):/ {print \$2}' /proc/self/status | xargs")"
}

test_writable() {
	rooted 'writable = no'
	want "no" 1 "$(status on iris 'touch /etc/x')"
	want "no: the home" 0 "$(status on iris 'touch x')"
	rooted 'writable = tmpfs'
	want "tmpfs" root "$(on iris 'touch /etc/x; stat -c %U /etc/x')"
	want "tmpfs, gone" 1 "$(status on iris 'test -e /etc/x')"
	rooted 'writable = direct'
	want "direct, of the host's root" 254 "$(status on iris 'touch /etc/x')"
	chown -R iris: "$ROOT"
	want "direct, of the user's" 0 "$(on iris 'touch /etc/x; stat -c %u /etc/x')"
	want "direct: outside" iris "$(stat -c %U "$ROOT/etc/x")"
	want "direct: files of the host's root" "" "$(find "$ROOT" -uid 0)"
}

test_shell() {
	rooted 'shell = /bin/ash'
	want "another shell" "root /bin/ash" "$(on iris 'echo $(whoami) $SHELL')"
	usermod -s /bin/bash iris
	want "bash is not there" "root /bin/ash" "$(on iris 'echo $(whoami) $SHELL')"
	rooted
	want "missing" 254 "$(status on iris true)"
	want_match "reason" '/bin/bash' "$(log_new | grep 'refused: shell')"
	usermod -s "$HOST_BUILD/cloister-sh" iris
	rooted 'shell = /bin/ash'
	want "cloister-sh" "root /bin/ash" "$(on iris 'echo $(whoami) $SHELL')"
}

test_two_sessions_share_the_layer() {
	rooted
	client iris 'echo one >/etc/shared; echo ready; sleep 20'
	eventually 10 grep -q ready "$CASE_STATE/client" || fail "no session"
	want "the other sees it" "one 0" "$(on iris 'echo $(cat /etc/shared) $(stat -c %u /etc/shared)')"
}

test_leaves_nothing() {
	rooted
	on iris true
	snapshot_before
	on iris 'setsid sleep 1000 >/dev/null 2>&1 </dev/null & sleep 0.2'
	on iris true
	timeout 20 su -l iris -c true </dev/null
	"$HOST_BUILD/cloister" run --user iris -- true
	snapshot_same
}

# ---- cloister-sh alone: newuidmap(1) and newgidmap(1) map 0 to the user, and the rest to the range ----
alone() {
	timeout 20 su nora -s /bin/sh -c "$HOST_BUILD/cloister-sh -c '$1'" </dev/null
}

# table: cloister-sh alone, users = root | uid 0 inside, the user outside
test_login_shell_alone() {
	sed -i '/pam_cloister/d' /etc/pam.d/su
	isolate nora 'users = root'
	chmod 0755 /etc/cloister
	want "without a range" "0 0" "$(alone 'echo $(id -u) $(id -g)')"
	alone 'touch file'
	want "outside" nora "$(stat -c %U /home/nora/file)"
	want "another id" 1 "$(status alone 'chown 5 file')"
	printf 'nora:400000:65536\n' | tee /etc/subuid >/etc/subgid
	want "with a range" "0 0" "$(alone 'echo $(id -u) $(id -g)')"
	alone 'chown 5:6 file'
	want "another id" "400004 400005" "$(stat -c '%u %g' /home/nora/file)"
	alone 'chown 0:0 file'
	want "capabilities" "00000000000400fb 00000000000400fb" \
		"$(alone "awk \"/^Cap(Eff|Bnd)/ {print \\\$2}\" /proc/self/status | xargs")"
	want "mount" 32 "$(status alone 'mount -t tmpfs none /tmp')"
	: >/etc/subuid
	: >/etc/subgid
}

run_cases "$@"
