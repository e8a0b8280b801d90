#!/bin/bash
# network = pasta: what of the world a session reaches, what of the host it does not, and what is left of pasta.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
. "$(dirname -- "$0")/../lib/networks.sh"

CLOISTER=$HOST_BUILD/cloister

set_up() {
	: >/etc/subuid
	: >/etc/subgid
	make_tun
}

world_down() {
	[ ! -e /run/netns/world ] || ip netns del world
	eventually 5 bash -c '! ip link show up0' || fail "up0 is there still"
}

refused() {
	local what=$1 pattern=$2
	[ "$(status on iris true)" -ne 0 ] || fail "$what: a login"
	want_match "$what" "$pattern" "$(log_new)"
}

# table: network = pasta | out through the host as one of its processes; nothing of the host's loopback, nothing in
test_pasta() {
	world_serves
	serve 127.0.0.1 8001 host
	name_server world 203.0.113.53
	printf 'search example.test\nnameserver 203.0.113.53\noptions timeout:1\n' >/etc/resolv.conf
	isolate iris 'network = pasta'
	snapshot_before
	want "the world" world "$(on iris "$(reach 203.0.113.7 80)")"
	want "the resolver" "192.0.2.53" "$(on iris "sed -n 's/^nameserver //p' /etc/resolv.conf")"
	want_match "its other lines" '^search example.test$' "$(on iris cat /etc/resolv.conf)"
	want "a name" 192.0.2.7 "$(on iris "getent ahostsv4 www.test | head -n 1 | cut -d' ' -f1")"
	want "the host's loopback" "" "$(on iris "$(reach 127.0.0.1 8001)" || true)"
	want "the gateway is not the host" "" "$(on iris "$(reach 198.18.0.1 8001)" || true)"
	want "su" world "$(su - iris -c "$(reach 203.0.113.7 80)")"
	want "interfaces" "lo eth0" "$(on iris "sed -n 's/:.*//p' /proc/net/dev" | xargs)"
	[ "$(status on iris 'ip route del prohibit 169.254.0.0/16')" -ne 0 ] || fail "a route was changed"
	client iris -N -L 9001:203.0.113.7:80 -D 9002
	eventually 10 port_open 9001 || fail "no forward"
	want "-L" world "$(timeout 10 socat -u TCP:127.0.0.1:9001 - | head -n 1)"
	want "-D" world "$(timeout 10 socat -u SOCKS4:127.0.0.1:203.0.113.7:80,socksport=9002 - | head -n 1)"
	want "ls" pasta "$("$CLOISTER" ls --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["network"])')"
	kill "$CLIENT"
	snapshot_same
	want "the host's own resolv.conf" "nameserver 203.0.113.53" "$(sed -n 2p /etc/resolv.conf)"
	want_match "plan" '^network +pasta$' "$("$CLOISTER" plan iris)"
	want_match "check" 'ok: network' "$("$CLOISTER" check iris || true)"
}

# As with systemd-resolved.
test_pasta_and_a_resolver_on_loopback() {
	world_up
	name_server 127.0.0.53
	echo 'nameserver 127.0.0.53' >/etc/resolv.conf
	rootfs_make /opt/rootfs/own
	isolate iris 'network = pasta'
	want "a name" 192.0.2.7 "$(on iris "getent ahostsv4 www.test | head -n 1 | cut -d' ' -f1")"
	isolate iris 'network = pasta' 'rootfs = /opt/rootfs/own' 'users = root'
	want_match "in a rootfs without a resolv.conf, as root" '192.0.2.7' "$(on iris 'nslookup www.test')"
}

