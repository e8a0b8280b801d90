#!/bin/bash
# Limits on what a user can write into a rootfs.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
. "$(dirname -- "$0")/../lib/states.sh"

# shellcheck disable=SC2034 # read by run_cases
CASE_TIMEOUT=150

test_limits_of_a_tmpfs() {
	set_rootfs 'writable = tmpfs' 'writable_max = 4M' 'writable_files_max = 300' 'tmpfs = /tmp:size=1M:files=20' 'tmpfs = /run'
	snapshot_before
	local seen
	seen=$(on iris 'head -c 3000000 /dev/zero >/srv/a && echo fits; head -c 3000000 /dev/zero >/srv/b || echo full; ls -l /srv/b
		rm /srv/a /srv/b; echo files $(~/probe exhaust /srv/below 400)
		echo tmp $(~/probe exhaust /tmp 100); rm -f /tmp/*; head -c 2000000 /dev/zero >/tmp/x || echo /tmp full; echo home >~/home && cat ~/home' 2>&1)
	want_match "below the limit" '^fits$' "$seen"
	want_match "above it" '^full$' "$seen"
	want_match "files" '^files ENOSPC$' "$seen"
	want_match "files of /tmp" '^tmp ENOSPC$' "$seen"
	want_match "size of /tmp" '^/tmp full$' "$seen"
	want_match "others are unaffected" '^home$' "$seen"
	want "the next login" old "$(on iris 'cat /srv/file')"
	snapshot_same
	# Without limits of the administrator's own: not half of the memory.
	set_rootfs 'writable = tmpfs'
	want_match "the default" '^tmpfs_size' "tmpfs_size $(on iris 'df -k / | tail -n 1')"
	local memory size
	memory=$(awk '/^MemTotal/ {print $2}' /proc/meminfo)
	size=$(on iris 'df -k / | tail -n 1' | awk '{print $2}')
	[ "$size" -le $((memory / 9)) ] || fail "$size of $memory KiB"
}

test_limits_where_they_mean_nothing() {
	local mode
	for mode in no direct; do
		set_rootfs "writable = $mode" 'writable_max = 1M'
		refused 'writable_max and writable_files_max are for writable = overlay and tmpfs'
		want_match "check" '^error: .*writable_max' "$(cloister check iris || true)"
	done
	set_rootfs 'writable_max = lots'
	refused 'the value must be: BYTES'
}

test_quota_is_missing() {
	set_rootfs 'writable_max = 1M'
	refused 'quota: .*need project quotas.*tune2fs -O project,quota.*prjquota'
	want_match "check" '^error: overlay: quota: .*prjquota' "$(cloister check iris || true)"
	[ ! -e "$STATE/upper/srv" ] || fail "a session was made"
	# Counted, but not enforced.
	if on_disk 64M '-O quota,project -E quotatype=prjquota' ',noquota' 2>/dev/null; then
		refused 'quota: .*need project quotas'
	fi
}

quota_disk() {
	on_disk 128M '-O quota,project -E quotatype=prjquota' ',prjquota' 2>/dev/null ||
		skip "the kernel has no project quotas for ext4 (CONFIG_QFMT_V2)"
}

test_quota_of_a_project() {
	set_rootfs 'writable_max = 8M' 'writable_files_max = 200'
	quota_disk
	local seen
	seen=$(on iris 'head -c 6000000 /dev/zero >/srv/a && echo fits; head -c 6000000 /dev/zero >/srv/b || echo full
		echo more >>/srv/big || echo no copy-up; rm /srv/a /srv/b; echo files $(~/probe exhaust /srv/below 400); echo home >~/home && cat ~/home' 2>&1)
	want_match "below the limit" '^fits$' "$seen"
	want_match "above it" '^full$' "$seen"
	want_match "EDQUOT" '[Qq]uota exceeded' "$seen"
	want_match "copy-up of a big file" '^no copy-up$' "$seen"
	want_match "files" '^files EDQUOT$' "$seen"
	want_match "the home is unaffected" '^home$' "$seen"
	# Full: the next login comes in, and can make room.
	want "a login" old "$(on iris 'cat /srv/file; rm -r /srv/below')"
	want "room again" ok "$(on iris 'echo x >/srv/new && echo ok')"
	# Another user, without a limit, on the same disk.
	on iris 'dd if=/dev/zero of=/srv/full bs=64k 2>/dev/null; true'
	configure <<-END
		[default]
		isolate = yes
		rootfs = $TREE
	END
	want "another user" ok "$(on ivan 'head -c 20000000 /dev/zero >/ivan/big && echo ok')"
	want "project" "$((1073741824 + $(id -u iris)))" "$(lsattr -pd "$STATE/upper" | awk '{print $1}')"
	# The limit is gone with the line.
	want "lifted" ok "$(on iris 'head -c 20000000 /dev/zero >/srv/much && mkdir /srv/d && mv /srv/much /srv/d/ && echo ok')"
	eventually 10 no_processes_left
}

# What was there before the limit counts, and can still be moved about.
test_quota_set_later() {
	set_rootfs
	quota_disk
	on iris 'mkdir -p /srv/x/y && head -c 6000000 /dev/zero >/srv/x/y/a && ln -s a /srv/x/y/link'
	isolate iris "rootfs = $TREE" 'writable_max = 8M'
	want_match "what was there counts" 'full' "$(on iris 'head -c 6000000 /dev/zero >/srv/b || echo full' 2>&1)"
	want "and moves" ok "$(on iris 'rm /srv/b; mv /srv/x/y/a /srv/a && mv /srv/x /srv/z && echo ok')"
	cloister reset --quiet iris
	want "a reset gives it back" ok "$(on iris 'head -c 6000000 /dev/zero >/srv/b && echo ok')"
	eventually 10 no_processes_left
}

run_cases "$@"
