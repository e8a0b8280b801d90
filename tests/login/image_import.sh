#!/bin/bash
# cloister image import with honest archives: every compression, docker save's and OCI's images with their layers, and
# real ones of skopeo; ls and rm; a login on what was imported. Hostile ones are in image_hostile.sh.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

IMAGES=/var/lib/cloister/images
archives() { python3 "$HOST_TESTS/lib/archives.py" "$@"; }
image() { "$HOST_BUILD/cloister" image "$@"; }

# What a tree is: names, types, modes, owners, link targets, sizes, times, contents.
listing() {
	(cd "$1" && find . -mindepth 1 \( -type d -printf '%P %y %m %U %G %Ts\n' \) -o \
		\( -type l -printf '%P %y %U %G %l %Ts\n' \) -o -printf '%P %y %m %U %G %n %s %Ts\n' | sort)
	(cd "$1" && find . -type f -print0 | sort -z | xargs -0 -r sha256sum)
}

# A tree with a bit of everything that is kept.
tree_make() {
	mkdir -p "$1"/{bin,etc,usr/lib,empty,tmp}
	cp "$(command -v busybox)" "$1/bin/busybox"
	ln "$1/bin/busybox" "$1/bin/second"
	ln -s busybox "$1/bin/sh"
	ln -s /etc/absolute "$1/etc/link"
	echo text >"$1/etc/text"
	chown 1000:100 "$1/etc/text"
	chmod 0640 "$1/etc/text"
	chmod 1777 "$1/tmp"
	chmod 2775 "$1/usr/lib"
	chown 0:50 "$1/usr/lib"
	echo umlaut >"$1/etc/Főtanúsítvány"
	echo bytes >"$1/etc/"$'not-\xff-utf8'
	echo combining >"$1/etc/"$'o\xcc\x88'
	truncate -s 3M "$1/usr/hole"
	echo end >>"$1/usr/hole"
	touch -d '2001-02-03 04:05:06' "$1/etc/text" "$1/usr/lib" "$1/empty"
	touch -h -d '2002-02-03 04:05:06' "$1/bin/sh"
}

test_tarballs_of_every_compression() {
	local program name
	tree_make /tmp/tree
	listing /tmp/tree >/tmp/expected
	for program in cat gzip xz zstd bzip2; do
		tar -C /tmp/tree -S -c . | "$program" -c >/tmp/archive 2>/dev/null || tar -C /tmp/tree -S -c . >/tmp/archive
		image import /tmp/archive "by-$program" >/tmp/out || fail "$program: $(cat /tmp/out)"
		listing "$IMAGES/by-$program/rootfs" >/tmp/found
		cmp /tmp/expected /tmp/found || fail "$program: $(diff /tmp/expected /tmp/found)"
		want "the line" "rootfs = $IMAGES/by-$program/rootfs" "$(tail -n 1 /tmp/out)"
	done
	[ "$(stat -c %b "$IMAGES/by-xz/rootfs/usr/hole")" -lt 100 ] || fail "the hole was filled"
	want "the root" "0 0 755" "$(stat -c '%u %g %a' "$IMAGES/by-cat/rootfs")"
	# Names without "./", and GNU's and pax' long ones.
	mkdir -p "/tmp/tree/$(printf 'long%.0s' {1..40})/$(printf 'name%.0s' {1..40})"
	listing /tmp/tree >/tmp/expected
	for name in gnu pax; do
		(cd /tmp/tree && tar --format="$name" -cf /tmp/archive -- *)
		image import /tmp/archive "format-$name" >/dev/null
		listing "$IMAGES/format-$name/rootfs" >/tmp/found
		cmp /tmp/expected /tmp/found || fail "$name: $(diff /tmp/expected /tmp/found)"
	done
}

