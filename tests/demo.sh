#!/bin/bash
# `make demo`: a real sshd on loopback, a real ssh login, and the user lands in a container made of the machine's own files.
# Everything happens on a throw-away host of namespaces (tests/lib/host.sh): /etc, users and network of the machine stay as they are.
set -u
. "$(dirname -- "$0")/lib/host.sh"

USER_NAME=visitor

heading() {
	printf '\n--- %s\n' "$*"
}

login() {
	timeout -k 2 30 ssh "$@"
}

show() {
	heading "ssh $USER_NAME@host '$1'"
	login -n "$USER_NAME@testhost" "$1" || STATUS=1
}

if [ -z "${HOST_INSIDE-}" ]; then
	interactive=
	[ -t 0 ] && [ -t 1 ] && interactive=interactive
	host_enter "$(readlink -f -- "$0")" $interactive
fi

if ! output=$(host_build "$USER_NAME" 2>&1); then
	printf 'demo: cannot build the throw-away host:\n%s\n' "$output" >&2
	exit 1
fi
cd /
isolate "$USER_NAME"
sshd_start || exit 1
STATUS=0
echo "A private sshd with pam_cloister.so listens on the loopback of a throw-away host. $USER_NAME is isolated:"
sed 's/^/    /' "$HOST_CONF"
echo "On the host: $(ls -d /proc/[0-9]* | wc -l) processes, $(wc -l </proc/mounts) mounts, $(readlink /proc/self/ns/mnt)."
if [ "${1-}" = interactive ]; then
	echo "You are about to log in as $USER_NAME. Look around (ps, ls /, cat /proc/mounts, id, tty); leave with exit."
	ssh -tt -o EscapeChar=~ "$USER_NAME@testhost"
	exit
fi
show id
show hostname
show 'ps ax'
show 'cat /proc/mounts'
show 'readlink /proc/self/ns/mnt; ls /home /root /proc/1/root 2>&1; true'
heading "ssh -tt $USER_NAME@host tty"
login -tt "$USER_NAME@testhost" tty </dev/null || STATUS=1
heading "a file goes in by sftp, and an exit status comes out"
printf 'put /etc/hostname kept\n' | timeout -k 2 30 sftp -q -b - "$USER_NAME@testhost" >/dev/null || STATUS=1
login -n "$USER_NAME@testhost" 'ls -l kept; exit 7'
echo "exit status $?"
sleep 0.5
heading "after logout: $(pgrep -xc cloister-init || true) sessions on the host"
exit "$STATUS"
