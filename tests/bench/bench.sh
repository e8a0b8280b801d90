#!/bin/bash
# make bench: what a session costs, as ratios between an isolated user (iris) and one who is not (nora) in one run on one
# throw-away host, turn by turn, so that the machine's own ups and downs meet both.
# usage: tests/bench/bench.sh [PAIRS [SESSIONS]]
set -u
. "$(dirname -- "$0")/../lib/host.sh"
. "$(dirname -- "$0")/../lib/images.sh"

if [ -z "${HOST_INSIDE-}" ]; then
	host_enter "$(readlink -f -- "$0")" "$@"
fi
if ! output=$(host_build iris nora ivan 2>&1); then
	printf 'bench: cannot make the throw-away host:\n%s\n' "$output" >&2
	exit 1
fi
cd / || exit 1
host_default_configuration
printf '[user:iris]\nisolate = yes\n[user:ivan]\nisolate = yes\nscope = user\n' | configure
sshd_start || exit 1
python3 "$HOST_TESTS/bench/measure.py" "${1:-40}" || exit 1

set_up
cp "$MADE/one.erofs" "$DISK/i.erofs"
cp "$MADE/one.squashfs" "$DISK/i.squashfs"
rootfs_make "$DISK/tree"
# "direct" is for a directory of the user's own.
chown -R iris: "$DISK/tree"
exec python3 "$HOST_TESTS/bench/roots.py" "$HOST_BUILD/cloister" "$DISK" "${1:-40}" "${2:-1000}"
