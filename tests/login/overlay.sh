#!/bin/bash
# The overlay as the user meets it: a directory, and the host's own files, with a private layer above.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# shellcheck disable=SC2034 # read by run_cases
CASE_TIMEOUT=150

TREE=/opt/rootfs/tree
CLOISTER="$HOST_BUILD/cloister"

# A directory with things of the user's in it, since the rest of a rootfs is root's.
fill() {
	mkdir -p "$1"/{kept,gone,replaced,moved/below}
	echo one >"$1/kept/one"
	echo two >"$1/kept/two"
	echo old >"$1/gone/old"
	echo old >"$1/replaced/old"
	echo deep >"$1/moved/below/deep"
	echo text >"$1/file"
	echo delete >"$1/delete"
	ln "$1/file" "$1/hardlink"
	ln -s file "$1/symlink"
	head -c 20000000 /dev/zero >"$1/big"
	chown -R iris: "$1"
}

# over_tree LINE...: a BusyBox tree as the rootfs; WHERE is the user's directory in it.
over_tree() {
	rootfs_make "$TREE"
	fill "$TREE/srv"
	isolate iris "rootfs = $TREE" "$@"
	WHERE=/srv
	LOWER=$TREE/srv
	upper_is "$TREE"
	cp "$HOST_BUILD/probe/overlay" /home/iris/probe
}

# over_host: rootfs = /. A directory of /var/tmp is the only one on the machine's root that is any user's.
over_host() {
	host_root_is rw
	LOWER=$(mktemp -d /var/tmp/cloister-overlay.XXXXXX)
	trap 'host_root_is rw; rm -rf "$LOWER"; host_root_is ro' EXIT
	fill "$LOWER"
	host_root_is ro
	isolate iris
	WHERE=$LOWER
	upper_is /
	cp "$HOST_BUILD/probe/overlay" /home/iris/probe
}