test_standard_input() {
	tree_make /tmp/tree
	listing /tmp/tree >/tmp/expected
	tar -C /tmp/tree -S -c . >/tmp/archive
	# shellcheck disable=SC2002 # a pipe, as from a program
	cat /tmp/archive | image import - piped >/dev/null
	image import - redirected </tmp/archive >/dev/null
	for name in piped redirected; do
		listing "$IMAGES/$name/rootfs" >/tmp/found
		cmp /tmp/expected /tmp/found || fail "$name: $(diff /tmp/expected /tmp/found)"
	done
	want "an image's archive in a pipe" 125 "$(archives saved /tmp/saved && status image import - saved < <(cat /tmp/saved))"
	want "nothing in it" 125 "$(status image import - nothing </dev/null)"
	: >/tmp/empty
	want "an empty file" 125 "$(status image import /tmp/empty nothing)"
	want "no archive" 125 "$(status image import /etc/passwd nothing)"
	head -c 1000000 /tmp/archive >/tmp/short
	want "a part of one" 125 "$(status image import /tmp/short nothing)"
	want "nothing is left" $'piped\nredirected' "$(ls -A "$IMAGES")"
}

# The layers of tests/lib/archives.py, by the rules for whiteouts.
want_layers() {
	local tree=$IMAGES/$1/rootfs
	(cd "$tree" && find . -mindepth 1 -printf '%P\n' | sort) >/tmp/found
	# "none" comes of the whiteout in it: its directory is an entry's.
	sort >/tmp/expected <<-'END'
		a
		a/kept
		again
		both
		both/high
		lib
		none
		opq
		opq/new
		over
		owner
		same
		same/file
		second
		top
		usr
		usr/lib
		usr/lib/x
		usr/lib/y
		was-dir
	END
	diff /tmp/expected /tmp/found || fail "$1: the tree is not what the layers make"
	want "over" middle "$(cat "$tree/over")"
	want "same" middle "$(cat "$tree/same/file")"
	want "again" highest "$(cat "$tree/again")"
	want "owner" "1000 100 2" "$(stat -c '%u %g %h' "$tree/owner")"
	want "no set-user-ID" 755 "$(stat -c %a "$tree/top")"
}

test_docker_save() {
	archives saved /tmp/old.tar
	archives saved --links /tmp/links.tar
	archives saved /tmp/old.tar.gz
	image import /tmp/old.tar old >/tmp/out || fail "old"
	want_layers old
	want_match "what was left out" '^left out: 1 set-user-ID or set-group-ID bit$' "$(cat /tmp/out)"
	image import /tmp/links.tar links >/dev/null
	want_layers links
	image import /tmp/old.tar.gz packed >/dev/null
	want_layers packed
	image import --ref test:latest /tmp/old.tar tagged >/dev/null
	want "another tag" 125 "$(status image import --ref other /tmp/old.tar other)"
	want_match "the image ID" '"digest_of":"config"' "$(cat "$IMAGES/old/image.json")"
}

test_oci_layout() {
	archives layout /tmp/layout
	archives layout --tar /tmp/layout.tar
	archives layout --tar /tmp/layout.tar.gz
	for source in layout layout.tar layout.tar.gz; do
		image import "/tmp/$source" "$source" >/dev/null || fail "$source"
		want_layers "$source"
	done
	want "the digest" "$(python3 -c 'import json; print(json.load(open("/tmp/layout/index.json"))["manifests"][0]["digest"])')" \
		"$(python3 -c 'import json; print(json.load(open("'"$IMAGES"'/layout/image.json"))["digest"])')"
	want "a directory that is none" 125 "$(status image import /tmp nothing)"
}

