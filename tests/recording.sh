#!/bin/bash
# make recording: a session at a terminal on the throw-away host, as an SVG on standard output. See tests/lib/recording.py.
set -u
. "$(dirname -- "$0")/lib/host.sh"
. "$(dirname -- "$0")/lib/installed.sh"

if [ -z "${HOST_INSIDE-}" ]; then
	host_enter "$(readlink -f -- "$0")" "$@"
fi
{
	host_build nora && cd / && installed_once && installed_again
} >&2 || exit 1
recording
sshd_stop
