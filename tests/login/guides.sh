#!/bin/bash
# The guides for administrators: what they tell to type is typed on a machine as they expect it, what they show is what
# comes, and what they promise holds.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
. "$(dirname -- "$0")/../lib/installed.sh"
. "$(dirname -- "$0")/../lib/networks.sh"
. "$(dirname -- "$0")/../lib/images.sh"

set_up() {
	installed_once
}

case_before() {
	installed_again
}

# guide FILE
guide() {
	local have=()
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] || have=(--have cgroup)
	"$HOST_TESTS/lib/document.py" "${have[@]}" "/opt/doc/$1" || fail "$1"
}

# A document that is not true is found.
test_control_what_is_not_so_is_found() {
	local good=$'```console\n# echo one\none\n# true\n```' bad
	printf '%s\n' "$good" >/tmp/good.md
	"$HOST_TESTS/lib/document.py" /tmp/good.md || fail "control"
	for bad in '# echo two'$'\n''one' '# echo one' '# false' '# echo one'$'\n''one'$'\n''two' '$ ssh nora@server echo x'$'\n''y'; do
		printf '```console\n%s\n```\n' "$bad" >/tmp/bad.md
		"$HOST_TESTS/lib/document.py" /tmp/bad.md && fail "$bad"
	done
	printf '```sh\nrm -rf /\n```\n' >>/tmp/good.md
	"$HOST_TESTS/lib/document.py" /tmp/good.md && fail "a block that is not run"
	echo 'Nothing.' >/tmp/empty.md
	"$HOST_TESTS/lib/document.py" /tmp/empty.md && fail "nothing"
	true
}

# Limits that this machine cannot carry out are written as cloister.conf(5) has them, at least.
test_limits_are_understood() {
	local file n=0
	for file in /opt/doc/guides/*.md; do
		awk '/^<!-- needs: cgroup -->/ {next_one = 1; next} /^```/ {there = next_one && !there; next_one = there; next} there' "$file" |
			sed 's/^\[.*/[user:nora]/' >/etc/cloister/cloister.conf.d/limits.conf
		[ -s /etc/cloister/cloister.conf.d/limits.conf ] || continue
		n=$((n + 1))
		cloister check nora >/tmp/said || true
		want "$file" "" "$(grep -E '^error' /tmp/said | grep -vE 'cgroup|controller' || true)"
		want_match "$file" 'memory_max' "$(cloister plan nora 2>&1 || true)"
	done
	[ "$n" -ge 2 ] || fail "limits in $n guides"
	echo 'memory_max = much' >>/etc/cloister/cloister.conf.d/limits.conf
	want_match "control" '^error: .*memory_max' "$(cloister check nora || true)"
}

test_walkthrough() {
	guide walkthrough.md
}

test_login_host() {
	world_serves
	guide guides/login-host.md
	want "the world" world "$(on alice "$(reach 203.0.113.7 80)")"
	serve 127.0.0.1 8001 host
	want "control: the host's loopback" host "$(on nora "$(reach 127.0.0.1 8001)")"
	want "the host's loopback" "" "$(on alice "$(reach 127.0.0.1 8001)" || true)"
	want_match "cron" 'isolated|inside' "$(su -s /bin/sh alice -c '[ "$(ls /home)" = alice ] && echo inside')"
	"$HOST_TESTS/lib/document.py" /opt/doc/guides/login-host.md >/dev/null && fail "control: it runs twice"
	cloister kill alice
}

# The inner network: eth1 leads to a namespace in which a second sshd listens.
inner_network() {
	ip netns add target
	ip link add eth1 type veth peer name eth0 netns target
	ip -n target address add 192.0.2.20/24 dev eth0
	ip -n target link set lo up
	ip -n target link set eth0 up
	sed -e 's/^ListenAddress.*/ListenAddress 192.0.2.20/' -e 's/^PidFile.*/PidFile none/' /etc/ssh/sshd_config >/etc/ssh/sshd_target
	ip netns exec target /usr/sbin/sshd -D -f /etc/ssh/sshd_target </dev/null >/dev/null 2>&1 &
	eventually 10 ip netns exec target bash -c 'exec 3<>/dev/tcp/192.0.2.20/22' || fail "no sshd in the inner network"
}

