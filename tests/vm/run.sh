#!/bin/bash
# `make check-vm [RELEASE=trixie]`: a Debian 12, or 13, with systemd, logind, OpenSSH, cron, AppArmor and auditd under QEMU, with
# the Debian packages of this build and their PAM profile, and tests/vm/checks.sh run against it through ssh. Trees of packages
# are kept in build/vm/RELEASE; nothing else is left.
set -eu
cd -- "$(dirname -- "$0")/../.."

build=${B:-build}
release=${RELEASE:-bookworm}
vm=$build/vm/$release
root=$vm/root
# The Debian packages: of `make deb` where this machine is of that release, else built in a tree of it.
debs=$build/deb
packages=systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,linux-image-cloud-amd64,initramfs-tools,iproute2,procps
packages+=,login,util-linux,e2fsprogs,perl-base,passwd,kmod,udev,libpam-runtime,auditd,apparmor,cron,at,sudo,slapd,sssd-ldap,libnss-sss,libpam-sss
users="iris ivan lars lena nora"

[ "$(id -u)" -eq 0 ] || { echo "check-vm makes a tree of packages and needs root" >&2; exit 1; }

# in_tree TREE DIRECTORY COMMAND...: with a /proc, in namespaces that end with it.
in_tree() {
	local tree=$1 directory=$2
	shift 2
	unshare --mount --pid --fork --kill-child --root="$tree" --wd="$directory" --mount-proc env -i \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
}

# make_tree TREE PACKAGES [OPTION...]: complete or not there, since TREE.packages is written last.
make_tree() {
	local tree=$1 packages=$2
	shift 2
	[ "$(cat "$tree.packages" 2>/dev/null)" != "$packages" ] || return 0
	echo "# a tree of packages (some minutes, kept in $tree)"
	rm -rf --one-file-system "$tree" "$tree.packages"
	mkdir -p "$vm"
	mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' "$@" "$release" "$tree"
	echo "$packages" >"$tree.packages"
}

# A field of a control file as a list for --include: the first of alternatives, without versions and what is ours.
names() {
	tr -d '\n' | tr , '\n' | sed -E 's/^ +//; s/[ (|:].*//; /^$/d' | grep -vE 'cloister|^debhelper-compat$' | sort -u | paste -sd ,
}

