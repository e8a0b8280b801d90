#!/bin/bash
# Programs that log in by ssh, each the real one: what works for nora on the plain host works for iris in her session,
# and happens there.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

USERS='nora iris'

# work USER: a directory of the user's for a case's files, empty and hers.
work() {
	rm -rf "/home/$1/work"
	install -d -o "$1" -g "$1" "/home/$1/work"
}

# Whether a mount namespace is not the host's.
is_inside() {
	[ -n "$1" ] && [ "$1" != "$(readlink /proc/1/ns/mnt)" ]
}

# table: ssh, multiplexed | one session for a connection
test_multiplexed() {
	local user=iris socket=/tmp/mux first second
	ssh -M -S "$socket" -N -f -l "$user" testhost
	first=$(ssh -S "$socket" -l "$user" testhost readlink /proc/self/ns/mnt)
	second=$(ssh -S "$socket" -l "$user" testhost readlink /proc/self/ns/mnt)
	is_inside "$first" || fail "not inside"
	want "one session for one connection" "$first" "$second"
	want "status" 7 "$(status ssh -S "$socket" -l "$user" testhost exit 7)"
	want "many channels" 100 "$(for _ in $(seq 10); do
		ssh -n -S "$socket" -l "$user" testhost seq 10 &
	done | wc -l)"
	ssh -q -S "$socket" -O exit -l "$user" testhost
	eventually 5 sh -c '! pgrep -x cloister-init' || fail "the session outlives the master"
}

# table: ssh -N, ssh -f | contained
test_no_command_and_background() {
	ssh -N -l iris testhost </dev/null &
	local client=$!
	eventually 5 pgrep -x cloister-init || fail "-N: no session"
	kill "$client"
	eventually 5 sh -c '! pgrep -x cloister-init' || fail "-N: the session is left"
	ssh -f -l iris testhost 'echo done >work-done; exec sleep 2' </dev/null >/dev/null 2>&1
	eventually 5 test -s /home/iris/work-done || fail "-f: the command did not run"
	eventually 8 sh -c '! pgrep -x cloister-init' || fail "-f: the session is left"
}

# Through an isolated user's session: the second connection leaves from its network.
# table: ssh -J, ssh -W through an isolated user | from the network of the session
test_jump() {
	local user
	isolate iris 'network = host'
	socat TCP-LISTEN:2222,bind=127.0.0.1,fork,reuseaddr TCP:127.0.0.1:22 &
	eventually 5 port_open 2222 || fail "no listener"
	for user in $USERS; do
		want "-J by $user" nora "$(timeout 20 ssh -n -J "$user@testhost" -p 2222 nora@127.0.0.1 id -un)"
		want_match "-W by $user" '^SSH-2.0' \
			"$(timeout 5 ssh -W 127.0.0.1:2222 "$user@testhost" </dev/null | head -n 1)"
	done
	isolate iris 'network = none'
	want_match "without a network" 'stdio forwarding failed' \
		"$(timeout 20 ssh -n -J iris@testhost -p 2222 nora@127.0.0.1 id -un 2>&1)"
}

# table: ssh, SendEnv and SetEnv | as without a session
test_sent_environment() {
	sshd_restart 'AcceptEnv LC_* PROJECT'
	local user
	for user in $USERS; do
		want "$user" "cloister C.UTF-8" "$(PROJECT=cloister LC_TIME=C.UTF-8 ssh -n -o SendEnv=PROJECT -o SendEnv=LC_TIME \
			"$user@testhost" "echo \$PROJECT \$LC_TIME")"
		want "$user: SetEnv" x "$(ssh -n -o SetEnv=PROJECT=x "$user@testhost" "echo \$PROJECT")"
	done
}

