# shellcheck shell=bash
# Users and groups of a directory: slapd, and SSSD with its caches.

DIRECTORY_CONF=/etc/cloister/cloister.conf.d/directory.conf

# lucy is of students, which is isolated; lutz is not. LDAP's and SSSD's state as before afterwards: directory_away.
directory_here() {
	timeout -k 2 90 "${VM_SSH[@]}" root@127.0.0.1 sh -eu <<-'END'
		cp -a /var/lib/sss /run/sss.before
		mkdir -p /run/ldap/db
		cat >/run/ldap/slapd.conf <<-CONF
			include /etc/ldap/schema/core.schema
			include /etc/ldap/schema/cosine.schema
			include /etc/ldap/schema/nis.schema
			modulepath /usr/lib/ldap
			moduleload back_mdb
			pidfile /run/ldap/pid
			database mdb
			suffix "dc=example,dc=org"
			directory /run/ldap/db
			access to * by * read
		CONF
		account() {
			printf 'dn: uid=%s,dc=example,dc=org\nobjectClass: account\nobjectClass: posixAccount\ncn: %s\nuid: %s\n' $1 $1 $1
			printf 'uidNumber: %s\ngidNumber: 20000\nhomeDirectory: /home/%s\nloginShell: /bin/bash\n\n' $2 $1
		}
		group() {
			printf 'dn: cn=%s,dc=example,dc=org\nobjectClass: posixGroup\ncn: %s\ngidNumber: %s\n' $1 $1 $2
			[ -z "${3-}" ] || printf 'memberUid: %s\n' $3
			echo
		}
		{
			printf 'dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: example\ndc: example\n\n'
			account lucy 20001
			account lutz 20002
			group people 20000
			group students 20100 lucy
		} >/run/ldap/data
		slapadd -f /run/ldap/slapd.conf -l /run/ldap/data
		slapd -f /run/ldap/slapd.conf -h ldap://127.0.0.1
		cat >/etc/sssd/sssd.conf <<-CONF
			[sssd]
			domains = example
			[domain/example]
			id_provider = ldap
			auth_provider = none
			access_provider = permit
			ldap_uri = ldap://127.0.0.1
			ldap_search_base = dc=example,dc=org
			ldap_schema = rfc2307
			ldap_id_use_start_tls = false
		CONF
		chmod 0600 /etc/sssd/sssd.conf
		systemctl start sssd
		printf '[group:students]\nisolate = yes\n' >/etc/cloister/cloister.conf.d/directory.conf
	END
	eventually 60 on root 'getent group students && getent passwd lucy lutz' || fail "SSSD: $(on root 'journalctl -q -b -u sssd | tail -n 5')"
	on root 'for user in lucy lutz; do mkdir -p /home/$user; cp -r /home/nora/.ssh /home/$user/; chown -R $user: /home/$user; done'
}

directory_away() {
	on root 'kill $(cat /run/ldap/pid) 2>/dev/null; systemctl stop sssd; systemctl reset-failed
		rm -rf /var/lib/sss /home/lucy /home/lutz /etc/sssd/sssd.conf '"$DIRECTORY_CONF"'; mv /run/sss.before /var/lib/sss'
}

# Where a login of USER is: the name of its first process.
where_is() {
	on "$1" 'cat /proc/1/comm' 2>/dev/null || true
}

check_users_of_a_directory() {
	trap 'directory_away; check_ends' EXIT
	directory_here
	want_match "check" '^ok: lucy is isolated' "$(on root cloister check lucy)"
	want "lucy" "lucy people students cloister-init" "$(on lucy 'echo $(id -un) $(id -Gn) $(cat /proc/1/comm)')"
	on lucy 'echo mine >file'
	want "her file's owner" 20001:20000 "$(on root stat -c %u:%g /home/lucy/file)"
	want "control: lutz, of another group" "lutz people systemd" "$(on lutz 'echo $(id -un) $(id -Gn) $(cat /proc/1/comm)')"
	on lutz 'test -S /var/lib/sss/pipes/nss' || fail "control: SSSD's socket is elsewhere"
	! on lucy 'test -S /var/lib/sss/pipes/nss' || fail "SSSD's socket is reached from inside"
	# The server is gone: SSSD answers from its cache.
	on root 'kill $(cat /run/ldap/pid)'
	want "without the server" cloister-init "$(where_is lucy)"
	# SSSD is gone, too: what its clients have mapped may still answer. Isolated or refused, but not on the host.
	on root 'systemctl stop sssd'
	want_no_match "without SSSD" systemd "$(where_is lucy)"
	# Half of an answer: lucy is known, her groups are not.
	on root 'rm -f /var/lib/sss/mc/group /var/lib/sss/mc/initgroups'
	want "control: she is known" 20001 "$(on root id -u lucy)"
	want_match "half of an answer" '^error: .*cannot (list the groups of user lucy|look up group students).*ECONNREFUSED' \
		"$(on root 'cloister check lucy; true')"
	want_no_match "half of an answer" systemd "$(where_is lucy)"
	on root "rm $DIRECTORY_CONF"
	want_match "control: nothing isolates her" '^note: lucy is not isolated|cannot list the groups' "$(on root 'cloister check lucy; true')"
}
