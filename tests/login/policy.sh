#!/bin/bash
# Whose line counts: users, groups of any name service, drop-ins, exempted groups; and `cloister plan`, which says so.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

plan_line() {
	"$HOST_BUILD/cloister" plan --config "$HOST_CONF" "$1" 2>/dev/null | grep -E "^$2 +="
}

# isolated USER: "inside" or "host", by a real login.
isolated() {
	if [ "$(on "$1" cat /proc/1/comm)" = cloister-init ]; then echo inside; else echo host; fi
}

# A drop-in comes after the file, and a later one after an earlier one; a user's section before any group's.
test_precedence() {
	groupadd students 2>/dev/null || true
	usermod -aG students nora
	usermod -aG students iris
	mkdir "$HOST_CONF.d"
	configure <<-'END'
		[user:iris]
		hostname = of-the-user
		[group:students]
		isolate = yes
		hostname = of-the-group
		[default]
		hostname = of-all
	END
	printf '[group:students]\nhostname = first\n' >"$HOST_CONF.d/10-first.conf"
	printf '[group:students]\nhostname = second\n' >"$HOST_CONF.d/20-second.conf"
	want "iris" of-the-user "$(on iris hostname)"
	want "nora" second "$(on nora hostname)"
	want "ivan" host "$(isolated ivan)"
	want_match "plan" "= second +$HOST_CONF.d/20-second.conf:2 \[group:students\]$" "$(plan_line nora hostname)"
	want_match "plan" "= of-the-user +$HOST_CONF:2 \[user:iris\]$" "$(plan_line iris hostname)"
	want_match "plan" "= of-all +$HOST_CONF:7 \[default\]$" "$(plan_line ivan hostname)"
	want_match "plan" "= overlay +default$" "$(plan_line iris writable)"
	want "json" "$HOST_CONF.d/20-second.conf 2" "$("$HOST_BUILD/cloister" plan --json --config "$HOST_CONF" nora |
		python3 -c 'import json, sys
for s in json.load(sys.stdin)["settings"]:
    if s["key"] == "hostname": print(s["file"], s["line"])')"
	gpasswd -d nora students >/dev/null
	gpasswd -d iris students >/dev/null
}

test_exempted_group() {
	groupadd members 2>/dev/null || true
	groupadd staff2 2>/dev/null || true
	usermod -aG members,staff2 nora
	usermod -aG members ivan
	configure <<-'END'
		[group:members]
		isolate = yes
		[group:staff2]
		isolate = no
	END
	want "a member" inside "$(isolated ivan)"
	want "a member of both" host "$(isolated nora)"
	want_match "plan" '= no +.*:4 \[group:staff2\]$' "$(plan_line nora isolate)"
	gpasswd -d nora members >/dev/null
	gpasswd -d ivan members >/dev/null
}

# A user's own section wins over every group's, the primary group counts as any other, and of two groups' sections the
# later one wins, whatever the order of the groups.
test_user_over_groups() {
	groupadd members 2>/dev/null || true
	groupadd staff2 2>/dev/null || true
	usermod -aG members,staff2 nora
	configure <<-'END'
		[user:nora]
		hostname = of-nora
		[group:staff2]
		isolate = yes
		hostname = of-staff
		network = host
		[group:members]
		network = none
		[group:ivan]
		isolate = yes
		hostname = of-the-primary
	END
	want "the user's" of-nora "$(on nora hostname)"
	want_match "user over group" "= of-nora +$HOST_CONF:2 \[user:nora\]$" "$(plan_line nora hostname)"
	want_match "the later group" "= none +$HOST_CONF:8 \[group:members\]$" "$(plan_line nora network)"
	[ "$(on nora readlink /proc/self/ns/net)" != "$(readlink /proc/1/ns/net)" ] || fail "the host's network"
	want "the primary group" of-the-primary "$(on ivan hostname)"
	printf '[user:nora]\nisolate = no\n' >>"$HOST_CONF"
	want "an exempted user" host "$(isolated nora)"
	want_match "plan" "= no +$HOST_CONF:13 \[user:nora\]$" "$(plan_line nora isolate)"
	gpasswd -d nora members >/dev/null
	gpasswd -d nora staff2 >/dev/null
}

# Every value has where it comes from: the table's default, or a line of a file.
test_plan_explains_every_value() {
	local lines
	isolate iris 'network = host'
	lines=$("$HOST_BUILD/cloister" plan --config "$HOST_CONF" iris 2>/dev/null | grep -E '^[a-z_]+ += ')
	[ "$(wc -l <<<"$lines")" -gt 20 ] || fail "not all keys: $lines"
	want "without a source" "" "$(grep -vE " (default|$HOST_CONF:[0-9]+ \[user:iris\])\$" <<<"$lines" || true)"
	want "of the file" 2 "$(grep -cE ":[0-9]+ \[user:iris\]\$" <<<"$lines")"
}

# Users and groups that no file in /etc knows, as with LDAP: they come through a module of the name service.
test_another_name_service() {
	mkdir -p /var/lib/extrausers /home/remy/.ssh
	printf 'remy:x:20001:20001:Remy:/home/remy:/bin/sh\n' >/var/lib/extrausers/passwd
	printf 'remy:x:20001:\nguests:x:20100:remy\n' >/var/lib/extrausers/group
	printf 'remy:*:19000:0:99999:7:::\n' >/var/lib/extrausers/shadow
	cp /root/.ssh/authorized_keys /home/remy/.ssh/
	chown -R 20001:20001 /home/remy
	sed -i -E 's/^(passwd|group|shadow):.*/\1: files extrausers/' /etc/nsswitch.conf
	configure <<-'END'
		[group:guests]
		isolate = yes
		hostname = for-%u-of-%g
	END
	want "control" "" "$(grep remy /etc/passwd || true)"
	want "inside" inside "$(isolated remy)"
	want "names" "remy remy guests for-remy-of-remy" "$(on remy 'echo $(whoami) $(id -Gn) $(hostname)')"
	want "others" host "$(isolated nora)"
	rm -r /home/remy /var/lib/extrausers
}

run_cases "$@"
