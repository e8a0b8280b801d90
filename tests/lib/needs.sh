#!/bin/bash
# Installs the Debian packages that building ("build"), testing ("check", "vm"), measuring ("bench"), packaging ("deb") and fuzzing ("fuzz") need, and only those that are missing.
set -eu

build_needs="gcc libc6-dev make pkg-config libpam0g-dev libcap-dev libseccomp-dev libsubid-dev libaudit-dev libjson-c-dev libarchive-dev libssl-dev scdoc
	openssh-server openssh-client openssh-sftp-server uidmap"
check_needs="libcmocka-dev busybox-static pamtester expect tmux socat rsync valgrind strace python3 cron sudo keyutils libcap2-bin
	mandoc shellcheck iproute2 procps psmisc at opendoas git sshfs ansible-core lftp mosh python3-paramiko
	python3-asyncssh python3-prometheus-client libnss-extrausers xauth xvfb x11-utils screen vim-tiny less mmdebstrap
	skopeo umoci zstd xz-utils bzip2 erofs-utils squashfs-tools e2fsprogs bindfs autofs passt"

vm_needs="mmdebstrap e2fsprogs openssh-client qemu-system-x86"
deb_needs="debhelper dpkg-dev lintian mmdebstrap"
# What Cloister is measured against.
bench_needs="bubblewrap crun runc firejail systemd-container podman linux-perf"
# libFuzzer and its sanitizers are of the compiler's own version.
fuzz_needs="clang libclang-rt-14-dev"

wanted=
for group in "$@"; do
	case $group in
	build) wanted="$wanted $build_needs" ;;
	check) wanted="$wanted $check_needs" ;;
	vm) wanted="$wanted $vm_needs" ;;
	deb) wanted="$wanted $deb_needs" ;;
	bench) wanted="$wanted $bench_needs" ;;
	fuzz) wanted="$wanted $fuzz_needs" ;;
	*)
		echo "usage: $0 [build] [check] [bench] [deb] [vm] [fuzz]" >&2
		exit 2
		;;
	esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "needs.sh: this is no Debian; install what is like:$wanted" | tr -s '\n\t ' ' ' >&2
	echo >&2
	exit 0
fi

missing=()
for package in $wanted; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "needs.sh: run as root, or install: ${missing[*]}" >&2
	exit 1
fi
echo "Installing: ${missing[*]}"
# RUNLEVEL=1: invoke-rc.d(8) then starts no service, so that no sshd or cron of the machine's own appears.
export RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install_missing() {
	apt-get -qq update && apt-get -qq install -y --no-install-recommends "${missing[@]}"
}
if ! install_missing >"$log" 2>&1 </dev/null; then
	cat "$log" >&2
	exit 1
fi
