#!/bin/bash
# users = root: the user is uid 0 inside, and nobody's root outside.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

ROOT=/opt/rootfs/own

rooted() {
	rootfs_make "$ROOT"
	isolate iris "rootfs = $ROOT" 'users = root' "$@"
}

test_ssh() {
	rooted
	want "whoami" root "$(on iris whoami)"
	want "id" 0:0 "$(on iris 'echo $(id -u):$(id -g)')"
	want "home" /home/iris "$(on iris 'echo $HOME')"
	want "user" "iris iris" "$(on iris 'echo $USER $LOGNAME')"
	want "directory" /home/iris "$(on iris pwd)"
	want "status" 3 "$(status on iris exit 3)"
	on iris 'cat /proc/self/mounts; ls -la / /run/cloister; grep Cap /proc/self/status; echo hello >file; id'
	want "outside" iris "$(stat -c %U /home/iris/file)"
}

run_cases "$@"