test_several_platforms_and_tags() {
	local out
	archives layout --many /tmp/layout
	out=$(image import /tmp/layout many 2>&1) && fail "which one?"
	want_match "which one" 'choose one with --ref' "$out"
	image import --ref first /tmp/layout first >/dev/null
	want_layers first
	image import --ref second /tmp/layout second >/dev/null
	want "the second" second-image "$(ls "$IMAGES/second/rootfs")"
	want "no such tag" 125 "$(status image import --ref third /tmp/layout third)"
	# Only another machine's.
	python3 - <<-'END'
		import json
		index = json.load(open("/tmp/layout/index.json"))
		inner = json.load(open("/tmp/layout/blobs/sha256/" + index["manifests"][0]["digest"][7:]))
		json.dump({"schemaVersion": 2, "manifests": inner["manifests"][:1]}, open("/tmp/layout/index.json", "w"))
	END
	out=$(image import /tmp/layout foreign 2>&1) && fail "another architecture was taken"
	want_match "architecture" 'no image for linux/' "$out"
}

# skopeo(1) and umoci(1) are what others make and unpack images with.
test_images_of_skopeo_and_umoci() {
	tree_make /tmp/tree
	umoci init --layout /tmp/oci
	umoci new --image /tmp/oci:real
	umoci unpack --image /tmp/oci:real /tmp/bundle
	cp -a /tmp/tree/. /tmp/bundle/rootfs/
	umoci repack --image /tmp/oci:real /tmp/bundle
	rm -rf /tmp/bundle
	umoci unpack --image /tmp/oci:real /tmp/bundle
	rm -r /tmp/bundle/rootfs/etc /tmp/bundle/rootfs/bin/second
	mkdir /tmp/bundle/rootfs/etc
	echo new >/tmp/bundle/rootfs/etc/new
	umoci repack --image /tmp/oci:real /tmp/bundle
	rm -rf /tmp/bundle
	umoci unpack --image /tmp/oci:real /tmp/bundle
	listing /tmp/bundle/rootfs >/tmp/expected
	skopeo --tmpdir /tmp --insecure-policy copy -q oci:/tmp/oci:real docker-archive:/tmp/docker.tar:test:real
	skopeo --tmpdir /tmp --insecure-policy copy -q oci:/tmp/oci:real oci-archive:/tmp/oci.tar:real
	for source in oci docker.tar oci.tar; do
		image import "/tmp/$source" "$source" >/dev/null || fail "$source"
		listing "$IMAGES/$source/rootfs" >/tmp/found
		cmp /tmp/expected /tmp/found || fail "$source: $(diff /tmp/expected /tmp/found)"
	done
}

test_digests_are_verified() {
	local part out
	for part in layer config size diff; do
		rm -rf /tmp/layout
		archives layout --corrupt "$part" /tmp/layout
		out=$(image import /tmp/layout bad 2>&1) && fail "$part: taken"
		want_match "$part" 'digest: ' "$out"
		archives layout --tar --corrupt "$part" /tmp/layout.tar
		out=$(image import /tmp/layout.tar bad 2>&1) && fail "$part in an archive: taken"
		want_match "$part in an archive" 'digest: ' "$out"
	done
	archives saved --corrupt layer /tmp/saved.tar
	out=$(image import /tmp/saved.tar bad 2>&1) && fail "docker save: taken"
	want_match "docker save" 'digest: ' "$out"
	want "nothing is left" "" "$(ls -A "$IMAGES")"
}

# A name that is no digest must not become a path, in the sandbox or out of it.
test_manifests_name_no_paths() {
	local out
	archives layout --corrupt digest-path /tmp/layout
	out=$(image import /tmp/layout bad 2>&1) && fail "taken"
	want_match "OCI" 'without a sha256 digest' "$out"
	archives saved --corrupt name /tmp/saved.tar
	out=$(image import /tmp/saved.tar bad 2>&1) && fail "taken"
	want_match "docker save" 'a name of a member that is none' "$out"
	# A blob that is a link out of the layout.
	rm -rf /tmp/layout
	archives layout /tmp/layout
	blob=$(python3 -c 'import json; print(json.load(open("/tmp/layout/index.json"))["manifests"][0]["digest"][7:])')
	mv "/tmp/layout/blobs/sha256/$blob" /tmp/elsewhere
	ln -s /tmp/elsewhere "/tmp/layout/blobs/sha256/$blob"
	out=$(image import /tmp/layout bad 2>&1) && fail "a link was followed"
	want_match "a link" 'ELOOP' "$out"
}

