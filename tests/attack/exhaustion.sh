#!/bin/bash
# One user takes all there is of something: it ends inside, and others log in meanwhile. And accounts that change, or go,
# under a session. What crash.sh does not have yet. Long versions with LONG=1 (make check-long).
set -u
CASE_TIMEOUT=${LONG:+1200}
CASE_TIMEOUT=${CASE_TIMEOUT:-120}
. "$(dirname -- "$0")/../lib/attack.sh"

others_log_in() {
	want "nora" nora "$(on nora whoami)"
	want "ivan" ivan "$(on ivan whoami)"
	want "root" root "$(on root whoami)"
}

# flood CODE: iris' session runs Python that says "up" and stays.
flood() {
	client iris "exec python3 -c '$1'"
	eventually 30 grep -q up "$CASE_STATE/client" || fail "no flood: $(cat "$CASE_STATE/client")"
}

# fill DIRECTORY: shell code that says how many files and how many KiB fit.
fill() {
	echo "cd $1 && i=0; while [ \$i -lt 400 ] && mkdir x\$i 2>/dev/null; do i=\$((i+1)); done; rmdir x*;
		echo \$i; head -c 3000000 /dev/zero >big 2>/dev/null; stat -c %s big; rm big"
}

# table: Z03 | /tmp, /dev/shm and a tmpfs of the configuration full of bytes and of files: ENOSPC inside alone | nora fills the host's
test_z03_bytes_and_files() {
	local place
	isolated 'tmpfs = /tmp:size=1M:files=100' 'tmpfs = /dev/shm:size=1M:files=100' 'tmpfs = /var/tmp:size=1M:files=100'
	for place in /tmp /dev/shm /var/tmp; do
		want_match "$place" '^9[0-9] 1048576$' "$(on iris "$(fill "$place")" | paste -sd ' ')"
	done
	want "control" "400 3000000" "$(on nora "$(fill /tmp)" | paste -sd ' ')"
	# While it is full.
	flood 'import time
open("/tmp/big", "wb").write(b"x" * 1000000); open("/dev/shm/big", "wb").write(b"x" * 1000000)
print("up", flush=True); time.sleep(60)'
	others_log_in
	want "iris herself" iris "$(on iris whoami)"
	session_down
}

# table: Z04 | a process that takes memory without end, bounded by rlimit_as (memory_max is tested in tests/vm) | nora, in the same way, up to 512 MiB
test_z04_memory() {
	local hog='python3 -c "
kept = []
try:
    while len(kept) < 64:
        kept.append(bytearray(8 << 20))
except MemoryError:
    pass
print(len(kept))"'
	isolated 'rlimit_as = 200M'
	[ "$(on iris "$hog")" -lt 25 ] || fail "the limit does not hold"
	want "control" 64 "$(on nora "$hog")"
	others_log_in
}

# table: Z07 | a flood of ptys, to ptys_max, by each way in; 1,024 of the machine's 4,096 by default | nora, who has 40
test_z07_ptys_of_a_session() {
	local user count
	for user in iris nora; do
		cat >"/home/$user/ptys" <<-'END'
			import os
			n = 0
			try:
			    while n < 40:
			        os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY); n += 1
			except OSError:
			    pass
			print("ptys", n)
		END
	done
	count='python3 /home/iris/ptys'
	isolated 'ptys_max = 20'
	want "ssh" "ptys 20" "$(on iris "$count")"
	want_match "with a terminal" '^ptys 19' "$(as iris -tt "$count" </dev/null)"
	want "su" "ptys 20" "$(timeout 20 su -l iris -c "$count" </dev/null)"
	want_match "su, with a relay" '^ptys 19' "$(in_pty "su -l iris -c '$count'")"
	want_match "run, with a relay" '^ptys 19' "$(in_pty "'$HOST_BUILD/cloister' run --config '$HOST_CONF' --user iris -- $count")"
	want "control" "ptys 40" "$(on nora 'python3 /home/nora/ptys')"
	flood "$(sed 's/print.*/import time; print("up", flush=True); time.sleep(60)/' /home/iris/ptys)"
	want_match "nora's terminal" '^/dev/pts/' "$(as nora -tt tty </dev/null)"
	want_match "ivan's" '^/dev/pts/0' "$(as ivan -tt tty </dev/null)"
	want_match "another one of hers" '^/dev/pts/0' "$(as iris -tt tty </dev/null)"
	session_down
}

