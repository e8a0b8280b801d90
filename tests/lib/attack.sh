# shellcheck shell=bash
# What a file of attacks is made of, on top of cases.sh. Each test is a case of the list in doc/attacks.md, named by its
# id: test_f01_x. Before each one a snapshot of the host is taken, and after it the host must be the same.
# A test begins with what its attack needs (isolated, put_probes, ...), each of which takes the snapshot anew.
#
# Lines above a test, or alone, make doc/attacks.md (tests/attacks.sh):
#   # table: ID | what | control: who can do it without a session, or why there can be none
#   # table: ID | what | see: FILE.TEST     the test is elsewhere
#   # table: ID | what | not applicable: why
CASE_TIMEOUT=${CASE_TIMEOUT:-120}
. "$(dirname -- "${BASH_SOURCE[0]}")/cases.sh"
. "$(dirname -- "${BASH_SOURCE[0]}")/snapshot.sh"

CANARY=/etc/host-canary

# /etc is a copy, so that what is installed on the machine meanwhile is no difference. The machine's own root, below the
# test host's mounts, cannot be written: a test that goes wrong (one did: umount(8) follows a link) must not reach it.
set_up() {
	cp -a /etc /run/etc-copy
	mount -t tmpfs -o mode=0755 etc /etc
	cp -a /run/etc-copy/. /etc/
	rm -rf /run/etc-copy
	mount -o remount,bind,ro /
}

void() {
	fail "void: the attack does not work without Cloister: $*"
}

case_before() {
	echo "host canary" >"$CANARY"
	chmod 0644 "$CANARY"
	snapshot_before
}

case_after() {
	snapshot_same
}

# isolated [LINE...]: iris's session has these lines.
isolated() {
	isolate iris "$@"
	snapshot_before
}

# rooted [LINE...]: iris in a BusyBox tree, with these lines.
ROOT=/opt/rootfs/attack
rooted() {
	tree
	isolated "rootfs = $ROOT" "$@"
}

# A fresh tree at $ROOT. Made once and copied: hundreds of links take their time.
tree() {
	[ -e /opt/attack-tree/bin/busybox ] || rootfs_make /opt/attack-tree
	rm -rf "$ROOT"
	cp -a /opt/attack-tree "$ROOT"
}

# put_probes PROGRAM...: into the homes of iris and nora, and /tmp for root.
put_probes() {
	local program user
	for program in "$@"; do
		for user in iris nora; do
			install -o "$user" -m 0755 "$HOST_BUILD/probe/$program" "/home/$user/$program"
		done
	done
}

# attacks PROGRAM CONTROL NAME...: each attack must work for CONTROL (nora, root), and be refused for iris.
attacks() {
	local program=$1 control=$2 directory=/home/$2
	shift 2
	put_probes "$program"
	[ "$control" != root ] || directory=$HOST_BUILD/probe
	on "$control" "$directory/$program" "$@" >"$CASE_STATE/control" 2>&1 || true
	on iris "/home/iris/$program" "$@" >"$CASE_STATE/inside" 2>&1 || true
	attacks_compare $#
}

# attacks_compare N: what CONTROL and iris were answered, line by line.
attacks_compare() {
	local control inside n=0
	while IFS= read -r control <&3 && IFS= read -r inside <&4; do
		case $control in
		*": worked") ;;
		*) void "$control" ;;
		esac
		case $inside in
		"${control%: *}: refused "*) n=$((n + 1)) ;;
		*) fail "iris: $inside" ;;
		esac
	done 3<"$CASE_STATE/control" 4<"$CASE_STATE/inside"
	[ "$n" -eq "$1" ] || fail "of $1 attacks $n were tried: $(cat "$CASE_STATE/control" "$CASE_STATE/inside")"
}

# session_up [SSH OPTION...] COMMAND: a session of iris in the background that says "up"; CLIENT is its ssh.
session_up() {
	local last=${*: -1}
	client iris "${@:1:$#-1}" "echo up; $last"
	eventually 10 grep -q up "$CASE_STATE/client" || fail "no session: $(cat "$CASE_STATE/client")"
}

session_down() {
	kill "$CLIENT" 2>/dev/null || true
	wait "$CLIENT" 2>/dev/null || true
	eventually 5 no_processes_left || fail "left: $(processes_left)"
}

# inside_or_refused LIMIT COMMAND...: a login that writes its mount namespace; INSIDE=1, or 0 when it was refused.
# Fails when it ran on the host, or took more than LIMIT seconds.
inside_or_refused() {
	local limit=$1 out status=0
	shift
	out=$(timeout -k 1 "$limit" "$@" </dev/null 2>/dev/null) || status=$?
	[ "$status" -ne 124 ] && [ "$status" -ne 137 ] || fail "it took over $limit s: $*"
	INSIDE=0
	case $out in
	*"$(readlink /proc/1/ns/mnt)"*) fail "user code ran on the host: $*" ;;
	*"host canary"*) fail "the canary was read: $*" ;;
	*mnt:*) INSIDE=1 ;;
	esac
}