test_names() {
	local name
	tree_make /tmp/tree
	tar -C /tmp/tree -cf /tmp/archive etc
	for name in '' . .. .hidden -x a/b ../a 'a b' $'a\nb' ü "$(printf 'x%.0s' {1..65})"; do
		want "'$name'" 125 "$(status image import /tmp/archive -- "$name")"
	done
	for name in a 9 A.b_c-d "$(printf 'x%.0s' {1..64})"; do
		want "$name" 0 "$(status image import /tmp/archive "$name")"
	done
	want "not twice" 125 "$(status image import /tmp/archive a)"
	want "no such image" 125 "$(status image rm b)"
	want "a path" 125 "$(status image rm ../images/a)"
	want "not root" 125 "$(status setpriv --reuid nora --clear-groups "$HOST_BUILD/cloister" image ls)"
}

# refused_option ARGUMENT...: a usage error.
refused_option() {
	local out status=0
	out=$(image "$@" 2>&1) || status=$?
	want "$*: status" 125 "$status"
	want_match "$*" "^image: .*option" "$out"
	want_match "$*" '^usage: cloister image' "$out"
}

# What one verb takes the others refuse, and nothing is done.
test_options_of_another_verb() {
	local option
	tree_make /tmp/tree
	tar -C /tmp/tree -cf /tmp/archive.tar etc
	image import --replace --quiet --max-size 1000000 --max-files=100 /tmp/archive.tar one
	for option in --replace --quiet --ref=one --max-size=1000000 --max-files=100; do
		refused_option ls "$option"
		refused_option rm "$option" one
		refused_option rm one "$option"
		refused_option "$option" ls
	done
	refused_option rm --json one
	refused_option rm one --j
	refused_option import --json /tmp/archive.tar two
	refused_option import /tmp/archive.tar two --json
	refused_option ls --json=yes
	want "images" one "$(ls -A "$IMAGES")"
	want "too many" 125 "$(status image ls one)"
	want "too few" 125 "$(status image rm)"
	want "none" 125 "$(status image)"
	for option in import ls rm; do
		want_match "$option --help" '^usage: cloister image import' "$(image "$option" --help)"
	done
	image rm one
	want "control: removed" "" "$(ls -A "$IMAGES")"
}

test_ls_and_rm() {
	want "none" "" "$(image ls)"
	want "none as JSON" "[]" "$(image ls --json | tr -d ' \n')"
	tree_make /tmp/tree
	tar -C /tmp/tree -cf /tmp/archive.tar etc
	image import /tmp/archive.tar two >/dev/null
	image import /tmp/archive.tar one >/dev/null
	want "sorted" "NAME one two" "$(image ls | awk '{print $1}' | xargs)"
	want_match "a line" "^one +[0-9.]+ [KM]?i?B +5 20[0-9TZ:-]+ +0 +archive.tar +$IMAGES/one/rootfs$" "$(image ls)"
	image ls --json | python3 -c '
import hashlib, json, sys
one, two = json.load(sys.stdin)
assert one["name"] == "one" and one["path"] == "/var/lib/cloister/images/one/rootfs", one
assert one["files"] == 5 and one["bytes"] > 0 and one["sessions"] == 0 and one["source"] == "archive.tar", one
assert one["digest"] == "sha256:" + hashlib.sha256(open("/tmp/archive.tar", "rb").read()).hexdigest(), one
assert one["left_out"]["device_nodes"] == 0 and one["imported"].startswith("20"), one' || fail "JSON"
	want "record's mode" "600 0" "$(stat -c '%a %u' "$IMAGES/one/image.json")"
	image rm one
	want "gone" "two" "$(ls -A "$IMAGES")"
	# The name of what is in an image's directory.
	image import /tmp/archive.tar rootfs >/dev/null
	image rm rootfs
	want "gone" "two" "$(ls -A "$IMAGES")"
}

