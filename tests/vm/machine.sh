# shellcheck shell=bash
# What checks of the virtual machine are made of: ssh into it, what must be so, sessions that stay. Sourced by checks.sh,
# with VM_PORT, VM_KEY, VM_DIR.
VM_SSH=(ssh -p "$VM_PORT" -i "$VM_KEY" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
	-o BatchMode=yes -o ConnectTimeout=20 -o IdentitiesOnly=yes)
PLACE=/sys/fs/cgroup/cloister.slice/cloister-sessions.service

on() {
	local user=$1
	shift
	timeout -k 2 "${VM_TIMEOUT:-90}" "${VM_SSH[@]}" -n "$user@127.0.0.1" "$@"
}

eventually() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 1
	done
}

# stay USER: a session that says what it is told, until it is told to end.
CLIENTS=()
declare -A CLIENT_OF TALK_TO
stay() {
	local fifo=$VM_DIR/stay.$RANDOM talk
	mkfifo "$fifo"
	# For reading, too: an open(2) of one end alone would wait for the other.
	exec {talk}<>"$fifo"
	: >"$VM_DIR/stay.$1"
	"${VM_SSH[@]}" "$1@127.0.0.1" 'echo ready; exec sed -u "/^end$/q"' <"$fifo" >"$VM_DIR/stay.$1" 2>&1 &
	CLIENTS+=("$!")
	CLIENT_OF[$1]=$!
	TALK_TO[$1]=$talk
	eventually 60 grep -q ready "$VM_DIR/stay.$1" || fail "no session of $1: $(cat "$VM_DIR/stay.$1")"
}

# goes_on USER TEXT: the command of the session that stays still answers.
goes_on() {
	echo "$2" >&"${TALK_TO[$1]}"
	eventually 30 grep -qx "$2" "$VM_DIR/stay.$1" || fail "the session of $1 is gone: $2"
}

leave() {
	local status=0
	echo end >&"${TALK_TO[$1]}"
	wait "${CLIENT_OF[$1]}" || status=$?
	want "$1's command at logout" 0 "$status"
}

cgroups() {
	on root "cd $PLACE && ls -d i*/ 2>/dev/null; true"
}

no_cgroups() {
	[ -z "$(cgroups)" ]
}

login_works() {
	[ "$(on "$1" echo works)" = works ]
}

# What users have there, and Cloister beside it: not what is in it.
states() {
	on root 'find /var/lib/cloister -name upper -prune -print -o -print | sort'
}

sessions() {
	on root 'for file in /run/cloister/sessions/*; do [ ! -e "$file" ] || basename "$file"; done | sed s/-[^-]*$// | sort -u | paste -sd " "'
}

there_are() {
	[ "$(sessions)" = "$1" ]
}

inits_are() {
	[ "$(on root 'pgrep -xc cloister-init')" = "$1" ]
}

nothing_of_sessions() {
	[ -z "$(on root 'pgrep -x cloister-init; find /run/cloister/sessions /run/cloister/logins -type f')" ] && no_cgroups
}

check_ends() {
	[ ${#CLIENTS[@]} -eq 0 ] || kill "${CLIENTS[@]}" 2>/dev/null || true
	wait
}
