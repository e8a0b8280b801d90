#!/bin/bash
# No path of the user's is resolved by name, in what runs with more rights than theirs: path_calls.py over every object
# file and its source, against the list of exceptions in path-calls. Needs a build.
# usage: path_safety.sh [BUILD]
set -u
cd -- "$(dirname -- "$0")/../.." || exit 1
build=${1:-build}
exec python3 tests/lib/path_calls.py "$build/obj" tests/lib/path-calls \
	lib/*.c init/*.c pam_module/*.c image/*.c shell/*.c cli/*.c user_manager/*.c
