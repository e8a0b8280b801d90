#!/bin/bash
# The network and sockets: nothing of the host answers, and what sshd forwards lands in the session.
set -u
. "$(dirname -- "$0")/../lib/attack.sh"
. "$(dirname -- "$0")/../lib/networks.sh"

# table: N01 | connecting to the host's 127.0.0.1:22, ::1, 169.254.169.254; interfaces | nora (sshd answers)
test_n01_connections() {
	local try='timeout 3 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null'
	want "control" 0 "$(status on nora "${try//\$1\/\$2/127.0.0.1/22}")"
	local address
	for address in 127.0.0.1/22 ::1/22 169.254.169.254/80 10.0.0.1/80; do
		[ "$(status on iris "${try//\$1\/\$2/$address}")" -ne 0 ] || fail "$address answers"
	done
	want "interfaces" lo "$(on iris "sed -n 's/:.*//p' /proc/net/dev" | xargs)"
}

# table: N01 | network = pasta: the host's loopback, its own address, the gateway, the resolver's other ports, a cloud's metadata | iris with network = host
test_n01_pasta() {
	world_serves
	serve 127.0.0.1 8001 host
	serve 198.18.0.2 8002 host
	local address to port answer
	isolate iris 'network = host'
	for address in 127.0.0.1/8001/host 198.18.0.2/8002/host 169.254.169.254/80/metadata; do
		IFS=/ read -r to port answer <<<"$address"
		want "control: $to" "$answer" "$(on iris "$(reach "$to" "$port")")"
	done
	isolated 'network = pasta'
	want "it has a network" world "$(on iris "$(reach 203.0.113.7 80)")"
	for address in 127.0.0.1/8001 0.0.0.0/8001 ::1/8001 198.18.0.2/8002 198.18.0.1/8001 198.18.0.1/8002 192.0.2.53/8001 \
		192.0.2.53/8002 169.254.169.254/80 ::ffff:169.254.169.254/80; do
		want "$address" "" "$(on iris "$(reach "${address%/*}" "${address##*/}")" || true)"
	done
}

# table: N02 | network = pasta and network = netns:NAME: an abstract socket of the host | nora
# table: N02 | network = netns:NAME: an abstract socket of another process there; it is reached unless the kernel has Landlock's scopes | iris with network = host
test_n02_other_networks() {
	world_up
	[ -e /run/netns/lab ] || ip netns add lab
	socat ABSTRACT-LISTEN:host-canary,fork SYSTEM:'echo host' &
	local listeners=($!)
	ip netns exec lab socat ABSTRACT-LISTEN:lab-canary,fork SYSTEM:'echo lab' &
	listeners+=($!)
	eventually 5 grep -q host-canary /proc/net/unix || fail "no listener"
	eventually 5 ip netns exec lab grep -q lab-canary /proc/net/unix || fail "no listener"
	isolated 'network = pasta'
	attacks attack_terminals nora abstract=host-canary
	isolated 'network = netns:lab'
	attacks attack_terminals nora abstract=host-canary
	want_match "as documented" ': (worked|refused EPERM)$' "$(on iris ./attack_terminals abstract=lab-canary)"
	kill "${listeners[@]}"
	snapshot_before
}

# table: N02 | an abstract socket of the host; with network = host it is reached unless the kernel has Landlock's scopes | nora
# table: N03 | sockets of the host by path: docker, D-Bus, nscd, an agent | nora
test_n02_n03_unix_sockets() {
	mkdir -p /run/dbus /run/nscd /tmp/ssh-agent
	socat ABSTRACT-LISTEN:host-canary,fork SYSTEM:'echo host' &
	local path listeners=($!) paths=(/run/docker.sock /run/dbus/system_bus_socket /run/nscd/socket /tmp/ssh-agent/agent.1)
	for path in "${paths[@]}"; do
		socat "UNIX-LISTEN:$path,fork,mode=666" SYSTEM:'echo host' &
		listeners+=($!)
		eventually 5 test -S "$path" || fail "no listener"
	done
	attacks attack_terminals nora abstract=host-canary "${paths[@]/#/unix=}"
	isolate iris 'network = host'
	local answer
	answer=$(on iris ./attack_terminals abstract=host-canary)
	want_match "network = host, as documented" ': (worked|refused EPERM)$' "$answer"
	kill "${listeners[@]}"
	rm -rf "${paths[@]}" /tmp/ssh-agent
	snapshot_before
}

# table: N04 | raw, packet sockets | root
# table: N04 | vsock sockets, which no network namespace holds | nora
test_n04_sockets() {
	local packet=17,3,768 raw=2,3,1 raw6=10,3,58 vsock=40,1,0
	attacks attack_kernel root "socket=$packet" "socket=$raw" "socket=$raw6"
	attacks attack_kernel nora "socket=$vsock"
}

# table: N06 | ssh -L | see: sftp_scp_forward.local_forward
# table: N06 | ssh -R | see: sftp_scp_forward.remote_forward
# table: N06 | ssh -D | see: sftp_scp_forward.dynamic_forward
# table: N06 | ssh -W | see: sftp_scp_forward.stdio_forward
# table: N06 | streamlocal forwards | see: sftp_scp_forward.streamlocal_forward
# table: N06 | ssh -A | see: sftp_scp_forward.agent_forwarding
# table: N07 | internal-sftp | see: sftp_scp_forward.internal_sftp
# table: N07 | external sftp-server | see: sftp_scp_forward.external_sftp_server
# table: N07 | scp | see: sftp_scp_forward.scp_by_sftp
# table: N07 | rsync | see: sftp_scp_forward.rsync
# table: N07 | a second channel of one connection | see: ssh_channels.channels_share_a_session
# table: N07 | ssh -N | see: sftp_scp_forward.connection_without_a_session
# table: N08 | ~/.ssh/rc | see: sshd_settings.rc_file
# table: N08 | ~/.ssh/environment | see: sshd_settings.user_environment
# table: N08 | command= in authorized_keys | see: sshd_settings.command_of_a_key
run_cases "$@"
