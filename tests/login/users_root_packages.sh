#!/bin/bash
# users = root in a real Debian: dpkg and apt install, upgrade and remove packages, with files of several owners. The
# tree is made by mmdebstrap(1), with packages in it for later. Skipped by name where no Debian registry can be reached.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"
. "$(dirname -- "$0")/../lib/root_inside.sh"

ROOT=/opt/debian

# The test host has no network: the tree comes through descriptor 9.
make_archive() {
	local archive
	archive=$(mktemp "${TMPDIR:-/tmp}/cloister-packages.XXXXXX")
	# shellcheck disable=SC2016 # the hook's own
	if ! timeout 240 mmdebstrap --quiet --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' --format=tar \
		--customize-hook='mkdir "$1/debs"' \
		--customize-hook='chroot "$1" apt-get -qq -o Dir::Cache::archives=/debs --no-install-recommends --download-only --reinstall install adduser at dash bash' \
		--include=passwd trixie "$archive" >"$archive.log" 2>&1; then
		local name
		for name in $(sed -n 's/^test_\([a-z0-9_]*\)().*/\1/p' "$0"); do
			echo "skip users_root_packages.$name # mmdebstrap cannot make a tree here: $(tail -n 1 "$archive.log")"
		done
		rm -f "$archive" "$archive.log"
		exit 0
	fi
	exec 9<"$archive"
	rm -f "$archive" "$archive.log"
}

set_up() {
	mkdir "$ROOT"
	tar -x -C "$ROOT" <&9
	: >/etc/subuid
	: >/etc/subgid
}

in_debian() {
	usermod -s /bin/bash iris
	isolate iris "rootfs = $ROOT" 'users = root' 'timeout = 30'
}

# What an install must not touch.
outside() {
	find "$ROOT" -printf '%p %U %G %m %s %T@\n' | sha256sum
	find /etc /home /srv -uid 0 -newer "$CASE_STATE/log-start" -printf '%p %U %G %m\n' 2>/dev/null
}

# Every id that a process of the session has, while the test runs; to $CASE_STATE/ids.
watch_ids() {
	set +e +o pipefail
	while :; do
		host_ids
	done >"$CASE_STATE/ids" 2>/dev/null
}

# table: users = root: apt, dpkg, adduser | work inside; no process of the host's root, no file of the host's changes
test_apt_and_dpkg() {
	in_debian
	local before watcher
	before=$(outside)
	watch_ids &
	watcher=$!
	export SSH_TIMEOUT=55
	on iris 'export DEBIAN_FRONTEND=noninteractive
		dpkg -i /debs/adduser*.deb && apt-get install -y --no-install-recommends /debs/at_*.deb' >/tmp/out 2>&1 ||
		fail "$(tail -n 20 /tmp/out)"
	want "a file of daemon's, inside" "daemon daemon 6755" "$(on iris "stat -c '%U %G %a' /usr/bin/at")"
	want "on the disk" "1 1" "$(stat -c '%u %g' /var/lib/cloister/users/*/root-*/upper/usr/bin/at)"
	want "it is installed" "install ok installed" "$(on iris "dpkg-query -W -f '\${Status}' at")"
	on iris 'adduser --quiet --disabled-password --comment "" bob' >/tmp/out 2>&1 || fail "$(cat /tmp/out)"
	want "a new user" "1000" "$(on iris 'su bob -c "id -u; touch ~/file"')"
	want "removed" 0 "$(status on iris 'DEBIAN_FRONTEND=noninteractive apt-get purge -y at')"
	want "gone" 1 "$(status on iris 'test -e /usr/bin/at')"
	kill "$watcher"
	want_match "control: ids of the session were seen" "^$(id -u iris)\$" "$(cat "$CASE_STATE/ids")"
	want_no_match "of the host's root" '^0$' "$(cat "$CASE_STATE/ids")"
	want "what is outside" "$before" "$(outside)"
}

# The shell that iris logs in with, and the one that every script names: a mount on either would be EBUSY for dpkg.
test_upgrade_of_the_login_shell() {
	in_debian
	on iris 'dpkg -i /debs/bash_*.deb /debs/dash_*.deb' >/tmp/out 2>&1 || fail "$(tail -n 20 /tmp/out)"
	want "the next login" root "$(on iris whoami)"
	want "control: it was written" 0 "$(status ls /var/lib/cloister/users/*/root-*/upper/usr/bin/bash)"
}

[ -n "${HOST_INSIDE-}" ] || make_archive
run_cases "$@"
