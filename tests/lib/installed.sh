# shellcheck shell=bash
# The test host as an administrator has it before Cloister is set up: installed, with the PAM stacks and the sshd of the
# distribution, and nobody isolated. For what is written for administrators: guides, an Ansible role.
#   set_up       calls installed_once
#   case_before  calls installed_again: the same state, whatever the case before has done

INSTALLED_ETC='passwd shadow group gshadow subuid subgid shells'

# Each where the packages have it, in an overlay that forgets; nothing else of /usr is another file system.
installed_programs() {
	local modules
	modules=$(dirname "$(find /lib/ /usr/lib/ -maxdepth 3 -path '*/security/pam_unix.so' -print -quit)")
	host_forgetful /usr/bin
	host_forgetful /usr/libexec
	host_forgetful "$modules"
	mkdir -p /usr/libexec/cloister
	install "$HOST_BUILD/cloister" "$HOST_BUILD/cloister-sh" /usr/bin/
	install "$HOST_BUILD/cloister-init" "$HOST_BUILD/cloister-image" /usr/libexec/cloister/
	install -m 0644 "$HOST_BUILD/pam_cloister.so" "$modules/"
}

# There is no systemd in the test host. What the documents ask of it, by the means that are there.
installed_systemctl() {
	mount -t tmpfs -o mode=0755,nodev local /usr/local
	mkdir -p /usr/local/bin
	cat >/usr/local/bin/systemctl <<-'END'
		#!/bin/bash
		case $* in
		"reload ssh")
			before=$(grep -c 'Server listening' /var/log/syslog)
			kill -HUP "$(cat /run/sshd.pid)"
			until [ "$(grep -c 'Server listening' /var/log/syslog)" -gt "$before" ]; do sleep 0.05; done
			;;
		*) echo "systemctl $*: not in the test host" >&2; exit 1 ;;
		esac
	END
	chmod 0755 /usr/local/bin/systemctl
}

installed_once() {
	local file
	installed_programs
	installed_systemctl
	hostname server
	# Under the overlay of /etc the distribution's own files are as they were.
	mkdir /root/distribution
	mount --bind / /root/distribution
	cp -a /root/distribution/etc/pam.d /root/pam.d
	umount /root/distribution
	userdel -r iris 2>/dev/null
	userdel -r ivan 2>/dev/null
	mkdir /root/etc
	for file in $INSTALLED_ETC; do
		cp -a "/etc/$file" /root/etc/
	done
	echo /usr/bin/cloister-sh >>/root/etc/shells
	sed -i 's/^Host \*/Host server bastion localhost/' /root/.ssh/config
	printf '%s\n' 'Host *' 'StrictHostKeyChecking no' 'UserKnownHostsFile /dev/null' 'LogLevel ERROR' 'BatchMode yes' >>/root/.ssh/config
	# New users of the guides have the key that the client uses.
	mkdir -m 0700 /etc/skel/.ssh
	cp /root/.ssh/id_ed25519.pub /etc/skel/.ssh/authorized_keys
}

installed_again() {
	cp -a /root/etc/. /etc/
	rm -rf /etc/pam.d /etc/cloister /etc/ssh/sshd_config.d
	cp -a /root/pam.d /etc/pam.d
	mkdir -p /etc/cloister/cloister.conf.d /etc/ssh/sshd_config.d
	cp /opt/conf/cloister.conf /etc/cloister/
	find /home -mindepth 1 -maxdepth 1 ! -name nora -exec rm -rf {} +
	find /srv -mindepth 1 -delete
	sshd_restart 'Include /etc/ssh/sshd_config.d/*.conf'
}

# recording: the session of tests/recording.commands, as an SVG on standard output.
recording() {
	local user
	groupadd students
	for user in alice bob; do
		useradd -m -s /bin/bash -p '*' "$user"
	done
	usermod -a -G students alice
	userdel -r nora 2>/dev/null
	rm -rf /etc/update-motd.d /run/motd.dynamic
	printf '[group:students]\nisolate = yes\n' >/etc/cloister/cloister.conf.d/50-students.conf
	echo 'session required pam_cloister.so' >>/etc/pam.d/sshd
	python3 "$HOST_TESTS/lib/recording.py" "$HOST_TESTS/recording.commands"
}
