#!/bin/bash
# Image files as rootfs: erofs as a file and by a loop device, squashfs; one superblock for all sessions of an image; an
# image that is replaced; and what is left when things are killed: no loop device.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
. "$(dirname -- "$0")/../lib/images.sh"

# ---- logging in ----
each_writable() {
	local image=$1
	isolate iris "rootfs = $image" 'writable = overlay'
	want "version" one "$(on iris cat /version)"
	want "owner" "0:0" "$(on iris stat -c %u:%g /version)"
	want "root directory" "0:755" "$(on iris stat -c %u:%a /)"
	want "whoami" iris "$(on iris whoami)"
	want "cannot change root's" 1 "$(status on iris 'echo x >/version')"
	want "device nodes" 1 "$(status on iris 'mknod /tmp/null c 1 3')"
	on iris 'echo kept >/tmp/in; mkdir /var/tmp 2>/dev/null; echo kept >~/file'
	isolate iris "rootfs = $image" 'writable = tmpfs' 'tmpfs = /run'
	want "tmpfs: writes" kept "$(on iris 'echo kept >/tmp/w; cat /tmp/w')"
	want "tmpfs: forgets" 1 "$(status on iris cat /tmp/w)"
	isolate iris "rootfs = $image" 'writable = overlay' 'tmpfs = /run'
	want "overlay: writes" kept "$(on iris 'echo kept >/tmp/w; cat /tmp/w')"
	want "overlay: keeps" kept "$(on iris cat /tmp/w)"
	isolate iris "rootfs = $image" 'writable = no' 'tmpfs = /run'
	want "no: reads" one "$(on iris cat /version)"
	want_match "no: refuses" 'Read-only file system' "$(on iris 'echo x >/tmp/w' 2>&1 || true)"
}

test_login_erofs_as_a_file() {
	start_clean
	each_writable "${IMAGES[0]}"
	nothing_left
}

test_login_erofs_by_a_loop_device() {
	start_clean
	each_writable "${IMAGES[1]}"
	nothing_left
}

test_login_squashfs() {
	start_clean
	each_writable "${IMAGES[2]}"
	nothing_left
}

test_other_ways_in() {
	local image
	start_clean
	for image in "${IMAGES[@]}"; do
		isolate iris "rootfs = $image"
		want "su" one "$(su -l iris -c 'cat /version' </dev/null)"
		want "cloister run" one "$("$HOST_BUILD/cloister" run --user iris -- /bin/cat /version </dev/null)"
		want "sftp" version "$(echo 'ls -1 /version' | sftp -q -b - iris@testhost 2>/dev/null | grep -o version | tail -n 1)"
	done
	nothing_left
}

test_which_image_takes_a_loop_device() {
	start_clean
	live iris "${IMAGES[0]}" tmpfs
	no_loop || fail "an erofs file on ext4: $(loops)"
	live iris "${IMAGES[1]}" tmpfs
	want "an erofs file on tmpfs: autoclear, read-only" "1 1" "$(loops | cut -d' ' -f3-4)"
	live iris "${IMAGES[2]}" tmpfs
	want "and a squashfs" 2 "$(loops | wc -l)"
}

test_plan_and_check() {
	local image
	start_clean
	for image in "${IMAGES[@]}"; do
		isolate iris "rootfs = $image"
		want_match "plan" "image +from $image" "$("$HOST_BUILD/cloister" plan iris --config "$HOST_CONF")"
		want_match "check" "^ok: $image is an? (erofs|squashfs) image, mounted" \
			"$("$HOST_BUILD/cloister" check --config "$HOST_CONF" iris)"
		isolate iris "rootfs = $image" 'shell = /bin/none'
		want_match "check" 'shell: /bin/none is not in the rootfs' \
			"$("$HOST_BUILD/cloister" check --config "$HOST_CONF" iris || true)"
	done
	nothing_left
}

