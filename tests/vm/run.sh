#!/bin/bash
# `make check-vm`: a Debian 12 with systemd, logind, OpenSSH, cron, AppArmor and auditd under QEMU, with the Debian packages of this
# build (make deb) and their PAM profile, and tests/vm/checks.sh run against it through ssh. The tree of packages is kept in
# build/vm; nothing else is left.
set -eu
cd -- "$(dirname -- "$0")/../.."

build=${B:-build}
vm=$build/vm
root=$vm/root
packages=systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,linux-image-cloud-amd64,initramfs-tools,iproute2,procps
packages+=,uidmap,login,util-linux,passwd,kmod,udev,libcap2,libseccomp2,libsubid4,libjson-c5,libarchive13,libssl3,libaudit1
packages+=,libpam-runtime,auditd,apparmor,cron,at,sudo
users="iris ivan lars lena nora"

[ "$(id -u)" -eq 0 ] || { echo "check-vm makes a tree of packages and needs root" >&2; exit 1; }

# Complete or not there: .packages is written last.
make_tree() {
	[ "$(cat "$vm/packages" 2>/dev/null)" != "$packages" ] || return 0
	echo "# a tree of packages (some minutes, kept in $vm)"
	rm -rf --one-file-system "$vm"
	mkdir -p "$vm"
	mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$root"
	echo "$packages" >"$vm/packages"
}

in_root() {
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive "$@"
}

# The packages of this build, and the same with a higher version.
put_packages() {
	local place=$root/root/packages file
	rm -rf "$place"
	mkdir -p "$place/now" "$place/next"
	cp "$build"/deb/libpam-cloister_*.deb "$build"/deb/cloister_*.deb "$place/now/"
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

make_tree
mkdir -p "$vm"
run=$(mktemp -d "${TMPDIR:-/tmp}/cloister-vm.XXXXXX")
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
