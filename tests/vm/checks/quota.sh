# shellcheck shell=bash
# What a user may write, by project quotas: many kernels of test machines have none, Debian's have.

QUOTA_CONF=/etc/cloister/cloister.conf.d/quota.conf

# /var/lib/cloister on a small ext4 of its own, for the check alone.
quota_disk() {
	on root "truncate -s 128M /root/disk && mkfs.ext4 -q -F -O quota,project -E quotatype=prjquota /root/disk &&
		mount -o loop,prjquota /root/disk /var/lib/cloister && chmod 0700 /var/lib/cloister"
}

quota_away() {
	on root "rm -f $QUOTA_CONF; umount -l /var/lib/cloister; rm -f /root/disk"
}

nora_is_isolated() {
	printf '%s\n' '[user:nora]' 'isolate = yes' "$@" | "${VM_SSH[@]}" root@127.0.0.1 "cat >$QUOTA_CONF"
}

check_project_quota() {
	trap 'quota_away; check_ends' EXIT
	eventually 60 nothing_of_sessions || fail "sessions of before"
	quota_disk || fail "no disk with project quotas"
	nora_is_isolated
	# Before there is a limit: a file, and directories so deep that no path leads there.
	on nora 'cd /var/tmp && head -c 6000000 /dev/zero >a && ln -s a link && mkfifo fifo &&
		perl -e "for (1..50) { mkdir q(d) x 200 or die; chdir q(d) x 200 or die } open F, q(>deep); print F 1"' || fail "nora, without a limit"
	eventually 60 nothing_of_sessions || fail "the first session stays"
	nora_is_isolated 'writable_max = 8M' 'writable_files_max = 200'
	want "what was there counts" "full" "$(on nora 'head -c 6000000 /dev/zero >/var/tmp/b 2>/dev/null || echo full')"
	eventually 60 nothing_of_sessions || fail "the second session stays"
	want "and moves" "moved" "$(on nora 'cd /var/tmp && rm b && mkdir d && mv a d/ && mv d e && echo moved')"
	want "how deep" 1073742000 "$(on root 'lsattr -pd /var/lib/cloister/users/*/*/upper' | awk '{print $1 - $1 % 1000}')"
	want "all of it" "" "$(on root "cd /var/lib/cloister/users/*/*/upper && find . ! -type l ! -type p ! -type c -execdir lsattr -pd {} + |
		awk '\$1 < 1073741824'")"
	want "fits" "fits" "$(on nora 'cd /var/tmp && rm -r e d* && head -c 6000000 /dev/zero >a && echo fits')"
	want_match "files" 'quota exceeded' "$(on nora 'cd /var/tmp && mkdir many && for i in $(seq 400); do : >many/$i || exit; done' 2>&1 || true)"
	want "a login makes room" "room" "$(on nora 'cd /var/tmp && rm -r many && echo x >new && echo room')"
	nora_is_isolated
	eventually 60 nothing_of_sessions || fail "a session stays"
	want "lifted with the line" "much" "$(on nora 'cd /var/tmp && head -c 20000000 /dev/zero >much && echo much')"
}
