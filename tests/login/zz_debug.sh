#!/bin/bash
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
CASE_TIMEOUT=150
ROOT=/opt/rootfs/own
rooted() {
	rootfs_make "$ROOT"
	isolate iris "rootfs = $ROOT" 'users = root' "$@"
}
test_debug() {
	. /tmp/rootexp-dbg 2>/dev/null || . $HOST_TESTS/login/zz_dbg.inc
	fail done
}
set_up() { mkdir -p /opt/debian; tar -x -C /opt/debian <&9; }
run_cases "$@"
