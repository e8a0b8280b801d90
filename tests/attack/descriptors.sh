#!/bin/bash
# Descriptors, working directory, environment and arguments at the first instruction of the user's shell.
set -u
. "$(dirname -- "$0")/../lib/attack.sh"

# A PAM module that leaks: descriptors 3 to 60, one of them a directory, one a namespace.
leaking_module() {
	cat >/tmp/leak.c <<-'END'
		#include <fcntl.h>
		#include <security/pam_modules.h>
		#include <unistd.h>
		int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
		{
			(void)pamh, (void)flags, (void)argc, (void)argv;
			int directory = open("/etc", O_PATH | O_DIRECTORY), namespace = open("/proc/self/ns/mnt", O_RDONLY);
			for (int fd = 20; fd < 60; fd++)
				dup2(fd % 2 ? directory : namespace, fd);
			chdir("/proc/self/fd/21");
			return PAM_SUCCESS;
		}
		int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
		{
			(void)pamh, (void)flags, (void)argc, (void)argv;
			return PAM_SUCCESS;
		}
	END
	gcc -D_GNU_SOURCE -shared -fPIC -o /opt/pam_leak.so /tmp/leak.c 2>/dev/null
	pam_service su 'session required /opt/pam_leak.so'
}

# The probe under the name of a shell, which tells what it finds at its first instruction.
first_shell() {
	local user
	for user in iris nora; do
		install -m 0755 "$HOST_BUILD/probe/attack_terminals" "/home/$user/first-shell"
	done
}

# table: L01 | descriptors that the login program leaks, a directory's among them | nora
# table: L03 | a working directory of the host, by a descriptor | nora
# table: L04 | descriptors of namespaces | nora
test_l01_l03_l04_leaks() {
	leaking_module
	first_shell
	snapshot_before
	su -s /home/nora/first-shell nora </dev/null || void "su ends with $?"
	want_match "control" '^fd 21 /etc' "$(cat /home/nora/first)"
	want_match "control" '^fd 20 mnt:' "$(cat /home/nora/first)"
	su iris -c "exec ~/first-shell" </dev/null
	want "inside" "0 1 2" "$(awk '$1 == "fd" {print $2}' /home/iris/first | xargs)"
	want "cwd" "cwd /" "$(grep cwd /home/iris/first | sed 's,/home/iris,/,')"
	rm -f /opt/pam_leak.so
	snapshot_before
}

# table: L02 | standard input, output and error closed at the start | nora: what is opened next becomes one of them
test_l02_closed_standard_descriptors() {
	first_shell
	su nora -c 'exec ~/first-shell' <&- >&- 2>&- || true
	su iris -c 'exec ~/first-shell' <&- >&- 2>&- || true
	[ -e /home/nora/first ] || void "the shell did not run"
	# Either refused, or nothing of the host is behind them.
	[ ! -e /home/iris/first ] || want_no_match "inside" '^fd [0-9]+ /(etc|opt|var|run)' "$(cat /home/iris/first)"
}

# table: L05 | /proc/PID/map_files of init | root
test_l05_map_files() {
	[ -n "$(ls /proc/self/map_files)" ] || void "map_files"
	want "inside" "" "$(on iris 'ls /proc/1/map_files' 2>/dev/null || true)"
}

# A library that marks where it was loaded: the namespace and uid of each process.
marking_library() {
	local user
	cat >/tmp/mark.c <<-'END'
		#include <fcntl.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <unistd.h>
		__attribute__((constructor)) static void loaded(void)
		{
			char name[64] = "", line[128];
			const char *file = getenv("MARKS");
			readlink("/proc/self/ns/mnt", name, sizeof(name) - 1);
			int fd = open(file ? file : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0666);
			write(fd, line, snprintf(line, sizeof(line), "%s %d\n", name, (int)geteuid()));
		}
	END
	for user in iris nora; do
		gcc -shared -fPIC -o "/home/$user/mark.so" /tmp/mark.c 2>/dev/null
	done
}

# table: E01 | LD_PRELOAD, LD_AUDIT, GLIBC_TUNABLES, GCONV_PATH by SendEnv, ~/.ssh/environment, pam_env, su -m | nora: loaded on the host
test_e01_libraries() {
	local user
	marking_library
	sshd_restart 'AcceptEnv *'
	for user in nora iris; do
		printf 'LD_PRELOAD=/home/%s/mark.so\nLD_AUDIT=/home/%s/mark.so\nMARKS=/home/%s/marks\n' "$user" "$user" "$user" \
			>"/home/$user/.ssh/environment"
		chown "$user:" "/home/$user/.ssh/environment"
	done
	snapshot_before
	for user in nora iris; do
		on "$user" 'ls >/dev/null; true' || true
		LD_PRELOAD=/home/$user/mark.so MARKS=/home/$user/marks GLIBC_TUNABLES=glibc.malloc.check=3 \
			as "$user" -n -o 'SendEnv=LD_* MARKS GLIBC_*' 'ls >/dev/null; true' || true
	done
	grep -qF "$(readlink /proc/1/ns/mnt)" /home/nora/marks || void "no library was loaded for nora"
	# The client above is root's own, and marks too: only what ran as iris, or for her login, counts.
	want_no_match "iris's user code on the host" "^$(readlink /proc/1/ns/mnt | sed 's/[][]/\\&/g') $(id -u iris)\$" "$(cat /home/iris/marks)"
	want_match "it is loaded inside" "^mnt:.* $(id -u iris)\$" "$(cat /home/iris/marks)"
}