# table: Z07 | a flood of descriptors, to rlimit_nofile in each of some processes | nora, who has more
test_z07_descriptors() {
	local many='import os, resource, time
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
children = [os.fork() for i in range(4)] if hard <= 4096 else [0]
n = 0
try:
    while n < 5000:
        os.open("/dev/null", os.O_RDONLY); n += 1
except OSError:
    pass
print(n, flush=True)'
	isolated 'rlimit_nofile = 300:400'
	flood "$many
print(\"up\", flush=True); time.sleep(60)"
	others_log_in
	[ "$(grep -E '^[0-9]+$' "$CASE_STATE/client" | sort -n | tail -1)" -lt 400 ] || fail "the limit does not hold: $(cat "$CASE_STATE/client")"
	session_down
	[ "$(on nora "python3 -c '$many'" | tail -1)" -gt 400 ] || void "nora opens no more than iris"
}

# What the kernel counts for a user of a session it counts for the owner of the session's user namespace, too.
# can WHO: whether root, or a user, still gets an inotify instance and may queue a signal.
can() {
	local code='import ctypes, os, signal
c = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, {40})
print("yes" if c.inotify_init() >= 0 else "no", "yes" if c.sigqueue(os.getpid(), 40, None) == 0 else "no")'
	if [ "$1" = root ]; then python3 -c "$code"; else on "$1" "python3 -c '$code'"; fi
}

# table: Z07 | all inotify instances and all queued signals that a user may have: others, and root, go on | nora: hers alone, too
test_z07_what_is_counted_for_the_owner() {
	local code='import ctypes, os, signal, time
c = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, {40})
n = m = 0
while c.inotify_init() >= 0: n += 1
while c.sigqueue(os.getpid(), 40, None) == 0 and m < 1000000: m += 1
print("up", n, m, flush=True); time.sleep(60)'
	isolated '[user:ivan]' 'isolate = yes'
	client iris "ulimit -n 4096; exec python3 -c '$code'"
	eventually 60 grep -q up "$CASE_STATE/client" || fail "no flood: $(cat "$CASE_STATE/client")"
	want_match "control: she has taken all" '^up 12[0-9] [0-9]{4,}' "$(cat "$CASE_STATE/client")"
	want "iris herself" no "$(can iris | cut -d' ' -f1)"
	want "root" "yes yes" "$(can root)"
	want "ivan" "yes yes" "$(can ivan)"
	want "nora" "yes yes" "$(can nora)"
	kill "$CLIENT"
}

# table: Z08 | 20 processes that make and leave zombies without end, under rlimit_nproc: init reaps, others log in | none: they must be gone
test_z08_zombie_flood() {
	isolated 'rlimit_nproc = 100'
	flood 'import os, time
end = time.time() + 6
def fork():
    # On a busy machine the first ones have filled the limit with what is not reaped yet.
    while True:
        try:
            return os.fork()
        except BlockingIOError:
            time.sleep(0.01)
for i in range(20):
    if fork() == 0:
        while time.time() < end:
            try:
                # The middle one ends first: the last one is for init to reap.
                if os.fork() == 0:
                    if os.fork() == 0:
                        os._exit(0)
                    os._exit(0)
                os.wait()
            except (BlockingIOError, ChildProcessError):
                time.sleep(0.01)
        os._exit(0)
print("up", flush=True)
try:
    while True: os.wait()
except ChildProcessError:
    pass
print("done", flush=True); time.sleep(60)'
	others_log_in
	eventually 30 grep -q "^done" "$CASE_STATE/client" || fail "the flood does not end"
	eventually 10 no_zombies || fail "zombies are left: $(pgrep -lr Z)"
	session_down
}

no_zombies() {
	! pgrep -r Z
}

