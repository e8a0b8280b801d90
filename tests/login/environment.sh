#!/bin/bash
# What a login finds: its variables, its runtime directory, its name and the host's resolver, in a bare BusyBox tree too.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

ROOT=/opt/rootfs/bare

set_up() {
	sshd_start
}

# bare_tree [LINE...]: iris in a rootfs with nothing but BusyBox: no passwd, no group, no resolv.conf.
bare_tree() {
	rootfs_make "$ROOT"
	rm "$ROOT/etc/passwd" "$ROOT/etc/group"
	isolate iris "rootfs = $ROOT" 'shell = /bin/sh' "$@"
}

test_names_in_a_bare_tree() {
	bare_tree
	want "whoami" iris "$(on iris whoami)"
	want_match "id" '^uid=[0-9]+\(iris\) gid=[0-9]+\(iris\)' "$(on iris id)"
	want "ls -l" "iris iris" "$(on iris 'touch f; ls -l f' | awk '{print $3, $4}')"
	want "root" "root root" "$(on iris 'ls -ld /' | awk '{print $3, $4}')"
	want "nobody" 65534 "$(on iris 'id -u nobody')"
	want "the rootfs is as it was" "" "$(find "$ROOT/etc" -type f)"
}

# Each group of the user has its line, however many they are.
test_many_groups() {
	local n
	for n in $(seq 14); do
		groupadd -g $((3000 + n)) "team$n"
		usermod -aG "team$n" iris
	done
	bare_tree
	want "groups" 15 "$(on iris 'id -Gn' | wc -w)"
	want_match "by name" 'team14' "$(on iris 'id -Gn')"
}

# Twice, since the first session leaves an empty place to mount on in what is kept.
test_resolver_and_clock() {
	local file
	printf 'nameserver 192.0.2.7\n' >/etc/resolv.conf
	bare_tree
	for file in resolv.conf hosts; do
		want "$file" "$(md5sum <"/etc/$file")" "$(on iris md5sum "/etc/$file" | sed 's| /.*| -|')"
		want "$file again" "$(md5sum <"/etc/$file")" "$(on iris md5sum "/etc/$file" | sed 's| /.*| -|')"
	done
	want "not writable" 1 "$(status on iris 'echo bad >/etc/hosts')"
	all_closed
	printf 'nameserver 192.0.2.8\n' >"$ROOT/etc/resolv.conf"
	rm -rf /var/lib/cloister/*
	want "the rootfs's own counts" 'nameserver 192.0.2.8' "$(on iris cat /etc/resolv.conf)"
}

# systemd-resolved's way: a link into /run, and /run is the session's own.
test_resolver_behind_a_link() {
	mkdir -p /run/systemd/resolve
	printf 'nameserver 192.0.2.9\n' >/run/systemd/resolve/stub-resolv.conf
	ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
	bare_tree
	ln -s ../run/systemd/resolve/stub-resolv.conf "$ROOT/etc/resolv.conf"
	want "content" 'nameserver 192.0.2.9' "$(on iris cat /etc/resolv.conf)"
	bare_tree 'writable = no'
	want "in a rootfs without writing" 'nameserver 192.0.2.9' "$(on iris cat /etc/resolv.conf)"
}

# A host without one is no reason to refuse; a FIFO in its place must not be waited for.
test_resolver_missing_or_strange() {
	bare_tree
	rm -f /etc/resolv.conf
	want "missing" 1 "$(status on iris cat /etc/resolv.conf)"
	mkfifo /etc/resolv.conf
	want "a FIFO" 0 "$(status on iris true)"
}

test_runtime_directory() {
	isolate iris
	want "variable" "/run/user/$(id -u iris)" "$(on iris 'echo $XDG_RUNTIME_DIR')"
	want "owner and mode" "700 iris iris" "$(on iris 'stat -c "%a %U %G" $XDG_RUNTIME_DIR')"
	want "type" tmpfs "$(on iris 'stat -f -c %T $XDG_RUNTIME_DIR')"
	on iris 'echo secret >$XDG_RUNTIME_DIR/file'
	want "gone with the session" 0 "$(on iris 'ls $XDG_RUNTIME_DIR' | wc -l)"
	[ ! -e "/run/user/$(id -u iris)/file" ] || fail "on the host"
	want "su" "/run/user/$(id -u iris)" "$(timeout 20 su -l iris -c 'echo $XDG_RUNTIME_DIR' </dev/null)"
}

test_variables_of_a_login() {
	isolate iris
	want "as on the host" "$(on nora 'echo $HOME $USER $LOGNAME $SHELL $PATH $MAIL' | sed s/nora/iris/g)" \
		"$(on iris 'echo $HOME $USER $LOGNAME $SHELL $PATH $MAIL')"
	want_match "SSH_CONNECTION" '^127' "$(on iris 'echo $SSH_CONNECTION')"
	want "TERM" "screen-256color" "$(TERM=screen-256color timeout 20 ssh -tt iris@testhost 'echo $TERM' </dev/null | tr -d '\r')"
}

# What other modules set of the host's: taken out where it leads nowhere, and only there.
test_variables_that_lead_nowhere() {
	cat >/etc/session.env <<-'END'
		DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus
		KRB5CCNAME=FILE:/tmp/krb5cc_1000
		XDG_SESSION_ID=7
		XAUTHORITY=/home/iris/.Xauthority
		KEPT=/tmp/anything
	END
	pam_service sshd "session required pam_env.so envfile=/etc/session.env"
	isolate iris
	local variables='echo "$DBUS_SESSION_BUS_ADDRESS,$KRB5CCNAME,$XDG_SESSION_ID,$XAUTHORITY,$KEPT"'
	want "control" "unix:path=/run/user/1000/bus,FILE:/tmp/krb5cc_1000,7,/home/iris/.Xauthority,/tmp/anything" "$(on nora "$variables")"
	want "inside" ",,,/home/iris/.Xauthority,/tmp/anything" "$(on iris "$variables")"
	isolate iris 'tmpfs = /run' 'bind = /tmp:/tmp'
	want "a cache that is shown" ",FILE:/tmp/krb5cc_1000,,/home/iris/.Xauthority,/tmp/anything" "$(on iris "$variables")"
}

test_bare_tree_without_pam() {
	local run=("$HOST_BUILD/cloister" run --user iris --config "$HOST_CONF" --)
	bare_tree
	want "cloister run" iris "$("${run[@]}" whoami)"
	want "runtime directory" "/run/user/$(id -u iris)" "$("${run[@]}" sh -c 'echo $XDG_RUNTIME_DIR')"
}

run_cases "$@"