test_users_of_the_host_do_not_reach_it() {
	tree_make /tmp/tree
	tar -C /tmp/tree -cf /tmp/archive.tar .
	image import /tmp/archive.tar one >/dev/null
	chmod 0755 /var/lib/cloister
	want "control: root reaches it" 0 "$(status ls "$IMAGES/one/rootfs/bin/busybox")"
	want "nora does not" 2 "$(status setpriv --reuid nora --clear-groups ls "$IMAGES/one/rootfs/bin/busybox")"
	chmod 0755 "$IMAGES"
	want "an open directory is refused" 125 "$(status image import /tmp/archive.tar two)"
	chmod 0700 "$IMAGES"
	chown nora "$IMAGES"
	want "another's is refused" 125 "$(status image import /tmp/archive.tar two)"
}

# table: an imported image as rootfs | owners inside are those of the archive
test_login_on_an_imported_image() {
	local inside
	rootfs_make /tmp/tree
	tar -C /tmp/tree --numeric-owner -cJf /tmp/tree.tar.xz .
	image import /tmp/tree.tar.xz busybox >/tmp/out
	isolate iris "$(tail -n 1 /tmp/out)"
	want "id" "$(id -u iris)" "$(on iris id -u)"
	inside=$(on iris ls -ln /)
	want_match "owner" ' +0 +0 .* bin$' "$inside"
	want_match "owner of /tmp" ' +0 +0 .* tmp$' "$inside"
	want_match "the tree's sh" busybox "$(on iris readlink /bin/sh)"
	on iris 'echo mine >~/kept' || fail "the home"
	want "kept" mine "$(cat /home/iris/kept)"
}

session_counts() { [ "$(image ls | awk '$1 == "busybox" {print $6}')" = "$1" ]; }

test_an_image_in_use() {
	local out
	rootfs_make /tmp/tree
	tar -C /tmp/tree -cf /tmp/tree.tar .
	image import /tmp/tree.tar busybox >/tmp/out
	isolate iris "$(tail -n 1 /tmp/out)"
	client iris 'sleep 60'
	eventually 10 session_counts 1 || fail "ls does not know of the session: $(image ls)"
	out=$(image rm busybox 2>&1) && fail "removed under a session"
	want_match "rm" 'busybox: .*1 live session uses it|1 live session uses it: busybox' "$out"
	out=$(image import --replace /tmp/tree.tar busybox 2>&1) && fail "replaced under a session"
	want_match "replace" '1 live session uses it' "$out"
	kill "$CLIENT"
	eventually 10 session_counts 0 || fail "the session is over: $(image ls)"
	# By another name of the same directory.
	ln -s "$IMAGES/busybox/rootfs" /srv/by-another-name
	isolate iris 'rootfs = /srv/by-another-name'
	client iris 'sleep 60'
	eventually 10 session_counts 1 || fail "by a link: ls does not know of the session: $(image ls)"
	want "by a link" 125 "$(status image rm busybox)"
	kill "$CLIENT"
	eventually 10 session_counts 0 || fail "the session is over"
	rm /srv/by-another-name
	# An entry that nothing confirms counts for nothing.
	printf 'pid=1\nstart=1\nmnt=1\nrootfs=%s\n' "$IMAGES/busybox/rootfs" >/run/cloister/sessions/stale-1
	image rm busybox || fail "removed once nobody uses it"
	want "gone" "" "$(ls -A "$IMAGES")"
}

