#!/bin/bash
# network = netns:NAME: a session in a network namespace of the administrator's.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
. "$(dirname -- "$0")/../lib/networks.sh"

CLOISTER=$HOST_BUILD/cloister

set_up() {
	: >/etc/subuid
	: >/etc/subgid
}

# Names outlive a case.
case_before() {
	local name
	for name in lab other; do
		! mountpoint -q /run/netns/$name || umount -l /run/netns/$name
		rm -f /run/netns/$name
	done
}

# lab: a network namespace of the administrator's, in which something answers on its loopback.
lab() {
	ip netns add lab
	ip -n lab link set lo up
	serve lab 127.0.0.1 8001 lab
	serve 127.0.0.1 8001 host
}

refused() {
	local what=$1 pattern=$2
	[ "$(status on iris true)" -ne 0 ] || fail "$what: a login"
	want_match "$what" "$pattern" "$(log_new)"
}

# table: network = netns:NAME | the session is in it, sshd's forwards are, and nobody inside has a right over it
test_netns() {
	lab
	isolate iris 'network = netns:lab'
	snapshot_before
	want "the namespace" "$(ip netns exec lab readlink /proc/self/ns/net)" "$(on iris readlink /proc/self/ns/net)"
	want "what answers" lab "$(on iris "$(reach 127.0.0.1 8001)")"
	want "su" lab "$(su - iris -c "$(reach 127.0.0.1 8001)")"
	[ "$(status on iris 'ip link set lo down')" -ne 0 ] || fail "an interface was changed"
	client iris -N -L 9001:127.0.0.1:8001
	eventually 10 port_open 9001 || fail "no forward"
	want "-L" lab "$(timeout 4 socat -T 3 - TCP:127.0.0.1:9001 </dev/null)"
	want "ls" netns:lab "$("$CLOISTER" ls --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["network"])')"
	kill "$CLIENT"
	snapshot_same
	want_match "plan" '^network +netns:lab$' "$("$CLOISTER" plan iris)"
	want_match "check" 'ok: network' "$("$CLOISTER" check iris || true)"
}

test_netns_and_root_inside() {
	lab
	rootfs_make /opt/rootfs/own
	isolate iris 'network = netns:lab' 'rootfs = /opt/rootfs/own' 'users = root' 'capabilities = cap_net_admin'
	want "root inside" 0 "$(on iris id -u)"
	want "there" lab "$(on iris 'nc 127.0.0.1 8001 </dev/null')"
	[ "$(status on iris 'ip link set lo down')" -ne 0 ] || fail "an interface was changed"
	isolate iris 'network = netns:lab' 'users = host'
	want "users = host" lab "$(on iris "$(reach 127.0.0.1 8001)")"
}

test_netns_that_is_none() {
	isolate iris 'network = netns:lab'
	refused "missing" 'no such network namespace .ip netns add lab.: /run/netns/lab'
	mkdir -p /run/netns
	touch /run/netns/lab
	refused "a file" 'not a network namespace: /run/netns/lab'
	mount --bind /proc/self/ns/uts /run/netns/lab
	refused "another kind" 'not a network namespace: /run/netns/lab'
	umount /run/netns/lab
	mount --bind /proc/self/ns/net /run/netns/lab
	refused "the host's own" "the host's own network namespace"
	umount /run/netns/lab
	rm /run/netns/lab
	ip netns add other
	ln -s /home/iris/lab /run/netns/lab
	ln -s /run/netns/other /home/iris/lab
	chown -h iris: /home/iris/lab
	refused "by a link of the user's" 'session for iris refused:.*iris: must be owned by root'
	rm /run/netns/lab /home/iris/lab
	ip netns add lab
	chmod o+w /run/netns
	refused "a directory that others can write" 'session for iris refused:.*must be owned by root and writable by nobody'
	chmod 0755 /run/netns
	want "and in the end" iris "$(on iris whoami)"
}

# Logins share it; a name that is another namespace by now gets another session.
test_netns_of_a_shared_session() {
	lab
	isolate iris 'network = netns:lab' 'scope = user'
	client iris 'echo up; exec sleep 961'
	eventually 10 grep -q up "$CASE_STATE/client" || fail "no session"
	local first
	first=$(on iris readlink /proc/self/ns/pid)
	want "joined" 1 "$("$CLOISTER" ls --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')"
	want "enter" lab "$("$CLOISTER" enter iris -- bash -c "$(reach 127.0.0.1 8001)")"
	ip netns del lab
	[ "$(status on iris true)" -ne 0 ] || fail "a login without the namespace"
	ip netns add lab
	[ "$(on iris readlink /proc/self/ns/pid)" != "$first" ] || fail "joined a session in the old namespace"
	want_match "why" 'the network namespace lab' "$(log_new)"
	kill "$CLIENT"
}

run_cases "$@"
