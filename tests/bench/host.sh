# shellcheck shell=bash
# The throw-away host of a benchmark.
. "$(dirname -- "${BASH_SOURCE[0]}")/../lib/host.sh"

# bench_host [ARGUMENT...]: the calling script, with its arguments, on a host of its own with the users iris, nora, ivan.
bench_host() {
	local output
	if [ -z "${HOST_INSIDE-}" ]; then
		host_enter "$(readlink -f -- "$0")" "$@"
	fi
	if ! output=$(host_build iris nora ivan 2>&1); then
		printf 'bench: cannot make the throw-away host:\n%s\n' "$output" >&2
		exit 1
	fi
	# The results go into the checkout.
	host_root_is rw
	cd / || exit 1
	host_default_configuration
}