# table: E02 | ENV, BASH_ENV, SHELLOPTS, exported functions, IFS, HOME=/, NOTIFY_SOCKET reach only the user's own shell | nora
test_e02_variables() {
	local user
	sshd_restart 'AcceptEnv *'
	for user in nora iris; do
		printf 'readlink /proc/self/ns/mnt >>/home/%s/marks\n' "$user" >"/home/$user/env.sh"
		printf 'ENV=/home/%s/env.sh\nBASH_ENV=/home/%s/env.sh\nBASH_FUNC_ls%%%%=() { echo hijacked; }\nIFS=x\nPATH=.:/usr/bin:/bin\nHOME=/\nNOTIFY_SOCKET=/run/x\nUSER=root\n' \
			"$user" "$user" >"/home/$user/.ssh/environment"
		chown "$user:" "/home/$user/.ssh/environment" "/home/$user/env.sh"
	done
	snapshot_before
	for user in nora iris; do
		# Not `bash -c`: under sshd that reads ~/.bashrc in place of BASH_ENV.
		echo true >"/home/$user/script"
		on "$user" 'bash script' || echo "$user: status $?"
	done
	want "control" "$(readlink /proc/1/ns/mnt)" "$(sort -u /home/nora/marks)"
	want_no_match "iris" "$(readlink /proc/1/ns/mnt | sed 's/[][]/\\&/g')" "$(cat /home/iris/marks)"
	want "who" "$(id -u iris)" "$(on iris id -u)"
}

# table: E03 | arguments: quotes, newlines, options, a megabyte, argc 0 | nora: the same words
test_e03_arguments() {
	local text
	for text in 'echo "a  b"; echo '\''c'\''' $'echo one\necho two' '-x' '--' 'echo $0 -- -c x' 'printf "%s\n" "\$(id)" `echo x`'; do
		want "$text" "$(on nora "$text" 2>&1 | sed 's/nora/iris/g' || true)" "$(on iris "$text" 2>&1 || true)"
	done
	text=$(head -c 100000 /dev/zero | tr '\0' x)
	want "100,000 bytes" 100000 "$(on iris "printf %s $text | wc -c")"
	want "argc 0" 0 "$(status timeout 10 python3 -c "
import ctypes, os
pid = os.fork()
if pid == 0:
    ctypes.CDLL(None).execve(b'$HOST_BUILD/cloister-sh', None, None)
    os._exit(99)
_, status = os.waitpid(pid, 0)
raise SystemExit(1 if os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 99 else 0)")"
}

# table: E04 | user names like ../x, -rf, with a uid of -1 | none: the answer must be a refusal, or a session
test_e04_names() {
	local name
	printf '../x:x:4001:4001::/home/iris:/bin/sh\n-rf:x:4002:4001::/home/iris:/bin/sh\n%s:x:4294967295:4001::/home/iris:/bin/sh\n' minus >>/etc/passwd
	printf '[default]\nisolate = yes\nhome = none\n' | configure
	snapshot_before
	for name in ../x -rf minus; do
		inside_or_refused 10 su -c 'readlink /proc/self/ns/mnt' -- "$name"
		want "files of /run, $name" "" "$(find /run -maxdepth 1 -newer "$CASE_STATE/before" -name 'x*')"
	done
}

# table: E05 | PAM_TTY, PAM_RHOST with newline and escape sequences in the log | none: the log must have one line
test_e05_log_injection() {
	cat >/tmp/forge.c <<-'END'
		#include <security/pam_modules.h>
		int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
		{
			(void)flags, (void)argc, (void)argv;
			pam_set_item(pamh, PAM_TTY, "x\nforged: line\033[2J");
			return pam_set_item(pamh, PAM_RHOST, "h\nforged: line\033[2J");
		}
		int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
		{
			(void)pamh, (void)flags, (void)argc, (void)argv;
			return PAM_SUCCESS;
		}
	END
	gcc -shared -fPIC -o /opt/pam_forge.so /tmp/forge.c
	pam_service su 'session required /opt/pam_forge.so'
	isolated 'rootfs = /nowhere'
	su iris -c true </dev/null || true
	sleep 0.3
	want "lines of ours" 1 "$(log_new | grep -c 'pam_cloister.*refused')"
	want_no_match "forged" '^[A-Z][a-z]+ .* forged: line|'$'\033' "$(log_new | grep -a -A1 pam_cloister)"
	rm /opt/pam_forge.so
}

run_cases "$@"