# The upper directory over a rootfs, in UPPER.
upper_is() {
	UPPER=/var/lib/cloister/users/$(id -u iris)/${1//\//-}/upper
}

diff_of() {
	"$CLOISTER" diff --config "$HOST_CONF" "$@" iris
}

behaves() {
	local lower_before
	lower_before=$(find "$LOWER" -printf '%P %m %U %s %T@ %C@\n' | sort)
	on iris "cd $WHERE && set -e
		rm delete
		rm -r gone
		rm -r replaced && mkdir replaced && echo new >replaced/new
		mv moved renamed
		echo more >>file
		echo changed >kept/one
		chmod 0600 symlink kept/two 2>/dev/null
		ln kept/two kept/three
		echo x >>big
		mkdir made && echo made >made/made" || fail "a change was refused"
	# Another login: it is all kept.
	local seen
	seen=$(on iris "cd $WHERE
		ls; echo replaced: \$(ls replaced); echo renamed: \$(cat renamed/below/deep)
		echo file: \$(cat file) hardlink: \$(cat hardlink)
		stat -c 'mode %a links %h %n' kept/two kept/three
		stat -c 'big %s' big; cat made/made")
	want_no_match "whiteouts" '^(delete|gone|moved)$' "$seen"
	want_match "an opaque directory" '^replaced: new$' "$seen"
	want_match "a directory of the rootfs renamed" '^renamed: deep$' "$seen"
	want_match "a hard link of the rootfs is broken by the change" '^file: text more hardlink: text$' "$seen"
	want_match "mode and links" '^mode 600 links 2 kept/three$' "$seen"
	want_match "copy-up of a big file" '^big 20000002$' "$seen"
	want_match "made" '^made$' "$seen"
	want "the rootfs" "$lower_before" "$(find "$LOWER" -printf '%P %m %U %s %T@ %C@\n' | sort)"
	[ -c "$UPPER$WHERE/delete" ] && [ "$(stat -c %t:%T "$UPPER$WHERE/delete")" = 0:0 ] || fail "no whiteout"
	# Owners on the disk are the ids of the session: a copied file keeps its own.
	want "owner" "$(id -u iris)" "$(stat -c %u "$UPPER$WHERE/file")"
}

calls() {
	local seen
	seen=$(on iris "cd $WHERE
		echo user xattr \$(~/probe setxattr kept/one user.note hello) \$(~/probe getxattr kept/one user.note)
		echo trusted \$(~/probe setxattr kept/one trusted.overlay.opaque y)
		echo trusted dir \$(~/probe setxattr kept trusted.overlay.redirect /etc)
		echo security \$(~/probe setxattr kept/one security.capability x)
		echo mknod \$(~/probe mknod kept/null)
		echo whiteout \$(~/probe whiteout kept/two kept/elsewhere)
		echo rename \$(~/probe rename moved away)
		echo rename file \$(~/probe rename file away-file)
		echo tmpfile \$(~/probe tmpfile . from-tmpfile) \$(cat from-tmpfile)
		head -c 4096 /dev/zero >mapped; echo mmap \$(~/probe mmap mapped)
		echo mmap of the rootfs\'s \$(~/probe mmap big) \$(head -c 6 big)
		chown 0 kept/two 2>/dev/null || echo chown refused
		chgrp $(id -g iris) kept/two && echo chgrp")
	want_match "user.*" '^user xattr ok hello$' "$seen"
	want_match "trusted.* on a file" '^trusted EPERM$' "$seen"
	want_match "trusted.* on a directory" '^trusted dir EPERM$' "$seen"
	want_match "security.capability" '^security (EPERM|EINVAL)$' "$seen"
	want_match "a whiteout by mknod" '^mknod EPERM$' "$seen"
	want_match "a whiteout by rename" '^whiteout (EINVAL|EPERM)$' "$seen"
	want_match "rename of the rootfs's directory" '^rename EXDEV$' "$seen"
	want_match "rename of a file" '^rename file ok$' "$seen"
	want_match "O_TMPFILE" '^tmpfile ok text$' "$seen"
	want_match "mmap" '^mmap ok$' "$seen"
	want_match "mmap and copy-up" "^mmap of the rootfs's ok MAPPED\$" "$seen"
	want_match "chown to another" '^chown refused$' "$seen"
	want_match "chgrp" '^chgrp$' "$seen"
}

test_behaviour_over_a_directory() {
	over_tree
	behaves
}

test_behaviour_over_the_host() {
	over_host
	behaves
}

test_calls_over_a_directory() {
	over_tree
	calls
}

test_calls_over_the_host() {
	over_host
	calls
}

# Root on the host may do all of it: it is the session that refuses.
test_control_calls_on_the_host() {
	local probe=$HOST_BUILD/probe/overlay
	mkdir /tmp/control /tmp/control/moved
	want "trusted.*" ok "$("$probe" setxattr /tmp/control trusted.overlay.opaque y)"
	want "mknod" ok "$("$probe" mknod /tmp/control/null)"
	want "rename" ok "$("$probe" rename /tmp/control/moved /tmp/control/away)"
}

test_two_sessions_are_one_instance() {
	over_tree
	client iris "cd $WHERE; echo first >meeting; until grep -q second meeting; do sleep 0.1; done; echo both >>meeting; sleep 100"
	eventually 20 test -e "$UPPER$WHERE/meeting" || fail "the first session made nothing: $(cat "$CASE_STATE/client")"
	want "seen at once" first "$(on iris "cat $WHERE/meeting; echo second >>$WHERE/meeting")"
	eventually 10 grep -q both "$UPPER$WHERE/meeting" || fail "the first session does not see the second's change"
	local first second
	all_closed_but 1
	first=$(nsenter -t "$(pgrep -x cloister-init)" -m stat -c %d /)
	second=$(on iris 'stat -c %d /')
	want "one superblock" "$first" "$second"
	kill "$CLIENT"
}

# The layers are there for root of the host alone, by whatever name.
test_layers_are_out_of_reach() {
	over_host
	on iris "echo secret >$WHERE/mine"
	[ -e "$UPPER$WHERE/mine" ] || fail "control: the upper is not where it should be"
	local seen
	seen=$(on iris "ls -la /var/lib/cloister /var/lib/cloister/users 2>&1
		find / -xdev \( -name upper -o -name work \) -path '*cloister*' 2>/dev/null
		cat $UPPER$WHERE/mine 2>&1; echo bad >>$UPPER$WHERE/mine
		for fd in /proc/1/fd/* /proc/self/fd/*; do readlink \$fd; done 2>/dev/null
		cat /proc/self/mountinfo" 2>&1)
	want_no_match "the layer's content" '^secret$' "$seen"
	want_no_match "a name of the layer that works" 'users/[0-9]+/-/(upper|work)[^:]*$' "$(grep -v -e 'overlay' -e "can't" -e cannot -e nonexistent <<<"$seen")"
	want "content" secret "$(cat "$UPPER$WHERE/mine")"
	want "mode of the state" 700 "$(stat -c %a "$(dirname "$UPPER")")"
}

test_tmpfs_is_gone_at_logout() {
	over_tree 'writable = tmpfs'
	snapshot_before
	want "in the session" new "$(on iris "echo new >$WHERE/new; rm $WHERE/file; cat $WHERE/new")"
	want "the next one" text "$(on iris "cat $WHERE/file; ls $WHERE/new 2>/dev/null")"
	[ ! -e "$UPPER" ] || fail "something was kept"
	snapshot_same
}

test_no_is_erofs() {
	over_tree 'writable = no'
	want_match "EROFS" 'Read-only file system' "$(on iris "echo bad >$WHERE/new" 2>&1 || true)"
	want_match "EROFS" 'Read-only file system' "$(on iris "rm $WHERE/file" 2>&1 || true)"
	want "the rootfs" text "$(cat "$LOWER/file")"
	[ ! -e "$UPPER" ] || fail "something was kept"
}

test_direct_is_the_directory_itself() {
	over_tree 'writable = direct'
	# A directory of the user's own: mount points are made in it.
	chown iris: "$TREE" "$TREE"/{etc,home,usr}
	on iris "echo new >$WHERE/new; rm $WHERE/delete"
	want "new" new "$(cat "$LOWER/new")"
	[ ! -e "$LOWER/delete" ] || fail "still there"
	[ ! -e "$UPPER" ] || fail "a layer was made"
}

# The switches that a kernel may have by default would make an upper that needs its rootfs as it was.
test_features_are_explicit() {
	over_tree
	local parameters=/sys/module/overlay/parameters options
	# The machine's own switches stay as they are: they are everybody's. What is mounted does not depend on them.
	options=$(on iris 'grep " / / " /proc/self/mountinfo')
	want_match "redirect_dir" 'redirect_dir=nofollow' "$options"
	if [ "$(cat "$parameters/metacopy")" = Y ]; then
		want_match "metacopy" 'metacopy=off' "$options"
	fi
	want_no_match "metacopy, index" '(metacopy|index)=on' "$options"
	# A redirect that a hostile upper has is not followed.
	mkdir -p "$UPPER$WHERE/trap"
	"$HOST_BUILD/probe/overlay" setxattr "$UPPER$WHERE/trap" trusted.overlay.redirect "$WHERE/kept" >/dev/null
	want_no_match "followed" '^one$' "$(on iris "ls $WHERE/trap" 2>&1 || true)"
}

# A package manager replaces files by rename(2). overlayfs.rst calls changes below a mounted overlay undefined; this is
# what is seen in fact, and what doc/cloister.conf.5.scd says.
test_upgrade_below_a_running_session() {
	over_tree
	on iris "echo mine >$WHERE/kept/one"
	client iris "cd $WHERE; exec 3<file; exec 4<kept/two; cat kept/one >/dev/null; echo ready >~/ready
		until [ -e ~/upgraded ]; do sleep 0.1; done
		{ echo held: \$(cat <&3); echo opened: \$(cat file); echo other: \$(cat hardlink); echo mine: \$(cat kept/one); echo new: \$(cat new); echo gone: \$(cat delete 2>&1); } >~/seen.new
		mv ~/seen.new ~/seen; sleep 100"
	eventually 20 test -e /home/iris/ready || fail "no session: $(cat "$CASE_STATE/client")"
	# As dpkg(1) does.
	echo upgraded >"$LOWER/file.dpkg-new" && mv "$LOWER/file.dpkg-new" "$LOWER/file"
	echo upgraded >"$LOWER/hardlink.dpkg-new" && mv "$LOWER/hardlink.dpkg-new" "$LOWER/hardlink"
	echo upgraded >"$LOWER/kept/one.dpkg-new" && mv "$LOWER/kept/one.dpkg-new" "$LOWER/kept/one"
	echo brand >"$LOWER/new.dpkg-new" && mv "$LOWER/new.dpkg-new" "$LOWER/new"
	rm "$LOWER/delete"
	touch /home/iris/upgraded
	eventually 20 test -e /home/iris/seen || fail "the session ended"
	local seen
	seen=$(cat /home/iris/seen)
	want_match "an open file" '^held: text$' "$seen"
	# What the session has looked at is remembered: Linux 6.18 shows the old one.
	want_match "a file that was looked at" '^opened: (upgraded|text)$' "$seen"
	want_match "a file that was not" '^other: upgraded$' "$seen"
	want_match "the user's own" '^mine: mine$' "$seen"
	want_match "a new one" '^new: brand$' "$seen"
	want_match "one that is gone" '^gone: cat: ' "$seen"
	kill "$CLIENT"
	eventually 10 no_processes_left || fail "processes are left"
	seen=$(on iris "cd $WHERE; cat file kept/one new; cat delete 2>/dev/null || echo gone" | paste -sd' ')
	want "the next login" "upgraded mine brand gone" "$seen"
}

# Before Linux 6.15 the kernel makes an overlay only of layers in the caller's mount namespace. Where it refuses (here, by
# strace's hand, the very call that makes the overlay), a child does it in a namespace of its own.
test_layers_are_attached_where_the_kernel_wants_it() {
	local run=("$CLOISTER" run --config "$HOST_CONF" --user iris --) made trace
	rootfs_make "$TREE"
	isolate iris "rootfs = $TREE"
	snapshot_before
	strace -o "$CASE_STATE/trace" -e trace=fsconfig "${run[@]}" /bin/true </dev/null
	made=$(awk '/FSCONFIG_CMD_CREATE/ {print NR; exit}' "$CASE_STATE/trace")
	# Not its children: the kernel refuses the login process alone.
	trace=$(strace -o "$CASE_STATE/trace" -e trace=fsconfig -e inject="fsconfig:error=EINVAL:when=$made" \
		"${run[@]}" sh -c 'echo it works; grep " / overlay " /proc/mounts | wc -l' </dev/null)
	want "the session" "$(printf 'it works\n1')" "$trace"
	want "refused" 1 "$(grep -c 'FSCONFIG_CMD_CREATE.*INJECTED' "$CASE_STATE/trace")"
	snapshot_same
}

run_cases "$@"
