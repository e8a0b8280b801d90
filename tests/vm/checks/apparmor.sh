# shellcheck shell=bash
# AppArmor, after everything else.

denials() {
	on root 'cat /var/log/audit/audit.log* | grep -a "apparmor=\"DENIED\""; journalctl -q -k | grep "apparmor=\"DENIED\""; true'
}

check_apparmor_has_denied_nothing() {
	local denied
	want "AppArmor" Y "$(on root cat /sys/module/apparmor/parameters/enabled)"
	denied=$(denials)
	want "denials" "" "$denied"
	on root 'cp /bin/true /usr/local/bin/control; echo "profile control /usr/local/bin/control { }" | apparmor_parser -r
		/usr/local/bin/control' && fail "control: it is not confined"
	eventually 30 denied || fail "control: the denial is not recorded"
}

denied() {
	[ -n "$(denials)" ]
}
