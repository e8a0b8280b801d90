#!/bin/bash
# Each system call of a login fails, one at a time: tests/lib/faults.py has the rules, and what is traced is the list.
# A sample in `make check`; CLOISTER_FAULTS_SEED=TEXT takes another one, and LONG=1 (make check-long) each call with
# each errno, for more kinds of session.
set -u
# shellcheck disable=SC2034 # of cases.sh
CASE_TIMEOUT=${LONG:+14000}
CASE_TIMEOUT=${CASE_TIMEOUT:-400}
. "$(dirname -- "$0")/../lib/attack.sh"
. "$(dirname -- "$0")/../lib/networks.sh"
. "$(dirname -- "$0")/../lib/states.sh"

SEES=/home/iris/session_state

# A login is a program that shows what it is in.
case_before() {
	isolate iris
	put_probes session_state
	# What nobody inside must see.
	touch /tmp/canary /run/canary /root/canary
	sed -i -E "s,^(iris:.*:)[^:]*\$,\\1$SEES," /etc/passwd
	snapshot_before
}

# first_login LINE: a login of iris, with this line, that stays.
first_login() {
	isolate iris "$1"
	snapshot_before
	su iris -c stay </dev/null >"$CASE_STATE/first" 2>&1 &
	FIRST=$!
	eventually 10 grep -q up "$CASE_STATE/first" || fail "no first login: $(cat "$CASE_STATE/first")"
}

end_first_login() {
	kill "$FIRST"
	wait "$FIRST" || true
	snapshot_same
}

# faults [OPTION...] NAME -- COMMAND...
faults() {
	HOST_BUILD=$HOST_BUILD python3 "$HOST_TESTS/lib/faults.py" "$@" || fail "see above"
}

# table: X01 | every system call of `cloister run` fails, one at a time: one of each kind with one of eight errnos; with LONG=1 each with all eight | the login without a failure; a build that ignores seccomp(2) failing is found out
test_x01_each_call_of_a_run() {
	faults ${LONG:+--all} --ours run -- "$HOST_BUILD/cloister" run --user iris -- "$SEES"
}

# table: X01 | the same of su(1), from where the module begins, and of its child: half of that, all of it with all errnos with LONG=1 | as before
test_x01_each_call_of_su() {
	local part=(--share 2)
	[ -z "${LONG-}" ] || part=(--kinds)
	faults "${part[@]}" --since cloister.conf --role '^su(/[2-9])?(:|$)' su -- su iris
}

# table: X01 | the same of sshd's monitor and of the user's child: a twelfth of that, all of it with LONG=1 | as before
test_x01_each_call_of_sshd() {
	local share=12
	[ -z "${LONG-}" ] || share=1
	faults --share "$share" --since cloister.conf --role '^sshd(/[0-9]+)?$' sshd -- \
		ssh -o 'ProxyCommand={faults} /usr/sbin/sshd -i' iris@testhost x
}

# table: X01 | the same of other sessions: a classic rootfs with a private home, users = root, an image; a few, one of each kind with all errnos with LONG=1 | as before
test_x01_each_call_of_other_sessions() {
	local run=("$HOST_BUILD/cloister" run --user iris --rootfs)
	# What init and the entering child do for each kind of session has been tried.
	local sample=(--kinds)
	[ -n "${LONG-}" ] || sample=(--only "cloister/1/1:cloister-init:move_mount:1:ENOMEM" --only "cloister:clone:1:EAGAIN" --only "cloister/1:clone:1:EAGAIN")
	tree
	install -m 0755 "$HOST_BUILD/probe/session_state" "$ROOT/bin/"
	# The machine's loop devices are everybody's: a name that no other test has.
	local image=/opt/image-$RANDOM$RANDOM$RANDOM
	make_loop_nodes
	mksquashfs "$ROOT" "$image" -quiet -no-progress >/dev/null
	snapshot_before
	faults "${sample[@]}" --ours tree -- "${run[@]}" "$ROOT" --set writable=tmpfs --set home=private -- /bin/session_state
	faults "${sample[@]}" --ours --rooted root -- "${run[@]}" "$ROOT" --set users=root -- /bin/session_state
	faults "${sample[@]}" --ours --image "$image" image -- "${run[@]}" "$image" -- /bin/session_state
	snapshot_before
}

# sampled N NAME -- COMMAND...: every Nth kind of call that no earlier one of these has tried; all with LONG=1.
sampled() {
	local part=(--share "$1" --known "$CASE_STATE/known")
	[ -z "${LONG-}" ] || part=(--kinds)
	faults "${part[@]}" "${@:2}"
}

# A login without any failure, whose kinds of calls another test has tried.
known() {
	faults --share 1000000 --known "$CASE_STATE/known" --ours run -- "$HOST_BUILD/cloister" run --user iris -- "$SEES"
}

# table: X01 | the same of a login that joins a session (scope = user): the session of the others goes on, and is found again | as before
test_x01_each_call_of_a_join() {
	first_login 'scope = user'
	sampled 3 --standing "$(pgrep -x cloister-init)" --since cloister.conf --role '^su(/[2-9])?(:|$)' join -- su iris
	end_first_login
}

# table: X01 | the entry of a live session cannot be read, or its init not be asked for: the login is refused, and the entry stays | a build that takes that for a dead session starts another one, on the same upper directory
test_x01_a_session_that_cannot_be_looked_at() {
	local only=(--only su:openat:=iris-:EMFILE --only su:openat:=iris-:EINTR --only su:pidfd_open:1:EMFILE
		--only su:pidfd_open:1:ENOMEM --only su:newfstatat:=/ns/mnt:ENOMEM)
	first_login 'scope = user'
	faults --refused --standing "$(pgrep -x cloister-init)" "${only[@]}" join -- su iris
	end_first_login
	first_login 'rootfs = /'
	faults --refused "${only[@]}" share -- su iris
	end_first_login
}