# ---- one image, many sessions ----
# Both see the other's pages; and, so that this means something, not those of a copy of the image.
shares() {
	local image=$1 first second
	live iris "$image" overlay
	first=$INIT
	sees "$first" "$first" || fail "the first does not see what it read"
	live ivan "$image" overlay
	[ "$INIT" != "$first" ] || fail "no second session"
	second=$INIT
	sees "$first" "$second" || fail "the second does not see what the first read"
	pkill -u iris -f '^sleep 999'
	eventually 10 test ! -e "/proc/$first" || fail "the first session does not end"
	live iris "$image" tmpfs
	sees "$second" "$INIT" || fail "a third does not see it when the first is gone"
	cp "$image" "$image.copy"
	live iris "$image.copy" tmpfs
	want "control: a copy" none "$(resident "$INIT")"
	want "and it can be read" one "$(inside "$INIT" /bin/cat /version 2>&1)"
	# Changed in place: what is in memory may not be what the file is now.
	touch "$image"
	live iris "$image" tmpfs
	want "control: a file that was changed" none "$(resident "$INIT")"
}

two_ranges() {
	printf 'iris:300000:65536\nivan:400000:65536\n' | tee /etc/subuid >/etc/subgid
	sleep 0.02
	snapshot_before
}

all_end() {
	pkill -f '^sleep 999' || true
	nothing_left
}

test_sharing_erofs_as_a_file() {
	start_clean
	two_ranges
	shares "${IMAGES[0]}"
	no_loop || fail "$(loops)"
	all_end
}

test_sharing_erofs_by_a_loop_device() {
	start_clean
	two_ranges
	shares "${IMAGES[1]}"
	all_end
}

test_sharing_squashfs() {
	start_clean
	two_ranges
	shares "${IMAGES[2]}"
	all_end
}

test_two_users_with_other_ids() {
	local image
	start_clean
	two_ranges
	for image in "${IMAGES[@]}"; do
		live iris "$image" overlay
		isolate ivan "rootfs = $image" 'writable = overlay'
		want "owner for ivan" "0:0" "$(on ivan stat -c %u:%g /version)"
		want "range of ivan" 400000 "$(on ivan 'cat /proc/self/uid_map' | awk '$1 == 0 {print $2}')"
		pkill -u iris -f '^sleep 999'
	done
	all_end
}

ten_run() {
	[ "$(pgrep -u iris -f '^/bin/sleep 999' | wc -l)" -eq 10 ]
}

# Ten at the same moment, before any of them can be found by the others.
test_simultaneous_first_sessions() {
	local image
	start_clean
	for image in "${IMAGES[@]}"; do
		for _ in $(seq 10); do
			"$HOST_BUILD/cloister" run --user iris --rootfs "$image" --set 'writable = tmpfs' -- \
				/bin/sleep 999 </dev/null >/dev/null 2>&1 &
		done
		eventually 30 ten_run || fail "not all ten run"
		case $image in
		"$DISK"/*) want "superblocks" 1 "$(cat /run/cloister/sessions/* | grep ^image_device | sort -u | wc -l)" ;;
		*) want "loop devices" 1 "$(loops | wc -l)" ;;
		esac
		pkill -u iris -f '^/bin/sleep 999'
		wait
	done
	nothing_left
}

# What init gives away is not believed: it must be of the file system that the registry names.
test_init_is_not_believed() {
	local first
	start_clean
	live iris "${IMAGES[0]}" tmpfs
	first=$INIT
	live ivan "${IMAGES[0]}" tmpfs
	sees "$first" "$INIT" || fail "control: not shared"
	sed -i 's/^image_inode=.*/image_inode=7/' /run/cloister/sessions/*
	live ivan "${IMAGES[0]}" tmpfs
	want "another file system" none "$(resident "$INIT")"
	want "and the login works" one "$(inside "$INIT" /bin/cat /version)"
	all_end
}

