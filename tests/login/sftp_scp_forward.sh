#!/bin/bash
# File transfer and forwarding: they land in the session's files and network, never in the host's. A canary file in the
# host's /run and listeners on the host's loopback show the difference; nora, who is not isolated, reaches them.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

canary() {
	echo "host canary" >/run/canary
	chmod 0644 /run/canary
}

# A listener of the host that answers each connection with one line.
listen_tcp() {
	socat "TCP-LISTEN:$1,bind=127.0.0.1,fork,reuseaddr" "SYSTEM:echo host-$1" &
	eventually 5 port_open "$1" || fail "no listener"
}

# talk_tcp PORT [LINE]: what answers there within three seconds.
talk_tcp() {
	timeout 4 socat -T 3 - "TCP:127.0.0.1:$1" 2>/dev/null </dev/null || true
}

get_with_sftp() {
	rm -f /tmp/got
	timeout 30 sftp -q -b - "$1@testhost" <<<"get $2 /tmp/got" >/dev/null 2>&1 || true
	cat /tmp/got 2>/dev/null || true
}

sftp_is_inside() {
	canary
	want "control: nora reads the canary" "host canary" "$(get_with_sftp nora /run/canary)"
	want "iris does not" "" "$(get_with_sftp iris /run/canary)"
	want_match "a file of the session" '^session=' "$(get_with_sftp iris /run/cloister/session)"
	echo up >/tmp/up
	timeout 30 sftp -q -b - iris@testhost <<-'END' >/dev/null || fail "sftp"
		put /tmp/up kept
		put /tmp/up /tmp/gone
		mkdir directory
		rename kept directory/kept
		ls -l directory
		chmod 600 directory/kept
	END
	want "a file in the home" "up 600 iris" "$(cat /home/iris/directory/kept) $(stat -c '%a %U' /home/iris/directory/kept)"
	[ ! -e /tmp/gone ] || fail "sftp wrote to the host's /tmp"
}

# table: sshd, internal-sftp | contained
test_internal_sftp() {
	sftp_is_inside
}

# table: sshd, external sftp-server | contained
test_external_sftp_server() {
	sshd_restart 'Subsystem sftp /usr/lib/openssh/sftp-server'
	sftp_is_inside
}

test_external_sftp_server_in_a_directory() {
	rootfs_make /opt/rootfs/busybox
	sshd_restart 'Subsystem sftp /usr/lib/openssh/sftp-server'
	isolate iris 'rootfs = /opt/rootfs/busybox' 'writable = tmpfs'
	want "not there" "" "$(get_with_sftp iris /etc/passwd)"
	rootfs_add /opt/rootfs/busybox /usr/lib/openssh/sftp-server
	want_match "there" '^iris:' "$(get_with_sftp iris /etc/passwd)"
	sftp_is_inside
}

test_internal_sftp_in_a_directory() {
	rootfs_make /opt/rootfs/busybox
	isolate iris 'rootfs = /opt/rootfs/busybox' 'writable = tmpfs'
	sftp_is_inside
}

scp_is_inside() {
	canary
	head -c 3000000 /dev/urandom >/tmp/data
	timeout 30 scp -q "$@" nora@testhost:/run/canary /tmp/got-nora || fail "control: nora"
	want "control" "host canary" "$(cat /tmp/got-nora)"
	timeout 30 scp -q "$@" iris@testhost:/run/canary /tmp/got-iris 2>/dev/null && fail "iris got the canary"
	timeout 30 scp -q "$@" -p /tmp/data iris@testhost: || fail "scp to"
	cmp /tmp/data /home/iris/data || fail "the file is not the same"
	timeout 30 scp -q "$@" iris@testhost:data /tmp/back || fail "scp from"
	cmp /tmp/data /tmp/back || fail "the file is not the same"
	mkdir -p /tmp/tree/deep
	echo leaf >/tmp/tree/deep/leaf
	timeout 30 scp -q -r "$@" /tmp/tree iris@testhost:/tmp/ || fail "scp -r"
	timeout 30 scp -q -r "$@" /tmp/tree iris@testhost: || fail "scp -r"
	want "-r" leaf "$(cat /home/iris/tree/deep/leaf)"
}

# table: scp | contained
test_scp_by_sftp() {
	scp_is_inside -s
}

# table: scp -O | contained
test_scp_old_protocol() {
	scp_is_inside -O
}

test_rsync() {
	mkdir /tmp/tree
	seq 1000 >/tmp/tree/numbers
	timeout 30 rsync -a /tmp/tree iris@testhost: || fail "rsync"
	cmp /tmp/tree/numbers /home/iris/tree/numbers
	canary
	timeout 30 rsync iris@testhost:/run/canary /tmp/got 2>/dev/null && fail "rsync got the canary"
	true
}

