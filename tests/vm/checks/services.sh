# shellcheck shell=bash
# The services by which a user's command can be run, and who can still come when all of them refuse.

# su(1) that a user runs, and atd(8) are root by their effective ids alone. A kernel like this one then takes more from what
# they execute.
check_real_ids_that_are_not_the_effective_ones() {
	local services='/etc/pam.d/su /etc/pam.d/atd' said
	on root "mkdir /root/kept && cp -a $services /root/kept/ && sed -i '1i auth sufficient pam_permit.so' /etc/pam.d/su &&
		for file in $services; do echo session required pam_cloister.so >>\$file; done"
	said=$(on nora "su iris -c 'cut -d- -f1 /run/cloister/session; id -un'" 2>&1 || true)
	on root "cd /home/iris && setpriv --reuid iris --regid iris --init-groups sh -c \"echo 'cat /run/cloister/session >at' | at now\"" 2>&1
	eventually 60 on root grep -q session=iris /home/iris/at || said+=" and nothing of at's: $(on root journalctl -u atd -n 5)"
	on root "cp -a /root/kept/. /etc/pam.d/ && rm -r /root/kept /home/iris/at"
	want_match "su" '^session=iris$' "$said"
	want_no_match "at" 'nothing of at' "$said"
}

# Debian's own PAM files and daemons, with the profile alone: everything by which a user's command can be run.
# shellcheck disable=SC2016 # for the user's shell
check_the_profile_contains_every_service() {
	local user way said='cat /proc/1/comm; id -un'
	on root "for user in iris nora; do rm -f /home/\$user/by.*
		echo '* * * * * (cat /proc/1/comm; id -un) >by.cron' | crontab -u \$user -
		echo 'cd; ($said) >by.at' | setpriv --reuid \$user --regid \$user --init-groups env HOME=/home/\$user sh -c 'cd; at now'
		su -l \$user -c '($said) >by.su'; sudo -iu \$user sh -c '($said) >by.sudo'
		done" || true
	for user in iris nora; do
		on "$user" "($said) >by.ssh"
		at_the_console "$user" "($said) >by.login"
	done
	for way in ssh su sudo login at cron; do
		eventually 150 on root "grep -qx iris /home/iris/by.$way && grep -qx nora /home/nora/by.$way" || fail "$way runs nothing"
		want "$way of iris" "cloister-init iris" "$(on root cat "/home/iris/by.$way" | paste -sd ' ')"
		want "control: $way of nora" "systemd nora" "$(on root cat "/home/nora/by.$way" | paste -sd ' ')"
	done
	on root 'crontab -r -u iris; crontab -r -u nora; rm /home/*/by.*'
	eventually 60 no_cgroups || fail "left: $(cgroups)"
}

two_prompts() {
	[ "$(grep -ao 'vm login: ' "$1" | wc -l)" -ge 2 ]
}

# at_the_console USER COMMAND: name and password typed at the second serial line, where getty and login(1) are.
at_the_console() {
	local said=$VM_DIR/console.$1 reader
	cat "$VM_DIR/tty.out" >"$said" &
	reader=$!
	CLIENTS+=("$reader")
	on root "echo $1:word-of-$1 | chpasswd; systemctl restart serial-getty@ttyS1"
	eventually 60 grep -aq 'vm login: ' "$said" || fail "no getty: $(cat "$said")"
	printf '%s\r' "$1" >"$VM_DIR/tty.in"
	eventually 60 grep -aq 'Password: ' "$said" || fail "login asks for no password: $(cat "$said")"
	printf '%s\r' "word-of-$1" >"$VM_DIR/tty.in"
	eventually 60 grep -aq "$1@vm:" "$said" || fail "no shell: $(cat "$said")"
	printf '%s; exit\r' "$2" >"$VM_DIR/tty.in"
	# getty is there again: nothing more comes that another reader could take for its own.
	eventually 60 two_prompts "$said" || fail "no logout: $(cat "$said")"
	on root "systemctl stop serial-getty@ttyS1; usermod -p '*' $1"
	kill "$reader"
}

# Whatever is written there, root gets in, and can mend it.
check_a_wrong_configuration_never_locks_root_out() {
	local wrong
	for wrong in 'rootfs = /srv/gone.erofs' 'isolated = perhaps'; do
		on root "printf '[default]\nisolate = yes\n$wrong\n' >/etc/cloister/cloister.conf.d/wrong.conf"
		! login_works nora || fail "nora gets in with: $wrong"
		! login_works ivan || fail "ivan gets in with: $wrong"
		login_works root || fail "root is locked out with: $wrong"
		want "su with: $wrong" works "$(on root su -l root -c '"echo works"')"
	done
	on root rm /etc/cloister/cloister.conf.d/wrong.conf
	login_works nora || fail "nora"
	login_works ivan || fail "ivan"
}
