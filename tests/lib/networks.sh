# shellcheck shell=bash
# A world outside of the test host: a network namespace "world" behind a veth pair, with a default route to it, in the
# test host's own network. There: 203.0.113.7 answers on port 80, 169.254.169.254 as a cloud's metadata service does, and
# 203.0.113.53 is a name server that knows any name in "test.".

# pasta opens it as an ordinary process; on a Debian it is 0666.
make_tun() {
	mkdir -p /dev/net
	[ -e /dev/net/tun ] || mknod -m 0666 /dev/net/tun c 10 200
}

world_up() {
	make_tun
	[ ! -e /run/netns/world ] || return 0
	ip netns add world
	ip link add up0 type veth peer name down0 netns world
	ip addr add 198.18.0.2/24 dev up0
	ip addr add fd12::2/64 dev up0 nodad
	ip link set up0 up
	ip -n world link set lo up
	ip -n world addr add 198.18.0.1/24 dev down0
	ip -n world addr add fd12::1/64 dev down0 nodad
	ip -n world link set down0 up
	local address
	for address in 203.0.113.7 203.0.113.53 169.254.169.254; do
		ip -n world addr add "$address/32" dev lo
	done
	ip route add default via 198.18.0.1
	ip -6 route add default via fd12::1
}

# serve [NETNS] ADDRESS PORT TEXT: answers each connection with one line.
serve() {
	local in=()
	if [ $# -eq 4 ]; then
		in=(ip netns exec "$1")
		shift
	fi
	"${in[@]}" socat "TCP-LISTEN:$2,bind=$1,fork,reuseaddr" "SYSTEM:echo $3; sleep 0.2" &
	eventually 5 "${in[@]}" bash -c "exec 3<>/dev/tcp/$1/$2" || fail "no listener on $1:$2"
}

world_serves() {
	world_up
	serve world 203.0.113.7 80 world
	serve world 169.254.169.254 80 metadata
}

# name_server [NETNS] ADDRESS: 192.0.2.7 is the answer to every question.
name_server() {
	local in=()
	if [ $# -eq 2 ]; then
		in=(ip netns exec "$1")
		shift
	fi
	"${in[@]}" python3 -c '
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
print("up", flush=True)
while True:
    question, who = server.recvfrom(512)
    end = question.index(b"\0", 12) + 5
    a = question[end - 4:end - 2] == b"\0\1"
    answer = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if a else b"\0\0") + b"\0\0\0\0" + question[12:end]
    if a:
        answer += b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("192.0.2.7")
    server.sendto(answer, who)
' "$1" >/tmp/name-server &
	eventually 10 grep -q up /tmp/name-server || fail "no name server"
}

# reach ADDRESS PORT: a command that prints the first line that is answered there.
reach() {
	printf 'timeout 4 bash -c "exec 3<>/dev/tcp/%s/%s && head -n 1 <&3" 2>/dev/null' "$1" "$2"
}

# The pids of pasta.
pastas() {
	pgrep -x 'pasta|passt|pasta\.avx2|passt\.avx2' || true
}