test_pasta_is_nobody() {
	world_up
	isolate iris 'network = pasta'
	client iris 'echo up; exec sleep 962'
	eventually 10 grep -q up "$CASE_STATE/client" || fail "no session"
	local pid base fd
	pid=$(pastas)
	# That of uid 0 inside.
	base=1879048192
	want "one" 1 "$(wc -w <<<"$pid")"
	want "ids" "$base $base $base $base" "$(awk '/^Uid:/ {print $2, $3, $4, $5}' "/proc/$pid/status")"
	want "no_new_privs" 1 "$(awk '/^NoNewPrivs:/ {print $2}' "/proc/$pid/status")"
	# Of its own making, when it is through with its start.
	eventually 10 grep -q "^Seccomp:.2" "/proc/$pid/status" || fail "no filter"
	want "not the host's user namespace" "$(readlink "/proc/$(pgrep -x cloister-init)/ns/user")" "$(readlink "/proc/$pid/ns/user")"
	for fd in /proc/"$pid"/fd/*; do
		case $(readlink "$fd") in
		/dev/null | /dev/net/tun | socket:* | pipe:* | anon_inode:* | net:*) ;;
		*) fail "a descriptor: $(readlink "$fd")" ;;
		esac
	done
	want "the helper has no capability" 0000000000000000 "$(awk '/^CapPrm:/ {print $2}' "/proc/$(pgrep -x cloister-pasta)/status")"
	want "nothing of it inside" "" "$(on iris 'ps ax' | grep -i past || true)"
	kill "$CLIENT"
	eventually 5 no_processes_left || fail "left: $(processes_left)"
}

# Whatever ends, nothing is left, and the session falls back to no network at all.
test_pasta_ends() {
	world_serves
	isolate iris 'network = pasta'
	snapshot_before
	client iris "echo up; while sleep 0.2; do $(reach 203.0.113.7 80) || echo nothing; done"
	eventually 10 grep -q world "$CASE_STATE/client" || fail "no session"
	kill -KILL "$(pastas)"
	eventually 10 grep -q nothing "$CASE_STATE/client" || fail "there is a network still"
	eventually 5 bash -c 'tail -n 5 /var/log/syslog | grep -q "has no network any more: pasta has ended"' || fail "syslog"
	kill "$CLIENT"
	snapshot_same
	client iris "echo up; exec sleep 963"
	eventually 10 grep -q up "$CASE_STATE/client" || fail "no session"
	kill -KILL "$(pgrep -x cloister-pasta)"
	eventually 5 eval 'test -z "$(pastas)"' || fail "pasta outlives its helper"
	kill -KILL "$(pgrep -x cloister-init)"
	wait "$CLIENT" || true
	snapshot_same
	client iris "echo up; exec sleep 964"
	eventually 10 grep -q up "$CASE_STATE/client" || fail "no session"
	kill -KILL "$(pgrep -x cloister-init)"
	snapshot_same
}

test_pasta_and_publish() {
	world_up
	isolate iris 'network = pasta' 'publish = 8085:85' 'publish = 198.18.0.2/8086'
	snapshot_before
	client iris 'socat TCP-LISTEN:8086,fork,reuseaddr SYSTEM:"echo inside" & echo up; exec sleep 965'
	eventually 10 grep -q up "$CASE_STATE/client" || fail "no session"
	want_match "loopback alone" '127.0.0.1:8085 ' "$(ss -Htln)"
	want_no_match "loopback alone" '(0.0.0.0|\*|\]):808[56] ' "$(ss -Htln)"
	eventually 20 eval 'timeout 4 ip netns exec world socat -T 3 - TCP:198.18.0.2:8086 </dev/null | grep -qx inside' ||
		fail "not reached from the world"
	isolate ivan 'network = pasta' 'publish = 8085'
	[ "$(status on ivan true)" -ne 0 ] || fail "a login with a port that is taken"
	want_match "taken" 'session for ivan refused: network: ' "$(log_new)"
	kill "$CLIENT"
	snapshot_same
}

# The last one logs out, and the next one is there at once: the port is free again.
test_pasta_publishes_again() {
	world_up
	isolate iris 'network = pasta' 'scope = user' 'publish = 8087'
	local i
	for i in 1 2 3 4 5; do
		want "login $i" iris "$(on iris whoami)"
	done
}

test_pasta_of_a_shared_session() {
	world_serves
	isolate iris 'network = pasta' 'scope = user'
	snapshot_before
	client iris 'echo up; exec sleep 966'
	eventually 10 grep -q up "$CASE_STATE/client" || fail "no session"
	want "joined" world "$(on iris "$(reach 203.0.113.7 80)")"
	want "one pasta" 1 "$(pastas | wc -w)"
	want "enter" world "$("$CLOISTER" enter iris -- bash -c "$(reach 203.0.113.7 80)")"
	kill "$CLIENT"
	snapshot_same
	isolate iris 'network = pasta' 'scope = user' 'linger = 60'
	on iris true
	want "it lingers" world "$(on iris "$(reach 203.0.113.7 80)")"
	"$CLOISTER" kill iris
	snapshot_same
}

test_pasta_refused() {
	world_down
	isolate iris 'network = pasta'
	snapshot_before
	refused "a host without a way out" 'session for iris refused: network: .*: pasta: '
	snapshot_same
	world_up
	isolate iris 'network = pasta' 'users = host'
	refused "users = host" 'network = pasta needs a user namespace'
	isolate iris 'publish = 8080'
	refused "publish without pasta" 'publish is for network = pasta'
	isolate iris 'network = pasta'
	host_forgetful /usr/bin
	rm /usr/bin/pasta
	refused "no pasta" 'network = pasta needs pasta.1.: install the package passt'
	want_match "check" 'error: .*install the package passt' "$("$CLOISTER" check iris || true)"
	umount -l /usr/bin
}

run_cases "$@"
