#!/bin/bash
# What else starts a program in a directory with namespaces of its own, beside Cloister, in one run; and before that
# ten thousand sessions in a row, and starts beside a thousand live ones.
# usage: tests/bench/others.sh [RUNS [SESSIONS]]
set -u
. "$(dirname -- "$0")/host.sh"

bench_host "$@"
isolate iris
# crun refuses a hybrid of cgroup v1 and v2 that has controllers in both.
if mountpoint -q /sys/fs/cgroup/unified; then
	umount /sys/fs/cgroup/unified
fi
mkdir -p /opt/bench
rootfs_make /opt/bench/tree
# systemd-nspawn asks for it.
printf 'ID=bench\n' >/opt/bench/tree/etc/os-release
cp "$HOST_CHECKOUT/${HOST_BUILD_FROM}/bench/limit" /opt/bench/
cp /opt/bench/limit /opt/bench/tree/bin/
chown -R iris: /opt/bench/tree
python3 "$HOST_TESTS/bench/in_a_row.py" "$HOST_BUILD/cloister" /opt/bench/limit /opt/bench/tree "${2:-10000}" || exit 1
python3 "$HOST_TESTS/bench/live.py" "$HOST_BUILD/cloister" /opt/bench/limit /opt/bench/tree "${1:-40}" || exit 1
exec python3 "$HOST_TESTS/bench/others.py" "$HOST_BUILD/cloister" /opt/bench/limit /opt/bench "${1:-40}" "$HOST_CHECKOUT/${HOST_BUILD_FROM}/bench"
