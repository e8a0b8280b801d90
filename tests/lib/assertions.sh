# shellcheck shell=bash
# How a test says that something is not as it must be. Sourced.
fail() {
	echo "failed: $*" >&2
	exit 1
}

# want WHAT EXPECTED ACTUAL
want() {
	[ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# want_match WHAT REGEX ACTUAL; want_no_match likewise. The regex is grep's -E, by line.
want_match() {
	grep -qE -- "$2" <<<"$3" || fail "$1: nothing matches '$2' in: $3"
}

want_no_match() {
	! grep -qE -- "$2" <<<"$3" || fail "$1: '$2' matches in: $3"
}
