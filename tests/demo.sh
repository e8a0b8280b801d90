#!/bin/bash
# make demo: a private sshd on a loopback of its own, a throw-away user, a real ssh login - into a container. All of it
# lives in namespaces that the kernel takes away at the end; the machine's own files, users and sshd are not touched.
set -u
. "$(dirname -- "$0")/lib/host.sh"
DEMO_USER=guest-of-cloister

login() {
	timeout -k 2 "${DEMO_TIMEOUT:-60}" ssh "$@"
}

show() {
	printf '\n--- %s\n' "$1"
	shift
	login "$@" </dev/null 2>&1 | tr -d '\r'
}

proof() {
	local ps='ps -ef'
	command -v ps >/dev/null || ps='for p in /proc/[0-9]*; do echo "${p#/proc/} $(cat "$p/comm")"; done'
	show "who and where" -o LogLevel=ERROR "$DEMO_USER@testhost" \
		'echo "user $(id -un) on $(hostname), mount namespace $(readlink /proc/self/ns/mnt)"'
	echo "this program, outside:   mount namespace $(readlink /proc/self/ns/mnt)"
	show "cat /proc/mounts" "$DEMO_USER@testhost" 'cat /proc/mounts'
	show "ps" "$DEMO_USER@testhost" "$ps"
	show "hostname" "$DEMO_USER@testhost" hostname
	show "id" "$DEMO_USER@testhost" id
	show "tty" -tt "$DEMO_USER@testhost" tty
	show "root's own directory, as the container sees it" "$DEMO_USER@testhost" 'ls /root; ls -A /root | wc -l'
	echo
}

# True when a login really ended up in namespaces that are not ours.
is_inside() {
	local inside
	inside=$(login "$DEMO_USER@testhost" readlink /proc/self/ns/mnt </dev/null)
	[ -n "$inside" ] && [ "$inside" != "$(readlink /proc/self/ns/mnt)" ]
}

if [ -z "${HOST_INSIDE-}" ]; then
	host_enter "$(readlink -f -- "$0")" "$@"
fi

output=$(host_build "$DEMO_USER" 2>&1)
status=$?
if [ "$status" -ne 0 ]; then
	printf 'demo: cannot make the throw-away host:\n%s\n' "$output" >&2
	exit 1
fi
cd / || exit 1
isolate "$DEMO_USER" 'hostname = container'
sshd_start || exit 1
if ! is_inside; then
	echo "demo: the login did not reach a container" >&2
	tail -n 5 /var/log/syslog >&2
	exit 1
fi
if [ -t 0 ] && [ -t 1 ]; then
	echo "You are about to be logged in by ssh, into a container. Look around: cat /proc/mounts, ps -ef, id, tty; exit ends it."
	ssh -t "$DEMO_USER@testhost"
	sshd_stop
	exit 0
fi
proof
sshd_stop
echo "The container, the user, the sshd and every file of theirs are gone when this program ends."
