#!/bin/bash
# Debian in one command: mmdebstrap(1) into `cloister image import`, and an ssh login on it. mmdebstrap runs where the
# network is, outside of the test host, and writes to a FIFO that the import reads.
# Skipped by name where no Debian registry can be reached.
set -u
CASE_TIMEOUT=200
. "$(dirname -- "$0")/../lib/cases.sh"

# The test host hides /tmp and most of /var; this it does not.
if [ -z "${HOST_INSIDE-}" ]; then
	directory=$(mktemp -d /var/tmp/cloister-mmdebstrap.XXXXXX)
	trap 'rm -rf "$directory"' EXIT
	mkfifo "$directory/tar"
	(
		status=0
		# A mirror that has stood still for some days is good enough here.
		timeout 180 mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' stable - \
			>"$directory/tar" 2>"$directory/log" </dev/null || status=$?
		echo "$status" >"$directory/status"
	) &
	(host_enter "$(readlink -f -- "$0")" "$directory" "$@")
	status=$?
	# Where the test never read it.
	kill "$!" 2>/dev/null
	exit "$status"
fi
if [ -z "${HOST_CASE-}" ]; then
	export MMDEBSTRAP=$1
	shift
fi

# table: an image of mmdebstrap's | imported by one command
test_debian_in_one_command() {
	local status=0 inside
	"$HOST_BUILD/cloister" image import - debian12 <"$MMDEBSTRAP/tar" >/tmp/out 2>&1 || status=$?
	eventually 10 test -s "$MMDEBSTRAP/status" || fail "mmdebstrap does not end: $(cat /tmp/out)"
	if [ "$(cat "$MMDEBSTRAP/status")" != 0 ]; then
		want "an import of half a tree" 125 "$status"
		skip "mmdebstrap cannot make a tree here: $(grep -m 1 "^E:" "$MMDEBSTRAP/log")"
	fi
	want "imported ($(cat /tmp/out))" 0 "$status"
	isolate iris "$(tail -n 1 /tmp/out)"
	want "id" "$(id -u iris)" "$(on iris id -u)"
	want_match "Debian" '^ID=debian$' "$(on iris cat /etc/os-release)"
	inside=$(on iris ls -ln / /var)
	want_match "/usr is root's" ' +0 +0 .* usr$' "$inside"
	want_match "/var/mail's group" ' +0 +8 .* mail$' "$inside"
	want_match "apt reads its lists" 'Package: bash|bash/' "$(on iris 'dpkg -s bash')"
	want "no set-user-ID" "" "$(find /var/lib/cloister/images -type f -perm /6000)"
	want_match "counted" 'set-user-ID and set-group-ID bits' "$(cat /tmp/out)"
}

run_cases "$@"