# table: ssh, escapes | as without a session
test_escapes() {
	local output
	output=$(timeout 20 expect -c '
		log_user 1
		spawn ssh -e ~ -tt iris@testhost "stty -echo; echo ready; cat"
		expect ready
		send "\r~?"
		expect "Supported escape sequences"
		send "\r~."
		expect eof')
	want_match "~?" 'terminate connection' "$output"
	eventually 5 sh -c '! pgrep -x cloister-init' || fail "the session is left"
}

# table: rsync | contained
test_rsync() {
	local user
	mkdir -p /tmp/tree/a/b
	head -c 2000000 /dev/urandom >/tmp/tree/a/data
	ln -s ../data /tmp/tree/a/b/link
	for user in $USERS; do
		work "$user"
		timeout 30 rsync -aH --partial /tmp/tree/ "$user@testhost:work/" || fail "$user: rsync to"
		timeout 30 rsync -aH --checksum --delete "$user@testhost:work/" /tmp/back/ || fail "$user: rsync from"
		diff -r --no-dereference /tmp/tree /tmp/back || fail "$user: not the same"
		want "$user: owner" "$user" "$(stat -c %U "/home/$user/work/a/data")"
	done
}

# table: git clone and push | contained
test_git() {
	local user
	export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
	for user in $USERS; do
		work "$user"
		on "$user" 'git init -q --bare work/project.git'
		rm -rf /tmp/project /tmp/second
		timeout 20 git clone -q "$user@testhost:work/project.git" /tmp/project 2>/dev/null || fail "$user: clone"
		(
			cd /tmp/project || exit 1
			seq 100000 >file
			git add file
			git commit -qm first
			timeout 20 git push -q origin HEAD:refs/heads/main 2>&1
		) || fail "$user: push"
		timeout 20 git clone -q -b main "ssh://$user@testhost/home/$user/work/project.git" /tmp/second || fail "$user: again"
		cmp /tmp/project/file /tmp/second/file || fail "$user: not the same"
	done
}

# table: sshfs | contained
test_sshfs() {
	[ -c /dev/fuse ] || mknod /dev/fuse c 10 229 2>/dev/null || skip "no /dev/fuse can be made here"
	local user
	for user in $USERS; do
		work "$user"
		mkdir -p /tmp/mounted
		timeout 20 sshfs -o reconnect "$user@testhost:" /tmp/mounted || skip "fuse cannot be mounted here"
		echo text >/tmp/mounted/work/file || fail "$user: write"
		mv /tmp/mounted/work/file /tmp/mounted/work/other
		want "$user" text "$(cat "/home/$user/work/other")"
		fusermount3 -u /tmp/mounted || fusermount -u /tmp/mounted
	done
}

# table: Ansible | contained
test_ansible() {
	local user
	export HOME=/root ANSIBLE_HOST_KEY_CHECKING=False ANSIBLE_NOCOLOR=1 ANSIBLE_LOCALHOST_WARNING=False LC_ALL=C.UTF-8
	for user in $USERS; do
		work "$user"
		want_match "$user: ping" '"ping": "pong"' \
			"$(timeout 50 ansible all -i testhost, -u "$user" -e ansible_python_interpreter=/usr/bin/python3 -m ping 2>&1)"
	done
	want_match "copy" 'CHANGED' "$(timeout 50 ansible all -i testhost, -u iris \
		-e ansible_python_interpreter=/usr/bin/python3 -m copy -a 'content=text dest=/home/iris/work/file' 2>&1)"
	want "copied" text "$(cat /home/iris/work/file)"
}

# table: paramiko | contained
test_paramiko() {
	local user
	for user in $USERS; do
		work "$user"
		want "$user" "$(printf '%s\n' "status 5" "tty /dev/pts" "sftp text")" "$(timeout 30 python3 - "$user" <<'END'
import sys, paramiko
user = sys.argv[1]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect("testhost", username=user, key_filename="/root/.ssh/id_ed25519", allow_agent=False)
_, out, _ = client.exec_command("exit 5")
print("status", out.channel.recv_exit_status())
_, out, _ = client.exec_command("tty", get_pty=True)
print("tty", out.read().decode().strip().rsplit("/", 1)[0])
sftp = client.open_sftp()
with sftp.open("work/file", "w") as file:
    file.write("text")
print("sftp", open(f"/home/{user}/work/file").read())
client.close()
END
)"
	done
}

# table: asyncssh | contained
test_asyncssh() {
	local user
	for user in $USERS; do
		want "$user" "$(printf '%s\n' "$user 5" "$user 0")" "$(timeout 30 python3 - "$user" <<'END'
import asyncio, asyncssh, sys
user = sys.argv[1]
async def main():
    async with asyncssh.connect("testhost", username=user, known_hosts=None,
                                client_keys=["/root/.ssh/id_ed25519"]) as connection:
        results = await asyncio.gather(connection.run("id -un; exit 5"), connection.run("cat", input=user))
        for result in results:
            print(result.stdout.strip(), result.exit_status)
asyncio.run(main())
END
)"
	done
}

