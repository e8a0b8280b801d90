#!/bin/bash
# cloister diff, and what cloister check says about a user's overlay.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# shellcheck disable=SC2034 # read by run_cases
CASE_TIMEOUT=150

TREE=/opt/rootfs/tree
PROBE=$HOST_BUILD/probe/overlay

# A BusyBox tree with a directory of the user's, /srv.
set_rootfs() {
	rootfs_make "$TREE"
	mkdir -p "$TREE"/srv/{gone,replaced/inner,kept}
	local file
	for file in file delete gone/old replaced/old replaced/inner/x replaced/both kept/one kept/two; do
		echo old >"$TREE/srv/$file"
	done
	chown -R iris: "$TREE/srv"
	isolate iris "rootfs = $TREE" "$@"
	STATE=/var/lib/cloister/users/$(id -u iris)/${TREE//\//-}
}

cloister() {
	"$HOST_BUILD/cloister" "$1" --config "$HOST_CONF" "${@:2}"
}

test_diff() {
	set_rootfs
	want "before the first login" "" "$(cloister diff iris)"
	want "as JSON" "[]" "$(cloister diff --json iris | tr -d '[:space:]')"
	[ ! -e "$STATE" ] || fail "diff made the state directory"
	on_to_its_end iris true
	want "mount points are no changes" "" "$(cloister diff iris)"
	on_to_its_end iris 'cd /srv && rm delete && rm -r gone && rm -r replaced && mkdir -p replaced/inner && echo new >replaced/both &&
		echo more >>file && chmod 0700 kept && echo x >kept/three && ln -s /etc/passwd link && mkfifo fifo && mkdir -p added/below && echo a >added/below/a &&
		rm kept/two && mkdir kept/two'
	local expected='A /srv/added
A /srv/added/below
A /srv/added/below/a
D /srv/delete
A /srv/fifo
C /srv/file
D /srv/gone
C /srv/kept
A /srv/kept/three
C /srv/kept/two
A /srv/link
C /srv/replaced
C /srv/replaced/both
D /srv/replaced/inner/x
D /srv/replaced/old'
	want "text" "$(sort -k2 <<<"$expected")" "$(cloister diff iris | sort -k2)"
	want "order" "$(cloister diff iris | cut -c3- | LC_ALL=C sort)" "$(cloister diff iris | cut -c3-)"
	cloister diff --json iris >/tmp/diff.json
	want "JSON" "$(cloister diff iris)" "$(python3 -c '
import json
for entry in json.load(open("/tmp/diff.json")):
    print({"added": "A", "changed": "C", "deleted": "D"}[entry["change"]], entry["path"])')"
	want "types" "added fifo,added symlink,changed directory,deleted directory,deleted file" "$(python3 -c '
import json
wanted = {"/srv/fifo", "/srv/link", "/srv/kept", "/srv/gone", "/srv/delete"}
print(",".join(sorted(e["change"] + " " + e["type"] for e in json.load(open("/tmp/diff.json")) if e["path"] in wanted)))')"
	want "another rootfs" "" "$(cloister diff --rootfs / iris)"
	want "nothing was changed by looking" "$(cloister diff iris)" "$(cloister diff iris)"
}

# A million names of one file cost a user little, and their paths root much.
test_diff_has_an_end() {
	set_rootfs
	cat >/home/iris/links.py <<-'END'
		import os
		os.chdir("/srv")
		for i in range(15):
		    os.mkdir("d" * 250)
		    os.chdir("d" * 250)
		for i in range(30):
		    open(f"file{i}", "w").close()
		    for j in range(1000):
		        os.link(f"file{i}", f"link-{i}-{j}")
	END
	on_to_its_end iris 'true'
	local upper=$STATE/upper
	(cd "$upper" && mkdir -p srv && sed "s|/srv|$upper/srv|" /home/iris/links.py | python3)
	# Of the paths alone 110 MB would be in memory.
	want "status" 0 "$(status bash -c "ulimit -v 150000; exec '$HOST_BUILD/cloister' diff --config '$HOST_CONF' iris >/tmp/diff 2>/tmp/note")"
	want_match "a note" 'take more than 64 MiB; [0-9]+ changes and directories are not listed' "$(cat /tmp/note)"
	[ "$(wc -l </tmp/diff)" -gt 10000 ] || fail "only $(wc -l </tmp/diff) are listed"
	want_match "check" '^warning: iris has changed more than can be looked at' "$("$HOST_BUILD/cloister" check --config "$HOST_CONF" iris || true)"
	rm -rf "$upper/srv"
}

test_diff_over_the_host() {
	on_to_its_end iris 'echo x >/var/tmp/cloister-diff-test'
	want "text" "A /var/tmp/cloister-diff-test" "$(cloister diff iris)"
	# The executor's own: /home, copies over /etc/resolv.conf and the like.
	want_no_match "mount points" ' /(home|etc|run|proc|dev|tmp)' "$(cloister diff iris)"
}

test_diff_is_not_fooled_by_names() {
	set_rootfs
	on_to_its_end iris 'cd /srv; printf x >"$(printf "a\033]0;owned\007b")"; printf x >"$(printf "new\nA line")"; printf x >"$(printf "bad\377byte")";
		printf x >"$(printf "right\342\200\256left")"; printf x >"$(printf "c1\302\233m")"; printf x >"$(printf "gr\303\274n")"; printf x >"back\\slash"; mkdir -p -- "-rf" "..."'
	local text
	text=$(cloister diff iris)
	want_match "ESC and BEL" '^A /srv/a\\x1b\]0;owned\\x07b$' "$text"
	want_match "a newline" '^A /srv/new\\x0aA line$' "$text"
	want_match "no UTF-8" '^A /srv/bad\\xffbyte$' "$text"
	want_match "right to left" '^A /srv/right\\xe2\\x80\\xaeleft$' "$text"
	want_match "C1" '^A /srv/c1\\xc2\\x9bm$' "$text"
	want_match "UTF-8" '^A /srv/grün$' "$text"
	want_match "backslash" '^A /srv/back\\x5cslash$' "$text"
	want "no control character" 0 "$(tr -d '\n' <<<"$text" | grep -cP '[\x00-\x1f\x7f]' || true)"
	want "JSON is UTF-8, and the bytes are there" "$(printf '/srv/bad\377byte' | od -An -tx1 | tr -d ' \n')" "$(cloister diff --json iris | python3 -c '
import json, sys
print([e["path_hex"] for e in json.loads(sys.stdin.buffer.read().decode()) if "path_hex" in e][0])')"
}

# The user decides what is in the upper: links out of it, depth without end, things that block when they are opened.
test_diff_of_a_hostile_upper() {
	set_rootfs
	cp "$PROBE" /home/iris/probe
	on_to_its_end iris 'cd /srv; ln -s / root; ln -s /etc/shadow shadow; mkfifo fifo; mkdir deep; ~/probe deep deep 3000'
	timeout 50 "$HOST_BUILD/cloister" diff --config "$HOST_CONF" iris >/tmp/out 2>/tmp/err || fail "status $?: $(cat /tmp/err)"
	want "links are not followed" "A /srv/root" "$(grep '^. /srv/root' /tmp/out)"
	want_match "fifo" '^A /srv/fifo$' "$(cut -c1-60 /tmp/out)"
	want_match "what is too deep is told" 'directories are deeper' "$(cat /tmp/err)"
	want_match "reset copes with it" 'dropped' "$(cloister reset iris)"
	[ ! -e "$STATE/upper" ] || fail "it is still there"
	want "nothing is left aside" "" "$(ls -A "$STATE")"
}

test_diff_refuses() {
	set_rootfs 'writable = tmpfs'
	local status=0
	cloister diff iris >/tmp/out 2>&1 || status=$?
	want "status" 125 "$status"
	want_match "text" 'not kept in an overlay' "$(cat /tmp/out)"
	want "no such user" 125 "$(status cloister diff nobody-at-all)"
	want "no user" 125 "$(status cloister diff)"
	want "not root" 125 "$(status su nora -c "$HOST_BUILD/cloister diff --config $HOST_CONF nora")"
	want "reset: no user" 125 "$(status cloister reset)"
	want "reset: unknown option" 125 "$(status cloister reset --frobnicate iris)"
	want "reset: not root" 125 "$(status su nora -c "$HOST_BUILD/cloister reset --config $HOST_CONF nora")"
}

test_check_finds_what_hides_newer_files() {
	set_rootfs
	on_to_its_end iris 'cd /srv; echo mine >file; echo mine >kept/one; touch kept/two; chmod 0600 delete; echo new >added'
	want_no_match "before an upgrade" 'hide' "$(cloister check iris || true)"
	sleep 0.1
	local file
	for file in file kept/two replaced/old; do
		echo upgraded >"$TREE/srv/$file.dpkg-new"
		# Archives keep old times: what counts is when it came here.
		touch -d 2001-01-01 "$TREE/srv/$file.dpkg-new"
		mv "$TREE/srv/$file.dpkg-new" "$TREE/srv/$file"
	done
	# No news: its owner alone was set again.
	chown iris "$TREE/srv/delete"
	cloister check iris >/tmp/out || true
	want_match "found" '^warning: 2 files of iris.s overlay hide a newer one of' "$(cat /tmp/out)"
	want_match "named" 'C /srv/file$' "$(cat /tmp/out)"
	want_match "named" 'C /srv/kept/two$' "$(cat /tmp/out)"
	want_no_match "others" 'C /srv/(kept/one|delete)' "$(cat /tmp/out)"
	want_match "advice" 'cloister reset iris' "$(cat /tmp/out)"
	want "JSON of diff" "/srv/file /srv/kept/two" "$(cloister diff --json iris | python3 -c '
import json, sys
print(" ".join(e["path"] for e in json.load(sys.stdin) if e.get("hides_newer")))')"
	cloister reset iris
	want_no_match "after a reset" 'hide' "$(cloister check iris || true)"
}

run_cases "$@"
