#!/bin/bash
# What sshd_config(5) and authorized_keys(5) can ask for: it happens, and inside.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

NAMESPACE='readlink /proc/self/ns/mnt'

inside() {
	[ "$(readlink /proc/1/ns/mnt)" != "$1" ] && grep -q '^mnt:' <<<"$1"
}

# table: sshd, ForceCommand | contained
test_force_command() {
	sshd_restart "ForceCommand $NAMESPACE; echo asked: \$SSH_ORIGINAL_COMMAND; exit 5"
	want_match "control: nora" "$(readlink /proc/1/ns/mnt | tr -d '[]')" "$(on nora 'echo mine' | tr -d '[]')"
	want_match "what was asked" '^asked: echo mine$' "$(on iris 'echo mine')"
	inside "$(on iris 'echo mine' | head -n 1)" || fail "not inside"
	want "status" 5 "$(status on iris true)"
	want_no_match "with a terminal" '^mine' "$(in_pty "ssh -tt iris@testhost 'echo mine'")"
}

# table: sshd, ForceCommand internal-sftp | contained
test_force_internal_sftp() {
	sshd_restart 'ForceCommand internal-sftp'
	echo "host canary" >/run/canary
	want "control: nora" 0 "$(status timeout 20 sftp -q -b - nora@testhost <<<'get /run/canary /tmp/a')"
	want "the host's file" 1 "$(status timeout 20 sftp -q -b - iris@testhost <<<'get /run/canary /tmp/b')"
	want "the session's file" 0 "$(status timeout 20 sftp -q -b - iris@testhost <<<'get /run/cloister/session /tmp/c')"
	want_no_match "no shell" '^shell' "$(timeout 5 ssh -n iris@testhost echo shell 2>/dev/null || true)"
}

# table: authorized_keys, command= environment= no-pty | contained
test_command_of_a_key() {
	sed -i "s,^,command=\"$NAMESPACE; echo key\"\,environment=\"OF_KEY=yes\"\,no-pty ," /home/iris/.ssh/authorized_keys
	inside "$(on iris 'echo mine' | head -n 1)" || fail "not inside"
	want "the key's command" key "$(on iris 'echo mine' | tail -n 1)"
	sed -i 's,^command="[^"]*",command="echo $OF_KEY",' /home/iris/.ssh/authorized_keys
	want "the key's variable" yes "$(on iris 'echo mine')"
	want_match "no-pty" 'PTY allocation request failed' "$(in_pty "ssh -tt iris@testhost 2>&1")"
	sed -i 's,^.* ssh-,ssh-,' /home/iris/.ssh/authorized_keys
}

# table: ~/.ssh/rc | contained
test_rc_file() {
	echo "$NAMESPACE >~/rc-was-here; cat >/dev/null" >/home/iris/.ssh/rc
	want "the command" 'done' "$(on iris 'echo done')"
	inside "$(cat /home/iris/rc-was-here)" || fail "not inside"
}

# table: PermitUserEnvironment | contained; read inside
test_user_environment() {
	echo 'OF_FILE=yes' >/home/iris/.ssh/environment
	want ".ssh/environment" yes "$(on iris "echo \$OF_FILE")"
	# It is read inside: no link leads it to a file of the host's.
	echo 'OF_HOST=yes' >/run/canary
	ln -sf /run/canary /home/iris/.ssh/environment
	want "a link to the host" "" "$(on iris "echo \$OF_HOST")"
	ln -sf /run/canary /home/nora/.ssh/environment
	want "control: nora" yes "$(on nora "echo \$OF_HOST")"
	rm /home/iris/.ssh/environment /home/nora/.ssh/environment
}

# table: PermitTTY no | as without a session
test_permit_tty_no() {
	sshd_restart 'PermitTTY no'
	want_match "refused" 'PTY allocation request failed' "$(in_pty "ssh -tt iris@testhost 'echo done; exit' 2>&1")"
	want "without" 'done' "$(on iris 'echo done')"
}

run_cases "$@"
