#!/bin/bash
# Whose the processor's time of a start is, by perf(1): the kernel's, the loader's, libraries', our own; of `limit`, too;
# and what the kernel does in it.
# usage: tests/bench/profile.sh [STARTS]
set -u
. "$(dirname -- "$0")/host.sh"

if [ -z "${HOST_INSIDE-}" ] && ! command -v perf >/dev/null; then
	echo "whose the time is: not measured: no perf(1)"
	exit 0
fi
bench_host "$@"
isolate iris
DISK=/opt/bench
mkdir -p "$DISK"
rootfs_make "$DISK/tree"
cp "$HOST_CHECKOUT/${HOST_BUILD_FROM}/bench/limit" "$DISK/"
cp "$DISK/limit" "$DISK/tree/bin/"
chown -R iris: "$DISK/tree"

# starts NUMBER COMMAND...
starts() {
	local i
	for ((i = 0; i < $1; i++)); do
		"${@:2}" </dev/null >/dev/null || return 1
	done
}

# profile NAME COMMAND...: of every process of it, and of the program it starts.
profile() {
	local name=$1
	shift
	export -f starts
	if ! perf record -q -a -g -F 15000 -e cpu-clock -o "$DISK/perf" -- bash -c 'starts "$@"' bash "$NUMBER" "$@" >"$DISK/said" 2>&1; then
		echo "whose the time is: not measured: $(tail -n 1 "$DISK/said")"
		exit 0
	fi
	perf report -i "$DISK/perf" --no-children -g none --sort comm,dso --stdio 2>/dev/null |
		awk -v name="$name" '
			$2 ~ /^(cloister|cloister-init|limit)$/ {
				part = $1 + 0
				all += part
				if ($3 ~ /^\[/) whose["kernel"] += part
				else if ($3 ~ /^ld-linux/) whose["loader"] += part
				else if ($3 ~ /\.so/) whose["libraries"] += part
				else whose[$3] += part
			}
			END {
				printf "%-34s", "whose the time of " name " is:"
				for (one in whose) printf " %s %.0f %%", one, 100 * whose[one] / all
				print ""
			}'
	# Quietly: a sample here and there is torn.
	perf script -i "$DISK/perf" -F comm,ip,sym 2>/dev/null |
		python3 "$HOST_TESTS/bench/kernel_time.py" "$name" "$NUMBER" cloister cloister-init limit
}

NUMBER=${1:-200}
starts 20 "$HOST_BUILD/cloister" run --user iris --rootfs "$DISK/tree" --set 'writable = direct' -- /bin/limit now
profile cloister "$HOST_BUILD/cloister" run --user iris --rootfs "$DISK/tree" --set 'writable = direct' -- /bin/limit now
profile limit "$DISK/limit" "$DISK/tree" "$(id -u iris)" /bin/limit now