# table: lftp, sftp | contained
test_lftp() {
	local user
	for user in $USERS; do
		work "$user"
		seq 1000 >/tmp/numbers
		timeout 30 lftp -c "set sftp:auto-confirm yes; open sftp://$user:x@testhost; cd work; put /tmp/numbers;
			mirror -R /tmp/tree tree; ls" >/tmp/out 2>&1 || true
		cmp /tmp/numbers "/home/$user/work/numbers" || fail "$user: $(cat /tmp/out)"
	done
}

# mosh-server puts itself into the background and goes on after the ssh login has ended: with linger = no it ends with
# the session. That is the same as for every other process, and is documented.
# table: mosh | contained; its server ends with the ssh login (linger = no)
test_mosh_bootstrap() {
	local user
	for user in $USERS; do
		want_match "$user" '^MOSH CONNECT [0-9]+ ' "$(LC_ALL=C.UTF-8 timeout 20 ssh -n -o SendEnv=LC_ALL "$user@testhost" \
			'LC_ALL=C.UTF-8 mosh-server new -i 127.0.0.1' 2>/dev/null | tr -d '\r')"
	done
	pkill -u nora -x mosh-server || fail "control: nora's server is gone"
	eventually 5 sh -c '! pgrep -u iris -x mosh-server' || fail "iris's server outlives her session"
}

# table: ssh-agent | contained
test_agent_with_git() {
	local user
	eval "$(ssh-agent -s)" >/dev/null
	ssh-add -q /root/.ssh/id_ed25519
	for user in $USERS; do
		want_match "$user" '^256 SHA256' "$(ssh -n -A "$user@testhost" ssh-add -l)"
		want_match "$user: socket" '^/tmp/ssh-.*/agent\.[0-9]+$' "$(ssh -n -A "$user@testhost" "echo \$SSH_AUTH_SOCK")"
	done
	kill "$SSH_AGENT_PID"
	# sshd removes nora's, which is on the host, when it closes her login.
	all_closed
	ls /tmp/ssh-* >/dev/null 2>&1 && fail "the agent's socket is on the host"
	return 0
}

# table: X11 forwarding, xauth | contained
test_x11() {
	local user server
	sshd_restart 'X11Forwarding yes' 'X11UseLocalhost yes'
	mkdir -p /tmp/.X11-unix
	Xvfb :7 -nolisten tcp >/dev/null 2>&1 &
	server=$!
	eventually 10 test -S /tmp/.X11-unix/X7 || skip "Xvfb does not start here"
	export DISPLAY=:7 XAUTHORITY=/root/.Xauthority
	for user in $USERS; do
		want_match "$user: display" '^localhost:[0-9]+\.[0-9]+$' "$(ssh -n -Y "$user@testhost" "echo \$DISPLAY" 2>/dev/null)"
		want_match "$user: cookie" 'MIT-MAGIC-COOKIE-1' "$(ssh -n -Y "$user@testhost" 'xauth list' 2>/dev/null)"
		want_match "$user: client" '^name of display' "$(timeout 20 ssh -n -Y "$user@testhost" 'xdpyinfo' 2>&1)"
	done
	kill "$server"
}

# The way of editors that bring their own server: a script on standard input starts it, a forward leads to it.
# table: `ssh host bash -s`, a server, ssh -L to it | contained
test_bootstrap() {
	local user port=4000
	cat >/tmp/server.py <<'END'
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.readlink("/proc/self/ns/mnt").encode())
    def log_message(self, *arguments):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
END
	for user in $USERS; do
		port=$((port + 1))
		cp /tmp/server.py "/home/$user/server.py"
		chmod 0644 "/home/$user/server.py"
		ssh -M -S /tmp/boot -N -f -L "127.0.0.1:$((port + 100)):127.0.0.1:$port" -l "$user" testhost
		want "$user: script" started "$(printf '%s\n' "export PORT=$port" \
			'nohup python3 server.py >/dev/null 2>&1 </dev/null &' 'echo started' |
			ssh -S /tmp/boot -l "$user" testhost bash -s)"
		eventually 10 timeout 2 python3 -c "import urllib.request as u
open('/tmp/answer', 'wb').write(u.urlopen('http://127.0.0.1:$((port + 100))').read())" || fail "$user: no answer"
		if [ "$user" = nora ]; then
			want "control" "$(readlink /proc/1/ns/mnt)" "$(cat /tmp/answer)"
			pkill -u nora -f server.py
		else
			is_inside "$(cat /tmp/answer)" || fail "the server is not inside"
		fi
		ssh -q -S /tmp/boot -O exit -l "$user" testhost
	done
}

run_cases "$@"
