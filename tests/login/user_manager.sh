#!/bin/bash
# What systemd asks before it starts a user's manager, and that the answer is the PAM module's. The managers themselves:
# tests/vm/checks/systemd.sh.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

# answer USER: the status that cloister-not-isolated ends with.
answer() {
	status "$HOST_BUILD/cloister-not-isolated" "$(id -u "$1")"
}

# answers IRIS NORA ROOT
answers() {
	want "iris, nora, root" "$1 $2 $3" "$(answer iris) $(answer nora) $(answer root)"
}

test_who_is_isolated() {
	isolate iris
	answers 1 0 0
	groupadd visitors
	usermod -aG visitors nora
	printf '[group:visitors]\nisolate = yes\n' >/etc/cloister/cloister.conf
	answers 0 1 0
	printf '[default]\nisolate = yes\n' >/etc/cloister/cloister.conf
	answers 1 1 0
	printf '[user:root]\nisolate = yes\n' >/etc/cloister/cloister.conf
	answers 0 0 1
	gpasswd -d nora visitors >/dev/null
	groupdel visitors
}

# What holds for a login alone, such as a name that has the session's in it.
test_values_with_the_session() {
	isolate iris 'hostname = %s' 'scope = session'
	want "control: a login" 0 "$(status on iris true)"
	answers 1 0 0
	printf '[user:nora]\nisolate = no\nhostname = %%s\n' >/etc/cloister/cloister.conf
	want "control: a login" 0 "$(status on nora true)"
	answers 0 0 0
}

test_the_login_shell_counts() {
	printf '[default]\nisolate = no\n' >/etc/cloister/cloister.conf
	usermod -s /usr/bin/cloister-sh iris
	local said
	said=$(answer iris)
	usermod -s /bin/bash iris
	want "with it" 1 "$said"
	answers 0 0 0
}

# Whom a login would refuse has no manager, and systemd is told that it is a failure.
test_it_cannot_be_told() {
	isolate iris
	want "no such user" 255 "$(status "$HOST_BUILD/cloister-not-isolated" 54321)"
	want "no uid" 255 "$(status "$HOST_BUILD/cloister-not-isolated" 1x)"
	want "none" 255 "$(status "$HOST_BUILD/cloister-not-isolated")"
	printf '[user:iris]\nisolate = perhaps\n' >/etc/cloister/cloister.conf
	answers 255 0 0
	isolate iris
	chmod o+w /etc/cloister/cloister.conf
	answers 255 255 0
	chmod o-w /etc/cloister/cloister.conf
	answers 1 0 0
	mv /etc/cloister /etc/away
	answers 255 255 0
	want "nora's login, then" 254 "$(status on nora true)"
	mv /etc/away /etc/cloister
	answers 1 0 0
}

test_another_configuration() {
	isolate iris
	mkdir /etc/another
	printf '[user:nora]\nisolate = yes\n' >/etc/another/cloister.conf
	want "--config" 1 "$(status "$HOST_BUILD/cloister-not-isolated" --config /etc/another/cloister.conf "$(id -u nora)")"
	want "--config" 0 "$(status "$HOST_BUILD/cloister-not-isolated" --config /etc/another/cloister.conf "$(id -u iris)")"
	rm -r /etc/another
}

run_cases "$@"