# -L: the connection is made from the session's network.
# table: ssh -L | contained: leaves from the network of the session
test_local_forward() {
	listen_tcp 8001
	as nora -N -L 9001:127.0.0.1:8001 </dev/null 2>/dev/null &
	as iris -N -L 9002:127.0.0.1:8001 </dev/null 2>/dev/null &
	eventually 10 port_open 9001 && eventually 10 port_open 9002 || fail "no forward"
	want "control: nora reaches the host's listener" host-8001 "$(talk_tcp 9001)"
	want "iris does not" "" "$(talk_tcp 9002)"
	as iris -L 9003:127.0.0.1:8003 'socat TCP-LISTEN:8003,bind=127.0.0.1,fork SYSTEM:"echo inside"' </dev/null &
	eventually 10 port_open 9003 || fail "no forward"
	sleep 1
	want "a listener of the session" inside "$(talk_tcp 9003)"
	port_open 8003 && fail "the session's listener is the host's"
	true
}

# -R: sshd listens in the session's network.
# table: ssh -R | contained: listens in the session
test_remote_forward() {
	listen_tcp 8001
	as nora -N -R 9101:127.0.0.1:8001 </dev/null &
	eventually 10 port_open 9101 || fail "control: nora's remote forward does not listen on the host"
	as iris -R 9102:127.0.0.1:8001 'exec sleep 30' </dev/null &
	eventually 10 pgrep -u iris -x sleep || fail "no session"
	port_open 9102 && fail "iris's remote forward listens on the host"
	want "from inside" host-8001 "$(as iris -R 9103:127.0.0.1:8001 \
		'sleep 0.5; socat -T 3 - TCP:127.0.0.1:9103 </dev/null' </dev/null)"
	port_open 9103 && fail "the forward listens on the host"
	true
}

# -D: the same through SOCKS.
test_dynamic_forward() {
	listen_tcp 8001
	as nora -N -D 9201 </dev/null &
	as iris -N -D 9202 </dev/null 2>/dev/null &
	eventually 10 port_open 9201 && eventually 10 port_open 9202 || fail "no forward"
	want "control: nora" host-8001 "$(timeout 5 socat -T 3 - SOCKS4:127.0.0.1:127.0.0.1:8001,socksport=9201 </dev/null)"
	want "iris" "" "$(timeout 5 socat -T 3 - SOCKS4:127.0.0.1:127.0.0.1:8001,socksport=9202 </dev/null 2>/dev/null || true)"
	as iris -D 9203 'socat TCP-LISTEN:8003,bind=127.0.0.1,fork SYSTEM:"echo inside"' </dev/null &
	eventually 10 port_open 9203 || fail "no forward"
	sleep 1
	want "inside" inside "$(timeout 5 socat -T 3 - SOCKS4:127.0.0.1:127.0.0.1:8003,socksport=9203 </dev/null)"
}

# -W: one connection, as ProxyJump makes it.
test_stdio_forward() {
	want_match "control: nora" '^SSH-2.0' "$(timeout 5 ssh -W 127.0.0.1:22 nora@testhost </dev/null | head -c 7)"
	want "iris" "" "$(timeout 5 ssh -W 127.0.0.1:22 iris@testhost </dev/null 2>/dev/null | head -c 7 || true)"
}

test_streamlocal_forward() {
	socat UNIX-LISTEN:/run/host.sock,fork,mode=666 'SYSTEM:echo host-socket' &
	eventually 5 test -S /run/host.sock || fail "no listener"
	as nora -N -L 9301:/run/host.sock </dev/null &
	as iris -N -L 9302:/run/host.sock </dev/null 2>/dev/null &
	eventually 10 port_open 9301 && eventually 10 port_open 9302 || fail "no forward"
	want "control: nora reaches the host's socket" host-socket "$(talk_tcp 9301)"
	want "iris does not" "" "$(talk_tcp 9302)"
	listen_tcp 8001
	as iris -R /tmp/inside.sock:127.0.0.1:8001 'ls /tmp/inside.sock; exec sleep 10' </dev/null >/tmp/out &
	eventually 10 grep -q inside.sock /tmp/out || fail "the remote socket is not inside"
	[ ! -e /tmp/inside.sock ] || fail "the remote socket is on the host"
}

# table: ssh -A | contained; the socket is in the session
test_agent_forwarding() {
	local socket
	eval "$(ssh-agent)" >/dev/null
	timeout 10 ssh-add -q /root/.ssh/id_ed25519
	want_match "the agent is reached" ED25519 "$(as iris -A 'ssh-add -l' </dev/null)"
	# shellcheck disable=SC2016
	socket=$(as iris -A 'echo $SSH_AUTH_SOCK; test -S $SSH_AUTH_SOCK && sleep 2' </dev/null)
	[ -n "$socket" ] || fail "no socket"
	as iris -A 'echo $SSH_AUTH_SOCK; exec sleep 20' </dev/null >/tmp/out &
	eventually 10 test -s /tmp/out || fail "no session"
	[ ! -e "$(cat /tmp/out)" ] || fail "the agent's socket is in the host's /tmp"
	kill "$SSH_AGENT_PID"
}

test_connection_without_a_session() {
	snapshot_before
	client iris -N
	eventually 10 pgrep -x cloister-init || fail "no session"
	kill "$CLIENT"
	snapshot_same
}

run_cases "$@"
