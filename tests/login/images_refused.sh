#!/bin/bash
# Bad images of every kind: a login and cloister check say the same, and nothing is left behind.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
. "$(dirname -- "$0")/../lib/images.sh"

# ---- what is refused, by a login and by cloister check alike ----
logged_now() {
	tail -n "+$((LOGGED + 1))" /var/log/syslog | grep pam_cloister || true
}

logged() {
	[ -n "$(logged_now)" ]
}

refused() {
	local regex=$1 lines
	sleep 0.1
	LOGGED=$(wc -l </var/log/syslog)
	rm -f /home/iris/ran
	want "the login" 1 "$([ "$(status on iris 'echo >~/ran')" -ne 0 ] && echo 1)"
	eventually 3 logged || true
	lines=$(logged_now)
	want_match "syslog" "session for iris refused: .*$regex" "$lines"
	[ ! -e /home/iris/ran ] || fail "user code ran"
	want_match "check" "^error: .*$regex" "$("$HOST_BUILD/cloister" check --config "$HOST_CONF" iris || true)"
	want_match "run" "$regex" "$("$HOST_BUILD/cloister" run --config "$HOST_CONF" --user iris true 2>&1 </dev/null || true)"
}

test_refused_direct() {
	start_clean
	isolate iris "rootfs = ${IMAGES[0]}" 'writable = direct'
	refused "writable = direct needs a directory.*${IMAGES[0]}"
	nothing_left
}

test_refused_missing() {
	start_clean
	isolate iris "rootfs = $DISK/none.erofs"
	refused "$DISK/none.erofs.*ENOENT"
	nothing_left
}

test_refused_no_regular_file() {
	start_clean
	mkfifo "$DISK/fifo"
	isolate iris "rootfs = $DISK/fifo"
	refused "neither a directory nor an image file.*$DISK/fifo"
	mknod "$DISK/node" b 7 0
	isolate iris "rootfs = $DISK/node"
	refused "neither a directory nor an image file.*$DISK/node"
	nothing_left
}

test_refused_no_image() {
	local size
	start_clean
	for size in 0 1027 100000; do
		head -c "$size" /dev/urandom >"$DISK/noise"
		isolate iris "rootfs = $DISK/noise"
		refused "neither an erofs nor a squashfs image.*$DISK/noise"
	done
	cp /opt/disk.ext4 "$MEMORY/ext4"
	isolate iris "rootfs = $MEMORY/ext4"
	refused 'neither an erofs nor a squashfs image'
	nothing_left
}

test_refused_truncated() {
	local image size
	start_clean
	for image in "${IMAGES[@]}"; do
		size=$(stat -c %s "$image")
		isolate iris "rootfs = $image"
		truncate -s $((size - 4096)) "$image"
		refused "truncated: its superblock says [0-9]+ bytes, the file has $((size - 4096)).*$image"
		truncate -s 1200 "$image"
		refused "truncated.*$image"
	done
	nothing_left
}

# Each bit that is flipped is refused with the kernel's error, or does not matter.
test_refused_flipped_bits() {
	local image offset start out refused=0 works=0
	start_clean
	for image in "${IMAGES[@]}"; do
		start=0
		[ "${image##*.}" != erofs ] || start=1024
		for offset in 0 4 8 12 14 16 20 28 32 36 40 48 64 80; do
			place one
			python3 - "$image" $((start + offset)) <<-'END'
				import sys
				with open(sys.argv[1], "r+b") as f:
				    f.seek(int(sys.argv[2])); byte = f.read(1)[0]
				    f.seek(int(sys.argv[2])); f.write(bytes([byte ^ 0x41]))
			END
			if out=$("$HOST_BUILD/cloister" run --user iris --rootfs "$image" --set 'writable = tmpfs' -- \
				/bin/cat /version 2>&1 </dev/null); then
				want "byte $offset" one "$out"
				works=$((works + 1))
			else
				want_match "byte $offset of $image" "image: .*$image: .*\(errno E[A-Z0-9]+\)|shell|Input/output|[Ee]rror" "$out"
				refused=$((refused + 1))
			fi
		done
	done
	echo "$refused refused, $works work"
	[ "$refused" -ge 25 ] || fail "only $refused were refused"
	place one
	isolate iris "rootfs = ${IMAGES[0]}"
	printf '\x41' | dd of="${IMAGES[0]}" bs=1 seek=1040 conv=notrunc status=none
	refused 'the kernel refuses it as erofs.*damaged.*EBADMSG'
	nothing_left
}