# table: X01 | the same of network = pasta and network = netns:NAME | as before
test_x01_each_call_of_networks() {
	local run=("$HOST_BUILD/cloister" run --user iris --set)
	world_up
	ip netns add faults
	snapshot_before
	known
	sampled 1 --ours netns -- "${run[@]}" network=netns:faults -- "$SEES"
	sampled 12 --ours pasta -- "${run[@]}" network=pasta -- "$SEES"
	ip netns del faults
	snapshot_before
}

# table: X01 | the same of home = private, the first time and later, and of users = root | as before
test_x01_each_call_of_homes_and_root() {
	local run=("$HOST_BUILD/cloister" run --user iris --rootfs)
	tree
	install -m 0755 "$HOST_BUILD/probe/session_state" "$ROOT/bin/"
	snapshot_before
	known
	sampled 8 --ours --role cloister home -- sh -c 'rm -rf /var/lib/cloister/users/*/home; exec "$@"' first "${run[@]}" "$ROOT" \
		--set home=private -- /bin/session_state
	sampled 8 --ours --rooted root -- "${run[@]}" "$ROOT" --set users=root -- /bin/session_state
}

# table: X01 | the same of cloister-sh without PAM, as the user | as before
test_x01_each_call_of_the_login_shell() {
	local as_iris=(setpriv --reuid iris --regid iris --init-groups env -i HOME=/home/iris USER=iris "PATH=$PATH" LANG=C)
	local only=() n
	# Found so: where posix_spawn(3) cannot read the mask of signals, it sets any.
	for n in 3 4 5 6 7 8; do
		only+=(--only "setpriv:env:cloister-sh:rt_sigprocmask:$n:EPERM")
	done
	faults --ours "${only[@]}" shell -- "${as_iris[@]}" "$HOST_BUILD/cloister-sh" -c "$SEES"
	sampled 12 --ours --role cloister-sh shell -- "${as_iris[@]}" "$HOST_BUILD/cloister-sh" -c "$SEES"
}

# table: X01 | what was found so: waits that a signal ended, or that did not end; a signal mask, file ids, the login's terminal that nobody looked at; errors taken for something else; a file that was left | as before
test_x01_found_before() {
	faults --refused --ours --only cloister:rt_sigprocmask:++cloister-init:EINVAL \
		--only cloister/2:rt_sigaction:1:EPERM --only cloister:setfsuid:++overlay:EPERM \
		--only cloister:setfsuid:++++overlay:EPERM --only cloister:setfsgid:++++overlay:EPERM \
		--only cloister/1/1:cloister-init:setsid:1:EPERM --only cloister/1/1:cloister-init:openat2:=/etc/resolv.conf:ENOMEM \
		--only cloister:open_tree:1:EPERM --only cloister:fcntl:+.iris-:ENOMEM \
		run -- "$HOST_BUILD/cloister" run --user iris -- "$SEES"
	# Here the session is good.
	faults --ours --only cloister:wait4:1:EINTR run -- "$HOST_BUILD/cloister" run --user iris -- "$SEES"
	faults --only su:pidfd_send_signal:+/ns/pid:EPERM su -- su iris
}

# table: X01 | the group that isolates a user cannot be read: whenever somebody looks | a build that takes that for "no such group" runs the user's code on the host
test_x01_the_group_that_isolates() {
	configure <<-'END'
		[group:team]
		isolate = yes
	END
	echo 'team:x:4242:iris' >>/etc/group
	snapshot_before
	faults --all --role '^su$' --detail /etc/group su -- su iris
}

# table: X02 | a short write of uid_map, gid_map or the plan; a message, a descriptor or an answer that does not come | the login without it
test_x02_short_messages() {
	faults --refused --ours --only cloister:write:+uid_map:SHORT --only cloister:write:+gid_map:SHORT \
		--only cloister:sendto:1:SHORT --only cloister:sendto:2:SHORT --only cloister/1/1:cloister-init:recvfrom:1:EOF \
		--only cloister/1/1:cloister-init:recvfrom:2:EOF --only cloister/1/1:cloister-init:recvfrom:2:EAGAIN \
		--only cloister:sendmsg:1:SHORT --only cloister/1/1:cloister-init:recvmsg:1:EOF \
		--only cloister/1/1:cloister-init:sendto:1:SHORT --only cloister:recvfrom:1:EOF \
		run -- "$HOST_BUILD/cloister" run --user iris -- "$SEES"
	# The child that opens a home as its owner, where their rights decide.
	chgrp iris /home
	chmod 0750 /home
	faults --refused --ours --only cloister/2:sendmsg:1:SHORT --only cloister:recvmsg:1:EOF \
		run -- "$HOST_BUILD/cloister" run --user iris -- "$SEES"
	chgrp root /home
	chmod 0755 /home
}

# table: X02 | the same, of what is parsed | see: fuzz_corpus.control
# table: X03 | a change of ids fails with EAGAIN, as it did for RLIMIT_NPROC before Linux 3.1 | the login without it
test_x03_ids_that_do_not_change() {
	faults --refused --ours --only cloister/2:setresuid:1:EAGAIN --only cloister/2:setresuid:2:EAGAIN \
		--only cloister/2:setresgid:1:EAGAIN --only cloister/2:setresgid:2:EAGAIN --only cloister/2:setgroups:1:EAGAIN \
		run -- "$HOST_BUILD/cloister" run --user iris -- "$SEES"
	faults --refused --role '^su/3' --only su/3:setresuid:1:EAGAIN --only su/3:setuid:1:EAGAIN su -- su iris
}

run_cases "$@"
