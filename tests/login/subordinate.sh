#!/bin/bash
# Where a user's unprivileged range comes from: /etc/subuid and /etc/subgid, or another source that nsswitch.conf names.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

set_up() {
	# libsubid looks for its sources where the loader does.
	mkdir -p /opt/lib /var/cache/ldconfig
	mount -t tmpfs none /var/cache/ldconfig
	cp "$HOST_BUILD/probe/subid_source_preload.so" /opt/lib/libsubid_test.so
	echo /opt/lib >/etc/ld.so.conf.d/test.conf
	ldconfig
	cp /etc/nsswitch.conf /opt/nsswitch.conf
}

# ranges SUBUID SUBGID [SOURCE]
ranges() {
	# A layer in use has the ids of those who use it.
	all_closed
	printf '%s' "$1" >/etc/subuid
	printf '%s' "$2" >/etc/subgid
	cp /opt/nsswitch.conf /etc/nsswitch.conf
	[ -z "${3-}" ] || echo "subid: $3" >>/etc/nsswitch.conf
	rm -f /run/subid-source-fails
}

# Where id 0 of a session is outside.
base() {
	on iris "awk '\$1 == 0 { print \$2 }' /proc/self/$1"
}

test_files() {
	local uid
	uid=$(id -u iris)
	ranges $'nora:100000:65536\niris:300000:65536\n' $'iris:400000:65536\n'
	want "users" 300000 "$(base uid_map)"
	want "groups" 400000 "$(base gid_map)"
	ranges "$uid:300000:65536" "$uid:400000:65536" files
	want "by uid" 300000 "$(base uid_map)"
	# Too small is none, and so is one of a pair.
	ranges $'iris:300000:1000\n' $'iris:400000:65536\n'
	want "too small" 1879048192 "$(base uid_map)"
	all_closed
	rm /etc/subuid /etc/subgid
	want "no files" 1879048192 "$(base uid_map)"
}

test_another_source() {
	ranges $'iris:300000:65536\n' $'iris:300000:65536\n' test
	want "users" 700000 "$(base uid_map)"
	want "groups" 700000 "$(base gid_map)"
	[ "$(getsubids iris | awk '{ print $3 }')" = 700000 ] || fail "control: libsubid does not ask the source: $(getsubids iris)"
}

test_a_source_that_cannot_be_asked_refuses() {
	local status=0
	ranges $'iris:300000:65536\n' $'iris:300000:65536\n' test
	touch /run/subid-source-fails
	on iris true >/tmp/said 2>&1 || status=$?
	[ "$status" -ne 0 ] || fail "let in"
	want_match "syslog" 'step="ids" errno="ECONNREFUSED" path="/etc/subuid"' "$(log_new)"
	# A list that cannot be read.
	ranges $'iris:300000:65536\n' $'iris:300000:65536\n'
	rm /etc/subuid
	mkdir /etc/subuid
	[ "$(status on iris true)" -ne 0 ] || fail "let in with a list that cannot be read"
	rmdir /etc/subuid
}

# sshd's monitor has none of the libraries that libsubid brings, unless they are asked for.
test_nothing_is_loaded_for_the_files() {
	ranges '' ''
	client iris sleep 60
	eventually 20 pgrep -f '^sshd: iris@notty' || fail "no login: $(cat "$CASE_STATE/client")"
	local monitor
	monitor=$(pgrep -f '^sshd: iris \[priv\]')
	want_match "control" 'pam_cloister' "$(cat "/proc/$monitor/maps")"
	want "libraries" "" "$(grep -oE 'lib(subid|semanage|sepol)[^ ]*' "/proc/$monitor/maps" | sort -u)"
	kill "$CLIENT"
}

run_cases "$@"