test_refused_owner_and_mode() {
	local image
	start_clean
	for image in "${IMAGES[@]}"; do
		isolate iris "rootfs = $image"
		chown nora "$image"
		refused "image: .*must be owned by root.*$image"
		chown root "$image"
		chmod 0664 "$image"
		refused "image: .*must be owned by root and writable by nobody else.*$image"
		chmod 0400 "$image"
		want "control" one "$(on iris cat /version)"
	done
	nothing_left
}

test_refused_below_a_users_directory() {
	start_clean
	mkdir -m 0777 "$DISK/open"
	cp "${IMAGES[0]}" "$DISK/open/i.erofs"
	isolate iris "rootfs = $DISK/open/i.erofs"
	refused "must be owned by root and writable by nobody else.*$DISK/open"
	mkdir "$DISK/nora"
	cp "${IMAGES[0]}" "$DISK/nora/i.erofs"
	chown nora "$DISK/nora"
	isolate iris "rootfs = $DISK/nora/i.erofs"
	refused "must be owned by root.*$DISK/nora"
	chown root "$DISK/nora"
	want "control" one "$(on iris cat /version)"
	nothing_left
}

test_refused_planted_link() {
	start_clean
	mkdir -m 1777 "$DISK/sticky"
	su -s /bin/sh nora -c "ln -s ${IMAGES[0]} $DISK/sticky/i.erofs"
	isolate iris "rootfs = $DISK/sticky/i.erofs"
	refused "symbolic link.*$DISK/sticky/i.erofs"
	ln -s "${IMAGES[0]}" "$DISK/link"
	isolate iris "rootfs = $DISK/link"
	want "control: root's own link" one "$(on iris cat /version)"
	nothing_left
}

test_users_host_looks_inside() {
	local image
	start_clean
	for image in "${IMAGES[@]}"; do
		isolate iris "rootfs = $image" 'users = host' 'writable = tmpfs'
		want "control" one "$(on iris cat /version)"
		place foreign
		refused "only root may be able to write.*not so for etc: $image"
		place one
	done
	nothing_left
}

test_refused_without_root() {
	start_clean
	want_match "the user alone" 'only root can mount an image file' \
		"$(su -s /bin/sh nora -c "$HOST_BUILD/cloister run --rootfs ${IMAGES[0]} -- true" 2>&1 </dev/null || true)"
}

test_refused_without_loop_devices() {
	start_clean
	rm /dev/loop-control
	isolate iris "rootfs = ${IMAGES[2]}"
	refused 'loop: .*/dev/loop-control.*ENOENT'
	mknod /dev/loop-control c 1 3
	refused 'loop: .*/dev/loop-control.*ENODEV'
	rm /dev/loop-control
	mknod -m 0600 /dev/loop-control c 10 237
	want "control" one "$(on iris cat /version)"
	wait_for_no_loop
}

# ---- what is behind the superblock ----
# Noise over the data: the session is refused or its reads fail; others notice nothing.
test_corrupt_data() {
	local image seed out refused=0 failed=0 works=0
	start_clean
	for image in "${IMAGES[@]}"; do
		for seed in 2 4 6; do
			place one
			python3 - "$image" "$seed" <<-'END'
				import os, random, sys
				random.seed(int(sys.argv[2]))
				size = os.path.getsize(sys.argv[1])
				with open(sys.argv[1], "r+b") as f:
				    for _ in range(4 ** int(sys.argv[2])):
				        f.seek(random.randrange(4096, size - 64))
				        f.write(random.randbytes(64))
			END
			if out=$(timeout 20 "$HOST_BUILD/cloister" run --user iris --rootfs "$image" --set 'writable = tmpfs' -- \
				/bin/sh -c 'cat /version && cat /big >/dev/null' 2>&1 </dev/null); then
				works=$((works + 1))
			elif grep -q 'errno E' <<<"$out"; then
				refused=$((refused + 1))
			else
				failed=$((failed + 1))
			fi
		done
	done
	echo "$refused refused, $failed failed inside, $works read"
	[ $((refused + failed)) -gt 0 ] || fail "nothing was damaged"
	want "nora" nora "$(on nora whoami)"
	place one
	isolate iris "rootfs = ${IMAGES[1]}"
	want "a whole image" one "$(on iris cat /version)"
	nothing_left
}

run_cases "$@"
