#!/bin/bash
# `make check-vm`: a Debian 12 with systemd, logind and OpenSSH under QEMU, with this build installed (make install), and
# tests/vm/checks.sh run against it through ssh. The tree of packages is kept in build/vm; nothing else is left.
set -eu
cd -- "$(dirname -- "$0")/../.."

build=${B:-build}
vm=$build/vm
root=$vm/root
packages=systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,linux-image-cloud-amd64,initramfs-tools,iproute2,procps
packages+=,uidmap,login,util-linux,passwd,kmod,udev,libcap2,libseccomp2,libsubid4,libjson-c5,libarchive13,libssl3,auditd,at

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
	local user
	for user in iris ivan nora; do
		chroot "$root" useradd -m -s /bin/bash -p '*' "$user"
	done
	echo "$packages" >"$vm/packages"
}

# Everything that is this test's, anew each time.
install_build() {
	local user
	make -s install DESTDIR="$(readlink -f "$root")" B="$build" >/dev/null
	[ -e "$vm/key" ] || ssh-keygen -q -t ed25519 -N '' -C check-vm -f "$vm/key"
	for user in root iris ivan nora; do
		local home=$root/home/$user
		[ "$user" != root ] || home=$root/root
		mkdir -p "$home/.ssh"
		chmod 0700 "$home/.ssh"
		cp "$vm/key.pub" "$home/.ssh/authorized_keys"
		[ "$user" = root ] || chroot "$root" chown -R "$user:" "/home/$user"
	done
	cp -r tests/vm/etc/. "$root/etc/"
	chown -R root: "$root/etc/cloister" "$root/etc/systemd"
	grep -q pam_cloister "$root/etc/pam.d/sshd" || echo 'session required pam_cloister.so' >>"$root/etc/pam.d/sshd"
	ln -sfn /usr/lib/systemd/system/cloister-sessions.service \
		"$root/etc/systemd/system/multi-user.target.wants/cloister-sessions.service"
	ln -sfn /usr/lib/systemd/system/systemd-networkd.service \
		"$root/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
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
# Emulated, since a /dev/kvm that is there does not always boot a guest (in a virtual machine, say). VM_ACCEL=kvm is faster.
accel=${VM_ACCEL:-tcg,thread=multi}
qemu-system-x86_64 -accel "$accel" -smp 2 -m 1024 -nographic -no-reboot -nodefaults -serial "file:$run/console" \
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