# The source as make deb has it, in a tree of the release with what its packages need.
build_packages() {
	local tree=$vm/build place=$vm/build/root/source
	make_tree "$tree" "build-essential,debhelper,$(sed -n '/^Build-Depends:/,/^Standards/{/^Standards/d;s/^Build-Depends://;p}' debian/control | names)"
	debs=$vm/debs
	rm -rf "$place" "$tree"/root/*.deb "$debs"
	mkdir -p "$place" "$debs"
	git ls-files -z | xargs -0 cp --parents -t "$place"
	in_tree "$tree" /root/source dpkg-buildpackage -b -us -uc >"$run/build" 2>&1 ||
		{ tail -n 40 "$run/build"; return 1; }
	mv "$tree"/root/*.deb "$debs"
}

packages_needed() {
	local file
	for file in "$debs"/libpam-cloister_*.deb "$debs"/cloister_*.deb; do
		dpkg-deb -f "$file" Depends
		echo ,
		dpkg-deb -f "$file" Recommends
		echo ,
	done | names
}

in_root() {
	in_tree "$root" / DEBIAN_FRONTEND=noninteractive "$@"
}

# The packages of this build, and the same with a higher version.
put_packages() {
	local place=$root/root/packages file
	rm -rf "$place"
	mkdir -p "$place/now" "$place/next"
	cp "$debs"/libpam-cloister_*.deb "$debs"/cloister_*.deb "$place/now/"
	for file in "$place"/now/*.deb; do
		dpkg-deb -R "$file" "$run/unpacked"
		sed -i -E 's/^(Version: .*)$/\1+next/; s/(libpam-cloister \(= [^)]+)\)/\1+next)/' "$run/unpacked/DEBIAN/control"
		dpkg-deb --root-owner-group -Zgzip -b "$run/unpacked" "$place/next/" >/dev/null
		rm -r "$run/unpacked"
	done
}

# Everything that is this test's, anew each time.
install_build() {
	local user home
	rm -rf "$root/etc/cloister/cloister.conf.d"
	in_root dpkg -P cloister libpam-cloister >/dev/null 2>&1
	put_packages
	(cd "$root" && sha256sum etc/shells etc/pam.d/*) >"$root/root/packages/before"
	(cd "$root" && find etc usr var/lib | sort) >"$root/root/packages/names"
	in_root sh -c 'dpkg -i /root/packages/now/*.deb && pam-auth-update --enable cloister' >"$run/install" 2>&1 ||
		{ cat "$run/install"; return 1; }
	cp -r tests/vm/etc/. "$root/etc/"
	chown -R root: "$root/etc/cloister" "$root/etc/systemd"
	in_root systemctl --quiet enable cloister-sessions systemd-networkd
	# A check of its own starts them.
	in_root systemctl --quiet disable slapd sssd
	[ -e "$vm/key" ] || ssh-keygen -q -t ed25519 -N '' -C check-vm -f "$vm/key"
	for user in root $users; do
		home=$root/home/$user
		[ "$user" != root ] || home=$root/root
		[ -d "$home" ] || in_root useradd -m -s /bin/bash -p '*' "$user"
		mkdir -p "$home/.ssh"
		chmod 0700 "$home/.ssh"
		cp "$vm/key.pub" "$home/.ssh/authorized_keys"
		[ "$user" = root ] || in_root chown -R "$user:" "/home/$user"
	done
	echo vm >"$root/etc/hostname"
}

make_disk() {
	rm -f "$run/disk"
	truncate -s 3G "$run/disk"
	mke2fs -q -t ext4 -d "$root" "$run/disk"
}

free_port() {
	local port
	for port in $(seq 22022 22099); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
	echo "no free port" >&2
	return 1
}

run=
qemu=
stop() {
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
	[ -z "$qemu" ] || wait "$qemu" 2>/dev/null || true
	[ -z "$run" ] || rm -rf "$run"
}
trap stop EXIT

run=$(mktemp -d "${TMPDIR:-/tmp}/cloister-vm.XXXXXX")
if [ "$(. /etc/os-release && echo "$VERSION_CODENAME")" = "$release" ]; then
	make -s deb B="$build" >/dev/null
else
	build_packages
fi
make_tree "$root" "$packages,$(packages_needed)" --dpkgopt='path-exclude=/usr/share/doc/*'
install_build
make_disk
VM_PORT=$(free_port)
# The second serial line is a terminal to log in at; what is typed there goes into tty.in.
mkfifo "$run/tty.in" "$run/tty.out"
# Emulated, since a /dev/kvm that is there does not always boot a guest (in a virtual machine, say). VM_ACCEL=kvm is faster.
accel=${VM_ACCEL:-tcg,thread=multi}
qemu-system-x86_64 -accel "$accel" -smp 2 -m 1024 -nographic -nodefaults -serial "file:$run/console" -serial "pipe:$run/tty" \
	-kernel "$root"/boot/vmlinuz-*-cloud-amd64 -initrd "$root"/boot/initrd.img-*-cloud-amd64 \
	-append "root=/dev/vda rw console=ttyS0 net.ifnames=0 audit=1 quiet" \
	-drive "file=$run/disk,format=raw,if=virtio,cache=unsafe" \
	-netdev "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:$VM_PORT-:22" -device virtio-net-pci,netdev=net0 \
	-device virtio-rng-pci </dev/null >"$run/qemu" 2>&1 &
qemu=$!

export VM_PORT VM_KEY=$vm/key VM_DIR=$run
echo "# the virtual machine starts"
status=0
bash tests/vm/checks.sh "$@" || status=$?
if [ "$status" -ne 0 ]; then
	tail -n 20 "$run/console" | tr -d '\r' | sed 's/^/# console: /'
	sed 's/^/# qemu: /' "$run/qemu"
fi
exit "$status"
