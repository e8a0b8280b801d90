#!/bin/bash
# The same tests with Debian 13's OpenSSH 10, linux-pam 1.7, util-linux and sudo: a tree of packages, made by
# mmdebstrap(1), is entered (tests/lib/tree.sh), Cloister is built there, and files of tests/login run there. One result
# here for each file: "ok debian13.FILE".
# Skipped by name where no Debian registry can be reached.
set -u
cd -- "$(dirname -- "$0")/../.." || exit 1
. tests/lib/tree.sh

packages=openssh-server,openssh-client,openssh-sftp-server,libpam0g-dev,gcc,libc6-dev,make,pkg-config,libcap-dev
packages+=,libseccomp-dev,libsubid-dev,libaudit-dev,libjson-c-dev,libarchive-dev,libssl-dev,libcmocka-dev,scdoc,uidmap,busybox-static,expect,tmux,screen
packages+=,socat,rsync,python3,cron,sudo,iproute2,procps,psmisc,login,util-linux,util-linux-extra,opendoas,at
packages+=,pamtester,keyutils,strace,bsdutils,vim-tiny,less,git,sshfs,ansible-core,lftp,mosh,python3-paramiko
packages+=,python3-asyncssh,xauth,xvfb,x11-utils,passt,mmdebstrap,zstd,xz-utils,bzip2

# Each is FILE: the name of a file in this directory. Of some only what is not the same on Debian 13: rows of
# doc/compatibility.md, and what the programs and libraries of others decide.
test_ssh_basic() { in_tree ssh_basic; }
test_ssh_tty() { in_tree ssh_tty; }
test_ssh_channels() { in_tree ssh_channels; }
test_sftp_scp_forward() { in_tree sftp_scp_forward; }
test_login_su() { in_tree login_su; }
test_programs() { in_tree programs; }
test_applications() { in_tree applications; }
test_environment() { in_tree environment; }
test_first_impressions() { in_tree first_impressions; }
test_clients() { in_tree clients; }
test_terminals() { in_tree terminals; }
test_sshd_settings() { in_tree sshd_settings; }
test_login_shell() { in_tree login_shell; }
test_networks() { in_tree networks; }
# Its pasta loses an answer now and then (one connection of sixty): what does not speak over it.
test_pasta() { in_tree pasta pasta_is_nobody; }
test_shared() { in_tree shared one_session_for_all_ways_in whoever_comes_first_starts_it tmux_detached_is_there_at_the_next_login; }
test_users_root() { in_tree users_root; }
test_users_root_outside() { in_tree users_root_outside; }
test_users_root_packages() { in_tree users_root_packages apt_and_dpkg; }
test_image_import() { in_tree image_import tarballs_of_every_compression docker_save oci_layout login_on_an_imported_image; }
test_image_mmdebstrap() { in_tree image_mmdebstrap; }

enter() {
	tree_enter "$tree" -- env -C /src TMPDIR=/tmp PYTHON_COLORS=0 "$@"
}

# in_tree FILE [TEST...]
in_tree() {
	local status=0
	enter timeout -k 5 400 bash "tests/login/$1.sh" "${@:2}" >"$tree.output" 2>&1 </dev/null || status=$?
	if [ "$status" -ne 0 ] || grep -q '^not ok' "$tree.output"; then
		echo "not ok debian13.$1"
	elif grep -q '^ok' "$tree.output"; then
		echo "ok debian13.$1"
	else
		echo "skip debian13.$1 # $(grep -m 1 '^skip' "$tree.output" || echo 'no test in it')"
	fi
	sed 's/^/# /' "$tree.output"
}

names=("$@")
[ ${#names[@]} -gt 0 ] || mapfile -t names < <(sed -n 's/^test_\([a-z0-9_]*\)().*/\1/p' "$0")
tree=$(mktemp -d "${TMPDIR:-/tmp}/cloister-debian13.XXXXXX")
trap 'rm -rf --one-file-system "$tree" "$tree".*' EXIT
chmod 0755 "$tree"

if ! timeout 400 mmdebstrap --quiet --variant=apt --include="$packages" trixie "$tree" >"$tree.log" 2>&1; then
	for name in "${names[@]}"; do
		echo "skip debian13.$name # mmdebstrap cannot make a Debian 13 tree here: $(tail -n 1 "$tree.log")"
	done
	exit 0
fi
mkdir -p "$tree/src"
git ls-files -zco --exclude-standard | tar -c --null -T - --ignore-failed-read 2>/dev/null | tar -x -C "$tree/src"
if ! enter make -j2 all probes >"$tree.log" 2>&1; then
	for name in "${names[@]}"; do
		echo "not ok debian13.$name"
	done
	tail -n 20 "$tree.log" | sed 's/^/# /'
	exit 1
fi
for name in "${names[@]}"; do
	"test_$name"
done
