#!/bin/bash
# The network and sockets: nothing of the host answers, and what sshd forwards lands in the session.
set -u
. "$(dirname -- "$0")/../lib/attack.sh"

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