# table: Y02 | 20 users at once, 100 with LONG=1, each twice | none: each must work, and see its own home alone
test_y02_many_users() {
	local n=${LONG:+100} i j pids=()
	n=${n:-20}
	accounts_keep
	printf '[default]\nisolate = yes\n[user:nora]\nisolate = no\n' | configure
	for i in $(seq "$n"); do
		useradd -m -s /bin/sh "many$i"
	done
	for i in $(seq "$n"); do
		for j in 1 2; do
			su -l "many$i" -c 'id -un; ls /home; until [ -e go ]; do sleep 1; done; echo end' </dev/null >"/tmp/many-$i-$j" 2>&1 &
			pids+=($!)
		done
	done
	eventually "$((n + 60))" sessions_are $((2 * n)) || fail "sessions: $(ls /run/cloister/sessions)"
	want "nora meanwhile" nora "$(on nora whoami)"
	for i in $(seq "$n"); do touch "/home/many$i/go"; done
	for i in "${pids[@]}"; do wait "$i" || fail "a login failed: $(cat /tmp/many-*)"; done
	for i in $(seq "$n"); do
		want "many$i" "many$i many$i end many$i many$i end" "$(cat "/tmp/many-$i"-? | paste -sd ' ')"
	done
	eventually 10 sessions_are 0 || fail "an entry is left: $(ls /run/cloister/sessions)"
	rm -rf /home/many* /tmp/many-*
	accounts_back
}

sessions_are() {
	[ "$(find /run/cloister/sessions -type f -name '[!.]*' 2>/dev/null | wc -l)" -eq "$1" ]
}

# ---- accounts ----
ACCOUNTS='passwd group shadow gshadow subuid subgid'

accounts_keep() {
	mkdir "$CASE_STATE/accounts"
	local file
	for file in $ACCOUNTS; do cp -a "/etc/$file" "$CASE_STATE/accounts/"; done
}

accounts_back() {
	local file
	for file in $ACCOUNTS; do
		cp -a "$CASE_STATE/accounts/$file" "/etc/$file"
		rm -f "/etc/$file-"
	done
	snapshot_before
}

# emma [LINE...]: a user of this test, isolated.
emma() {
	accounts_keep
	useradd -m -s /bin/sh -p '*' emma
	install -d -o emma -m 0700 /home/emma/.ssh
	install -o emma -m 0600 /root/.ssh/id_ed25519.pub /home/emma/.ssh/authorized_keys
	isolate emma "$@"
}

# emma_logs_in: a session that goes on when 5 is closed.
emma_logs_in() {
	mkfifo "$CASE_STATE/input"
	ssh -l emma testhost 'echo up; read -r _; id -u; echo end' <"$CASE_STATE/input" >"$CASE_STATE/client" 2>&1 &
	CLIENT=$!
	exec 5>"$CASE_STATE/input"
	eventually 20 grep -q up "$CASE_STATE/client" || fail "no session: $(cat "$CASE_STATE/client")"
}

emma_goes_on() {
	exec 5>&-
	wait "$CLIENT" || fail "the session failed: $(cat "$CASE_STATE/client")"
	want "the session" "up $1 end" "$(paste -sd ' ' "$CASE_STATE/client")"
	rm "$CASE_STATE/input"
	eventually 10 no_processes_left || fail "left: $(processes_left)"
	sessions_are 0 || fail "an entry is left: $(ls /run/cloister/sessions)"
}

# table: Y05 | userdel during a session: it ends as ever, and the login program refuses the next login | none: nothing may be left
test_y05_userdel_during_a_session() {
	local uid
	emma
	uid=$(id -u emma)
	emma_logs_in
	userdel -f -r emma 2>/dev/null || true
	want "control: she is gone" 2 "$(status getent passwd emma)"
	want "a new login" 255 "$(status on emma true)"
	want "by su" 1 "$(status timeout 20 su -l emma -c true </dev/null)"
	want_match "ls" '^emma  *emma-' "$("$HOST_BUILD/cloister" ls)"
	others_log_in
	emma_goes_on "$uid"
	accounts_back
}

# table: Y05 | userdel, and the administrator ends what is left | none: nothing may be left
test_y05_kill_of_a_deleted_users_session() {
	emma
	emma_logs_in
	userdel -f -r emma 2>/dev/null || true
	want "kill" 0 "$(status "$HOST_BUILD/cloister" kill emma)"
	wait "$CLIENT" || true
	exec 5>&-
	eventually 10 no_processes_left || fail "left: $(processes_left)"
	sessions_are 0 || fail "an entry is left: $(ls /run/cloister/sessions)"
	accounts_back
}