# A login that has begun, and is not in the registry yet: neither rm nor --replace may pull the image away from under it.
test_a_login_that_begins() {
	local verb out started status
	rootfs_make /tmp/tree
	tar -C /tmp/tree -cf /tmp/tree.tar .
	image import /tmp/tree.tar busybox >/tmp/out
	for verb in "rm busybox" "import --replace --quiet /tmp/tree.tar busybox"; do
		rm -f /tmp/strace
		strace -f -qq -o /tmp/strace -e trace=fsmount -e inject=fsmount:delay_enter=3000000:when=1 \
			"$HOST_BUILD/cloister" run --user iris --rootfs "$IMAGES/busybox/rootfs" -- /bin/sh -c 'ls /bin/busybox; sleep 2' \
			>/tmp/session 2>&1 </dev/null &
		started=$!
		eventually 10 test -s /tmp/strace || fail "$verb: the session does not begin"
		want "$verb: not registered" "" "$(ls /run/cloister/sessions)"
		status=0
		# shellcheck disable=SC2086 # words
		out=$(image $verb 2>&1) || status=$?
		want "$verb" 125 "$status"
		want_match "$verb" '1 live session uses it' "$out"
		status=0
		wait "$started" || status=$?
		want "$verb: the session" "0 /bin/busybox" "$status $(cat /tmp/session)"
	done
	# The other way round: a login waits until the image is replaced, and is in the new one.
	mkdir /tmp/other
	cp -a /tmp/tree/. /tmp/other
	touch /tmp/other/new
	tar -C /tmp/other -cf /tmp/other.tar .
	rm -f /tmp/strace
	strace -f -qq -o /tmp/strace -e trace=renameat2 -e inject=renameat2:delay_enter=2000000:when=2 \
		"$HOST_BUILD/cloister" image import --replace --quiet /tmp/other.tar busybox >/dev/null 2>&1 </dev/null &
	started=$!
	eventually 20 grep -q EEXIST /tmp/strace || fail "the import does not get as far as that"
	want "the new one" /new "$("$HOST_BUILD/cloister" run --user iris --rootfs "$IMAGES/busybox/rootfs" -- /bin/ls /new 2>&1 </dev/null)"
	wait "$started" || fail "--replace"
	image rm busybox
	want "gone" "" "$(ls -A "$IMAGES")"
}

test_replace() {
	tree_make /tmp/tree
	tar -C /tmp/tree -cf /tmp/one.tar etc
	tar -C /tmp/tree -cf /tmp/two.tar bin
	image import --replace /tmp/one.tar image >/dev/null
	want "one" etc "$(ls "$IMAGES/image/rootfs")"
	image import --replace /tmp/two.tar image >/dev/null
	want "two" bin "$(ls "$IMAGES/image/rootfs")"
	head -c 100000 /tmp/two.tar >/tmp/broken.tar
	want "a broken one" 125 "$(status image import --replace /tmp/broken.tar image)"
	want "the old one stays" bin "$(ls "$IMAGES/image/rootfs")"
	want "nothing else" image "$(ls -A "$IMAGES")"
}

test_progress_bar() {
	local out
	tree_make /tmp/tree
	head -c 20000000 /dev/urandom >/tmp/tree/random
	tar -C /tmp/tree -cf /tmp/archive.tar .
	out=$(in_pty "$HOST_BUILD/cloister image import /tmp/archive.tar one" | cat -v)
	want_match "a bar" 'one \[#+\.+\] +[0-9]+% [0-9.]+ MiB' "$out"
	want_match "and the end" 'rootfs = ' "$out"
	out=$(in_pty "$HOST_BUILD/cloister image import --quiet /tmp/archive.tar two" | cat -v)
	want "quiet" "" "$out"
	out=$(in_pty "cat /tmp/archive.tar | $HOST_BUILD/cloister image import - three" | cat -v)
	want_match "of a pipe" 'three: [0-9.]+ MiB read' "$out"
	want "no terminal" "" "$(image import /tmp/archive.tar four 2>&1 >/dev/null)"
}

run_cases "$@"
