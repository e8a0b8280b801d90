#!/bin/bash
# make bench: what a session costs, as ratios between an isolated user (iris) and one who is not (nora) in one run on one
# throw-away host, turn by turn, so that the machine's own ups and downs meet both.
# usage: tests/bench/bench.sh [PAIRS [SESSIONS]]
set -u
. "$(dirname -- "$0")/host.sh"
. "$(dirname -- "$0")/../lib/images.sh"

bench_host "$@"
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
