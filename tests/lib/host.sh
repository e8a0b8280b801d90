# shellcheck shell=bash
# The test host: a throw-away machine made of namespaces and tmpfs, with users, syslog and a real sshd on its own
# loopback. Nothing of it reaches the machine that it runs on, and the kernel takes it away with its last process.
#
#   host_enter SCRIPT [ARGUMENT...]  runs SCRIPT as PID 1 of a new test host (replaces the calling process)
#   host_build                       inside: makes the file systems, users and keys

# The build and the tests as seen in the test host: the checkout may lie in a directory that the test host hides.
HOST_BUILD=/opt/cloister
HOST_TESTS=/opt/tests
HOST_CONF=/etc/cloister/cloister.conf

host_checkout() {
	(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
}

host_enter() {
	if [ "$(id -u)" -ne 0 ]; then
		echo "the test host needs root" >&2
		exit 1
	fi
	if [ -n "${HOST_USER_NAMESPACE-}" ] && [ "$HOST_USER_NAMESPACE" != made ]; then
		host_enter_user_namespace "$@"
	fi
	# A PAM session, an agent or a locale of whoever runs the tests must not decide a test.
	exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root HOST_USER_NAMESPACE="${HOST_USER_NAMESPACE-}" LOGNAME=root \
		SHELL=/bin/sh LANG=C.UTF-8 TERM="${TERM:-dumb}" LONG="${LONG-}" LATE_CLOSE="${LATE_CLOSE-}" CLOISTER_LOGINS="${CLOISTER_LOGINS-}" \
		CLOISTER_LOGINS_TIMEOUT="${CLOISTER_LOGINS_TIMEOUT-}" CLOISTER_FAULTS_SEED="${CLOISTER_FAULTS_SEED-}" HOST_INSIDE=1 HOST_CHECKOUT="$(host_checkout)" \
		HOST_BUILD_FROM="${B:-build}" \
		unshare --mount --propagation private --pid --fork --kill-child --mount-proc --net --uts --ipc \
		bash "$@"
}

# The same as root of a user namespace in which every id is itself: there limits of namespaces (user.max_*) can be set
# that hold for nobody else.
host_enter_user_namespace() {
	local directory status=0
	directory=$(mktemp -d)
	mkfifo "$directory/go"
	HOST_USER_NAMESPACE=made unshare --user bash -c 'read -r _ <"$0" && exec bash "$@"' "$directory/go" "$@" &
	local pid=$! i
	for ((i = 0; i < 100; i++)); do
		[ "$(readlink "/proc/$pid/ns/user")" = "$(readlink /proc/self/ns/user)" ] || break
		sleep 0.05
	done
	echo "0 0 4294967295" >"/proc/$pid/uid_map"
	echo "0 0 4294967295" >"/proc/$pid/gid_map"
	echo go >"$directory/go"
	rm -r "$directory"
	wait "$pid" || status=$?
	exit "$status"
}

# mknod(2) needs the machine's own root; elsewhere the machine's node is bound.
host_make_node() {
	local name=$1 major=$2 minor=$3
	# Not 2>/dev/null: that would make the file.
	if ! mknod -m 0666 "/dev/$name" c "$major" "$minor" 2>&-; then
		touch "/dev/$name"
		mount --bind "/run/dev/$name" "/dev/$name"
	fi
}

host_make_dev() {
	mkdir /run/dev
	mount --rbind /dev /run/dev
	mount -t tmpfs -o mode=0755,nosuid dev /dev
	local node
	for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
		# shellcheck disable=SC2086
		host_make_node ${node//:/ }
	done
	umount -l /run/dev
	rmdir /run/dev
	chgrp tty /dev/tty || true
	mkdir -m 0755 /dev/pts
	mkdir -m 1777 /dev/shm
	mount -t devpts -o newinstance,mode=620,gid=5,ptmxmode=666 devpts /dev/pts
	mount -t tmpfs -o mode=1777,nosuid,nodev shm /dev/shm
	ln -s pts/ptmx /dev/ptmx
	ln -s /proc/self/fd /dev/fd
	ln -s fd/0 /dev/stdin
	ln -s fd/1 /dev/stdout
	ln -s fd/2 /dev/stderr
}

# An overlay of DIRECTORY that forgets: what is written goes to a tmpfs that has no name any more.
host_forgetful() {
	mount -t tmpfs -o mode=0700 scratch /run
	mkdir /run/upper /run/work
	chmod 0755 /run/upper
	mount -t overlay -o "lowerdir=$1,upperdir=/run/upper,workdir=/run/work" forgetful "$1"
	umount -l /run
}

# host_root_is ro|rw: the machine's root file system, as this host sees it. What a test has to write there it takes away.
host_root_is() {
	mount -o "remount,bind,$1" /
}

host_make_files() {
	# The checkout first, while it can still be seen.
	mount -t tmpfs -o mode=0755 opt /opt
	mkdir "$HOST_BUILD" "$HOST_TESTS" /opt/rootfs
	local build=$HOST_BUILD_FROM program
	[ "${build#/}" != "$build" ] || build=$HOST_CHECKOUT/$build
	# A copy: a `make` meanwhile must not pull a program away from under a test.
	for program in pam_cloister.so cloister cloister-image cloister-sh cloister-init cloister-not-isolated probe; do
		[ ! -e "$build/$program" ] || cp -a "$build/$program" "$HOST_BUILD/"
	done
	chown -R root: "$HOST_BUILD"
	mount --bind "$HOST_CHECKOUT/tests" "$HOST_TESTS"
	mkdir /opt/doc /opt/conf
	mount --bind "$HOST_CHECKOUT/doc" /opt/doc
	mount --bind "$HOST_CHECKOUT/conf" /opt/conf
	host_forgetful /etc
	host_forgetful /var/lib
	mount -t tmpfs -o mode=0755,nosuid,nodev run /run
	mkdir -p /run/sshd /run/lock /var/lib/cloister
	touch /run/utmp
	mount -t tmpfs -o mode=0755,nosuid,nodev home /home
	mount -t tmpfs -o mode=0755,nosuid,nodev log /var/log
	touch /var/log/wtmp /var/log/btmp /var/log/lastlog /var/log/syslog
	mount -t tmpfs -o mode=0700 state /var/lib/cloister
	mount -t tmpfs -o mode=0700,nosuid,nodev root /root
	mount -t tmpfs -o mode=1777,nosuid,nodev tmp /tmp
	mount -t tmpfs -o mode=0755 spool /var/spool
	# Several hosts run at once: what one makes in the machine's own directories another one would see.
	mount -t tmpfs -o mode=0755 srv /srv
	mount -t tmpfs -o mode=0755 mnt /mnt
	host_make_dev
	host_root_is ro
}

# iris and ivan are isolated by the configurations of the tests, nora never is.
host_make_users() {
	mkdir -p /etc/cloister /etc/ssh
	rm -rf /etc/cloister/* /etc/ssh/sshd_config.d /etc/nologin /etc/security/limits.d/*
	touch /etc/subuid /etc/subgid
	local name
	mkdir -m 0700 /root/.ssh
	ssh-keygen -q -t ed25519 -N '' -C test -f /root/.ssh/id_ed25519
	cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
	for name in "$@"; do
		useradd -m -d "/home/$name" -s /bin/sh -p '*' "$name"
		chmod 0755 "/home/$name"
		mkdir -m 0700 "/home/$name/.ssh"
		cp /root/.ssh/id_ed25519.pub "/home/$name/.ssh/authorized_keys"
		chown -R "$name:" "/home/$name"
		ssh_public_key_login "$name"
	done
	cat >/root/.ssh/config <<-'END'
		Host *
			StrictHostKeyChecking no
			UserKnownHostsFile /dev/null
			LogLevel ERROR
			BatchMode yes
			ConnectTimeout 10
			HostName 127.0.0.1
			EscapeChar none
	END
	ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/test_host_key
}

# sshd takes an account whose password begins with "!" for locked; "*" is only one without a password.
ssh_public_key_login() {
	usermod -p '*' "$1"
}

host_loopback_up() {
	# iproute2 is no need of `make demo`; perl-base is on every Debian. SIOCSIFFLAGS, IFF_UP.
	perl -e 'use Socket; socket(my $s, AF_INET, SOCK_DGRAM, 0) or die; my $r = pack("a16 s x22", "lo", 1);
		ioctl($s, 0x8914, $r) or die "lo: $!"'
}

host_build() {
	set -e
	umask 022
	host_loopback_up
	hostname testhost
	host_make_files
	host_make_users "$@"
	host_default_configuration
	if command -v busybox >/dev/null; then
		busybox syslogd -n -O /var/log/syslog </dev/null >/dev/null 2>&1 &
		HOST_SYSLOGD=$!
		# It has its name, by which it is kept, and its socket only once it runs.
		local i
		for ((i = 0; i < 400; i++)); do
			[ ! -S /dev/log ] || break
			sleep 0.05
		done
	fi
	set +e
}

# ---- configuration files; each reads its text from standard input ----
configure() {
	cat >"$HOST_CONF.new"
	chmod 0644 "$HOST_CONF.new"
	mv "$HOST_CONF.new" "$HOST_CONF"
}

# isolate USER [LINE...]: a configuration that isolates USER alone, with these lines.
isolate() {
	local user=$1
	shift
	{
		printf '[user:%s]\nisolate = yes\n' "$user"
		[ $# -eq 0 ] || printf '%s\n' "$@"
	} | configure
}

# pam_service SERVICE [BEFORE [AFTER]]: a PAM service with lines before and after that of the module.
pam_service() {
	cat >"/etc/pam.d/$1" <<-END
		auth required pam_permit.so
		account required pam_unix.so
		session optional pam_keyinit.so force revoke
		session required pam_unix.so
		session required pam_limits.so
		session required pam_env.so
		${2-}
		session required $HOST_BUILD/pam_cloister.so conf=$HOST_CONF
		${3-}
	END
}

host_default_configuration() {
	configure <<-'END'
		[user:iris]
		isolate = yes
		[user:ivan]
		isolate = yes
	END
	rm -rf "$HOST_CONF.d"
	local service
	for service in sshd login su su-l; do
		pam_service "$service"
	done
	sed -i -E 's,^((iris|ivan|nora):.*:)[^:]*$,\1/bin/sh,' /etc/passwd
	printf '# empty\n' >/etc/security/limits.conf
	printf '# empty\n' >/etc/security/pam_env.conf
	: >/etc/environment
	rm -f /etc/motd /etc/securetty
	printf '127.0.0.1 localhost testhost\n' >/etc/hosts
}

# ---- sshd ----
sshd_configuration() {
	local sftp='Subsystem sftp internal-sftp'
	# The one keyword that may not stand twice.
	grep -q '^Subsystem' <<<"${1-}" && sftp=
	cat >/etc/ssh/sshd_config <<-END
		${1-}
		ListenAddress 127.0.0.1
		Port 22
		HostKey /etc/ssh/test_host_key
		PidFile /run/sshd.pid
		UsePAM yes
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		PermitRootLogin prohibit-password
		PermitUserEnvironment yes
		AcceptEnv LANG LC_* TEST_*
		X11Forwarding no
		PrintMotd no
		UseDNS no
		LogLevel VERBOSE
		MaxStartups 200
		MaxSessions 20
		$sftp
	END
}

port_open() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# sshd_start [LINES]: LINES come first, since sshd_config(5) takes the first value of each keyword. LATE_CLOSE=1: it closes
# sessions late (tests/probe/late_close_preload.c).
sshd_start() {
	sshd_configuration "${1-}"
	setsid ${LATE_CLOSE:+env LD_PRELOAD="$HOST_BUILD/probe/late_close_preload.so"} /usr/sbin/sshd -D </dev/null >/dev/null 2>&1 &
	local i
	for i in $(seq 200); do
		port_open 22 && [ -s /run/sshd.pid ] && return 0
		sleep 0.05
	done
	echo "sshd does not answer after ${i}0 tries: $(/usr/sbin/sshd -t 2>&1)" >&2
	return 1
}

sshd_stop() {
	[ -s /run/sshd.pid ] || return 0
	kill "$(cat /run/sshd.pid)" 2>/dev/null
	local i
	for ((i = 0; i < 100; i++)); do
		port_open 22 || break
		sleep 0.05
	done
	rm -f /run/sshd.pid
}

sshd_listens() {
	grep -c 'Server listening' /var/log/syslog || true
}

# sshd reads its configuration anew. By the word of its log, since until then the port answers, too.
sshd_reload() {
	local before i
	before=$(sshd_listens)
	kill -HUP "$(cat /run/sshd.pid)"
	for ((i = 0; i < 200; i++)); do
		[ "$(sshd_listens)" -le "$before" ] || return 0
		sleep 0.05
	done
	echo "sshd does not come back: $(/usr/sbin/sshd -t 2>&1)" >&2
	return 1
}

sshd_restart() {
	sshd_stop
	sshd_start "$@"
}

# ---- a classic rootfs ----
# rootfs_make DIRECTORY: a BusyBox tree.
rootfs_make() {
	local root=$1 applet
	mkdir -p "$root"/{bin,etc,proc,dev,sys,tmp,run,home,root,usr/bin,usr/lib,var}
	chmod 1777 "$root/tmp"
	cp "$(command -v busybox)" "$root/bin/busybox"
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
	printf 'root:x:0:\ntty:x:5:\n' >"$root/etc/group"
}

# rootfs_add ROOTFS PROGRAM...: copies programs with the libraries that they are linked to.
rootfs_add() {
	local root=$1 program file
	shift
	for program in "$@"; do
		for file in "$program" $(ldd "$program" 2>/dev/null | grep -o '/[^ ]*'); do
			mkdir -p "$root$(dirname "$file")"
			[ -e "$root$file" ] || cp -L "$file" "$root$file"
		done
	done
}