FIELDS='^(Cap...|NoNewPrivs|Seccomp):'

# enters_as UID IDS RESTRICTIONS: who is entered as, and with which; IDS are those inside, of the user and of groups.
enters_as() {
	local id said
	id=$(session_of emma)
	said=$("$HOST_BUILD/cloister" enter "$id" -- sh -c "id -u; id -G; readlink /proc/self/ns/net" 2>"$CASE_STATE/note")
	want "ids, session" "$2 $(readlink "/proc/$(sed -n s/^pid=//p "/run/cloister/sessions/$id")/ns/net")" "$(paste -sd' ' <<<"$said")"
	want "said" "cloister: note: there is no user emma with the uid $1 any more: entering with the session's own ids" \
		"$(grep "^cloister" "$CASE_STATE/note")"
	want "restrictions" "$3" "$("$HOST_BUILD/cloister" enter emma -- grep -E "$FIELDS" /proc/self/status 2>/dev/null)"
	want_match "with a terminal" '^/dev/pts/[0-9]+$' "$(in_pty "$HOST_BUILD/cloister enter emma -- tty")"
	want_match "the login shell" "^${2%% *}\$" "$(in_pty "printf 'id -u\nexit\n' | $HOST_BUILD/cloister enter $id")"
	want_match "logged" 'event="enter" session="'"$id"'" user="emma" uid="'"$1"'"' "$(log_new)"
}

# entered_when_deleted IDS [LINE...]
entered_when_deleted() {
	local uid ids=$1 restrictions
	shift
	emma "$@"
	uid=$(id -u emma)
	emma_logs_in
	restrictions=$("$HOST_BUILD/cloister" enter emma -- grep -E "$FIELDS" /proc/self/status)
	userdel -f -r emma 2>/dev/null || true
	want "control: she is gone" 2 "$(status getent passwd emma)"
	enters_as "$uid" "${ids:-$uid $uid}" "$restrictions"
	# Somebody else of that name.
	useradd -u "$((uid + 100))" -M emma
	enters_as "$uid" "${ids:-$uid $uid}" "$restrictions"
	userdel emma
	ids=${ids:-$uid}
	emma_goes_on "${ids%% *}"
	accounts_back
}

# table: Y05 | userdel, and the administrator enters what is left | none: as the session's own ids, with its primary group
test_y05_enter_of_a_deleted_users_session() {
	entered_when_deleted ''
}

# table: Y05 | the same where the user is root inside | none: as root inside
test_y05_enter_of_a_deleted_users_session_who_is_root_inside() {
	rootfs_make /opt/rootfs/busybox
	entered_when_deleted '0 0' 'users = root' 'rootfs = /opt/rootfs/busybox'
}

# table: Y05 | usermod during a session: shell and uid count from the next login on, and nobody with another uid joins the session that is there | none: nothing may be mixed
test_y05_usermod_during_a_session() {
	local old new
	emma 'scope = user'
	old=$(id -u emma)
	new=$((old + 100))
	emma_logs_in
	want "control: a second login joins" "$(session_of emma)" "$(on emma 'sed -n s/^session=//p /run/cloister/session')"
	# usermod(8) does not change the uid while processes run; vipw(8) does.
	sed -i -E "s,^emma:([^:]*):$old:(.*):/bin/sh\$,emma:\1:$new:\2:/bin/bash," /etc/passwd
	chown -R "$new" /home/emma
	want "the new uid, files, shell" "$new $new /bin/bash" "$(on emma 'echo $(id -u) $(stat -c %u .ssh) $SHELL')"
	eventually 10 sessions_are 1 || fail "sessions: $(ls /run/cloister/sessions)"
	[ "$(on emma 'sed -n s/^session=//p /run/cloister/session')" != "$(session_of emma)" ] || fail "it joined"
	emma_goes_on "$old"
	accounts_back
}

# The oldest one.
session_of() {
	find /run/cloister/sessions -type f -name "$1-*" -printf '%T@ %f\n' | sort -n | sed -n '1s/.* //p'
}

run_cases "$@"