test_what_init_holds() {
	start_clean
	live iris "${IMAGES[0]}" overlay
	# The control socket, the plan, the image, the signals of its children; and its own /dev/null.
	want "init's descriptors" "0 1 2 3 5 7 8" "$(for fd in "/proc/$INIT/fd/"*; do basename "$fd"; done | paste -sd' ')"
	want "the image" / "$(readlink "/proc/$INIT/fd/7")"
	isolate iris "rootfs = ${IMAGES[0]}"
	want_match "the user cannot look" 'denied|not permitted' "$(on iris 'ls /proc/1/fd' 2>&1 || true)"
	want_no_match "mounts inside" 'erofs' "$(on iris cat /proc/self/mounts)"
	all_end
	live iris "${IMAGES[2]}" overlay
	want "without one" "0 1 2 3 5 8" "$(for fd in "/proc/$INIT/fd/"*; do basename "$fd"; done | paste -sd' ')"
	all_end
}

# ---- an image that is replaced ----
test_replaced_while_sessions_run() {
	local image old
	start_clean
	for image in "${IMAGES[@]}"; do
		place one
		live iris "$image" overlay
		old=$INIT
		place two
		isolate ivan "rootfs = $image"
		want "a new login" two "$(on ivan cat /version)"
		want "the old session" one "$(inside "$old" /bin/cat /version)"
		isolate iris "rootfs = $image" 'writable = tmpfs'
		want "iris, with nothing to share" two "$(on iris cat /version)"
		# Two overlays on one upper directory are undefined: a user's own sessions are one.
		isolate iris "rootfs = $image" 'writable = overlay'
		want "iris, with her layer in use" one "$(on iris cat /version)"
		rm "$image"
		want "iris, the image gone" one "$(on iris cat /version)"
		want "the old session, the image gone" one "$(inside "$old" /bin/cat /version)"
		pkill -u iris -f '^sleep 999'
		eventually 10 test ! -e "/proc/$old" || fail "the session does not end"
		place two
		want "iris, after all have ended" two "$(on iris cat /version)"
	done
	nothing_left
}

# A layer over an image that changed: what the user changed stays, the rest is the new image's.
test_layer_over_a_new_image() {
	local image
	start_clean
	for image in "${IMAGES[@]}"; do
		place one
		isolate iris "rootfs = $image" 'tmpfs = /run'
		on iris 'echo mine >/tmp/mine; ls / >/dev/null'
		all_closed
		place two
		want "the new image's" two "$(on iris cat /version)"
		want "the user's" mine "$(on iris cat /tmp/mine)"
		all_closed
	done
	nothing_left
}

# ---- killed at any moment ----
kill_storm() {
	local image=$1 delay monitor
	isolate iris "rootfs = $image" 'writable = tmpfs'
	for delay in $(seq -f 0.%03g 5 25 330); do
		client iris true
		sleep "$delay"
		monitor=$(pgrep -f '^sshd: iris \[priv\]' || true)
		# shellcheck disable=SC2086
		[ -z "$monitor" ] || kill -KILL $monitor 2>/dev/null || true
		wait "$CLIENT" || true
	done
	eventually 5 no_processes_left || fail "left: $(processes_left)"
	wait_for_no_loop
	want "the next login works" one "$(on iris cat /version)"
}

test_killed_erofs_as_a_file() {
	start_clean
	kill_storm "${IMAGES[0]}"
	nothing_left
}

test_killed_by_a_loop_device() {
	start_clean
	kill_storm "${IMAGES[1]}"
	kill_storm "${IMAGES[2]}"
	nothing_left
}

test_everything_killed() {
	local image
	start_clean
	for image in "${IMAGES[@]}"; do
		live iris "$image" overlay
		# shellcheck disable=SC2046
		kill -KILL $(pgrep -f '^sshd: iris \[priv\]') "$INIT" "$CLIENT"
		eventually 5 no_processes_left || fail "left: $(processes_left)"
		wait_for_no_loop
		want "the next login works" one "$(on iris cat /version)"
	done
	nothing_left
}

run_cases "$@"