test_bastion() {
	inner_network
	guide guides/bastion.md
}

test_sftp_drop() {
	guide guides/sftp-drop.md
	echo theirs >/home/dave/secret
	chmod 0644 /home/dave/secret
	want "control: nora reads it" theirs "$(sftp -q nora@server:/home/dave/secret /tmp/nora && cat /tmp/nora)"
	sftp -q carol@server:/home/dave/secret /tmp/carol 2>/dev/null && fail "carol reads dave's file"
	sftp -q carol@server:/etc/hostname /tmp/carol 2>/dev/null && fail "carol reads a file of the machine's"
	# Without sshd's ForceCommand: there is still no shell, and no program.
	rm /etc/ssh/sshd_config.d/50-drop.conf
	systemctl reload ssh
	want_no_match "no shell" uid "$(on carol id 2>&1 || true)"
	want "sftp" theirs "$(sftp -q dave@server:secret /tmp/dave && cat /tmp/dave)"
}

test_training_class() {
	guide guides/training-class.md
}

# The trees that somebody has from before.
test_migrating() {
	rootfs_make /srv/chroot
	rootfs_make /srv/jail
	rootfs_add /srv/jail /bin/bash
	guide guides/migrating.md
	echo x >/run/canary
	want_match "carla: control" x "$(on nora cat /run/canary)"
	want "carla: nothing of the machine" "" "$(on carla cat /run/canary 2>/dev/null || true)"
	want "fiona: what is not bound" "" "$(on fiona 'ls -d private' 2>/dev/null || true)"
}

test_fleet() {
	make_loop_devices
	rootfs_make /srv/tree
	guide guides/fleet.md
}

# What cloister-sh(1) tells users to expect.
test_page_for_users() {
	local said
	printf '[user:nora]\nisolate = yes\ntmpfs = /tmp:size=1M\nrlimit_nproc = 20\n' >/etc/cloister/cloister.conf.d/nora.conf
	want "control: no session" "" "$(on nora cat /run/cloister/session 2>/dev/null || true)"
	echo 'session required pam_cloister.so' >>/etc/pam.d/sshd
	want_match "where am I" '^session=nora-[0-9a-f]{8} user=nora$' "$(on nora head -n 2 /run/cloister/session | xargs)"
	want "what is kept" "kept kept" "$(on nora 'echo kept >~/x; echo kept >/var/tmp/x; echo gone >/tmp/x'
		on nora 'cat ~/x /var/tmp/x /tmp/x' 2>/dev/null | xargs)"
	want_match "in memory" '^tmpfs' "$(on nora df /tmp)"
	while IFS='|' read -r command said; do
		want_match "$command" "$said" "$(on nora "$command" 2>&1 || true)"
	done <<-'END'
		sudo -n id|The "no new privileges" flag is set
		touch /usr/x|Permission denied
		head -c 2M /dev/zero >/tmp/y|No space left on device
		bash -c 'exec 3<>/dev/tcp/192.0.2.1/80'|Network is unreachable
		getent hosts example.org; echo $?|^2$
		unshare -U id|Operation not permitted
		dmesg|Operation not permitted
		mount -t tmpfs x /mnt|superuser
		bash -c 'for i in $(seq 40); do sleep 1 & done; wait'|Resource temporarily unavailable
		crontab -l|No such file
	END
	printf 'rootfs = /srv/nowhere\n' >>/etc/cloister/cloister.conf.d/nora.conf
	want_match "not started" 'Your session could not be started. Please tell the administrator.' "$(on nora id 2>&1 || true)"
}

# The picture in the README is what happens.
test_recording() {
	recording >/tmp/recording.svg
	diff /opt/doc/recording.svg /tmp/recording.svg || fail "not the same: make recording"
}

run_cases "$@"
