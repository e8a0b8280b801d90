#!/bin/bash
# The kernel's interfaces: system calls, /proc and /sys, keys, IPC.
set -u
. "$(dirname -- "$0")/../lib/attack.sh"

NEWNS=0x20000 NEWCGROUP=0x2000000 NEWUTS=0x4000000 NEWIPC=0x8000000 NEWUSER=0x10000000 NEWPID=0x20000000
NEWNET=0x40000000 NEWTIME=0x80

# table: K07 | nested user namespaces by unshare, clone, clone3 | nora
test_k07_nested_user_namespaces() {
	attacks attack_kernel nora "unshare=$NEWUSER" "clone=$NEWUSER" "clone3=$NEWUSER" "unshare=$((NEWUSER | NEWNS))" \
		"unshare=$((NEWUSER | NEWNET | NEWPID))" "clone=$((NEWUSER | NEWNET))"
}

# table: K07 | each other namespace, and setns | root
test_k07_nested_namespaces() {
	attacks attack_kernel root "unshare=$NEWNS" "unshare=$NEWPID" "unshare=$NEWNET" "unshare=$NEWIPC" \
		"unshare=$NEWUTS" "unshare=$NEWCGROUP" "unshare=$NEWTIME" "clone=$NEWNS" "clone=$NEWPID" "clone=$NEWNET" \
		"clone=$NEWIPC" "clone=$NEWUTS" "clone=$NEWCGROUP" "clone3=$NEWNS" "clone3=$NEWPID" setns
}

# table: K07 | userfaultfd, io_uring, keyctl family, quotactl, personality | nora
test_k07_calls_of_everybody() {
	attacks attack_kernel nora userfaultfd io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key \
		quotactl quotactl_fd personality=0x40000 personality=0x20000000
}

# table: K07 | bpf, perf_event_open, acct, swapon, syslog, reboot | root
# table: K11 | clock_settime, settimeofday, adjtimex, reboot, sethostname, setdomainname | root (arguments that change nothing)
test_k07_k11_calls_of_root() {
	attacks attack_kernel root bpf perf_event_open acct swapon swapoff syslog reboot clock_settime \
		settimeofday adjtimex sethostname setdomainname
}

# What the kernel of this machine was built without cannot be a control. That the call is refused by the filter, and not by its
# being unknown, is seen in another errno.
# table: K07 | kexec, kernel modules, iopl, ioperm | none: this kernel has none of them, so only the filter's own answer (EPERM in place of ENOSYS) is looked at
test_k07_calls_that_this_kernel_lacks() {
	local out
	put_probes attack_kernel
	out=$(on iris ./attack_kernel kexec_load kexec_file_load init_module finit_module delete_module iopl ioperm)
	want "answers" 7 "$(grep -c ': refused EPERM' <<<"$out")"
}

# table: K07 | i386 calls by int 0x80 | nora, where the kernel takes them
# table: K07 | x32 calls | none: this kernel has no x32; the answer must be the filter's signal
test_k07_foreign_architectures() {
	local out
	put_probes attack_kernel
	out=$(on nora ./attack_kernel i386)
	[ "$out" = "i386: worked" ] || [ "$out" = "i386: refused SIGSEGV" ] || void "$out"
	out=$(on iris ./attack_kernel i386 i386_unshare x32)
	want_no_match "inside" worked "$out"
	want_match "the filter's answer" '^x32: refused SIGSYS' "$out"
}

# table: K07 | the filter holds for every thread and child, and cannot be taken off | nora (no filter)
test_k07_filter_of_every_thread() {
	want_match "control" 'Seccomp:[[:space:]]*0' "$(on nora cat /proc/self/status)"
	local out
	# shellcheck disable=SC2016
	out=$(on iris 'python3 -c "
import threading, time
for i in range(4): threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
import glob
for path in glob.glob(\"/proc/[0-9]*/task/*/status\"):
    lines = open(path).read().splitlines()
    print(*[l.split()[1] for l in lines if l.startswith((\"NoNewPrivs\", \"Seccomp:\"))])
"')
	want "no_new_privs and mode of each thread" "1 2" "$(sort -u <<<"$out")"
	[ "$(wc -l <<<"$out")" -ge 7 ] || fail "too few threads: $out"
}

# table: K01 | writing /proc/sys: core_pattern, modprobe, hostname, ns_last_pid, vm, fs | root
test_k01_proc_sys() {
	attacks attack_kernel root write_open=/proc/sys/kernel/{core_pattern,hostname,ns_last_pid,poweroff_cmd,printk} \
		write_open=/proc/sys/vm/{overcommit_memory,drop_caches} write_open=/proc/sys/fs/{suid_dumpable,mount-max} \
		write_open=/proc/sys/net/ipv4/ip_forward
}

# table: K01 | binfmt_misc/register | not applicable: it is not mounted in a session, and mounting it is refused (F06)
# table: K02 | /proc/sysrq-trigger | root, where there is one; nothing is written to it
test_k02_sysrq() {
	put_probes attack_kernel
	if [ -e /proc/sysrq-trigger ]; then
		attacks attack_kernel root write_open=/proc/sysrq-trigger
	else
		want_match "not there" 'refused ENOENT' "$(on iris ./attack_kernel write_open=/proc/sysrq-trigger)"
	fi
}

# table: K03 | reading kallsyms, keys, timer_list, config.gz, slabinfo, vmallocinfo, pagetypeinfo | root
test_k03_kernel_tables() {
	local path paths=()
	for path in kcore kallsyms keys timer_list config.gz slabinfo vmallocinfo pagetypeinfo latency_stats sched_debug; do
		[ -e "/proc/$path" ] && paths+=("read=/proc/$path")
	done
	[ ${#paths[@]} -ge 5 ] || fail "this kernel shows too little: ${paths[*]}"
	attacks attack_kernel root "${paths[@]}"
	want "dmesg" 1 "$(status on iris dmesg)"
}

# Whatever can be opened for writing below /proc and /sys, beside the process's own files and the masks, which are
# /dev/null.
# table: K04 | files below /proc and /sys that can be written | root
test_k04_writable_files() {
	local find='find /proc /sys -xdev -type f ! -path "/proc/[0-9]*" -writable -exec test -f {} \; -print 2>/dev/null; true'
	[ "$(on root "$find" | wc -l)" -gt 100 ] || void "find"
	# The pressure files take a trigger of one's own, which a plain user has too (PSI).
	want "inside" "" "$(on iris "$find" | grep -v '^/proc/pressure/' || true)"
	want "/sys" "" "$(on iris 'ls -A /sys')"
}

# table: K05 | release_agent by a cgroup v1 mount | root
test_k05_cgroup_mount() {
	attacks attack_files root cgroup_v1
}

# A key in root's and the user's own keyring on the host, looked for from inside.
# table: K06 | keys of the same uid on the host | nora
test_k06_keys() {
	local user
	for user in iris nora; do
		setpriv --reuid "$user" --regid "$user" --clear-groups keyctl add user host-key secret @u >/dev/null
	done
	want_match "control" 'host-key' "$(on nora 'keyctl show @u')"
	want_no_match "keyctl" 'host-key|^[0-9]+$' "$(on iris 'keyctl show @u; keyctl search @u user host-key; true' 2>/dev/null)"
	# Without the filter too: another user namespace has other user keyrings, and the session keyring is new.
	isolated 'seccomp = none'
	put_probes attack_kernel
	want_match "without the filter" 'find_key.*: refused' "$(on iris ./attack_kernel find_key=host-key)"
	want_no_match "session keyring" host-key "$(on iris 'keyctl show @s' 2>/dev/null)"
	for user in iris nora; do
		setpriv --reuid "$user" --regid "$user" --clear-groups keyctl purge user host-key >/dev/null
	done
}

# table: K08 | modules loaded by socket(AF_...) and mount -t | not applicable: the kernel of this machine has no modules
# table: K10 | SysV shared memory, semaphores, queues of the host | see: ssh_channels.ipc_is_apart
# table: K10 | POSIX queues and shared memory of the host | nora
test_k10_posix_ipc() {
	echo secret >/dev/shm/host-shm
	mkdir -p /tmp/queues
	mount -t mqueue none /tmp/queues
	touch /tmp/queues/host-queue
	snapshot_before
	want "control" host-shm "$(on nora ls /dev/shm)"
	want "inside" "" "$(on iris 'ls /dev/shm /dev/mqueue | grep host; true')"
	on iris 'touch /dev/shm/mine' || fail "/dev/shm cannot be used"
	[ ! -e /dev/shm/mine ] || fail "/dev/shm is the host's"
	rm /tmp/queues/host-queue /dev/shm/host-shm
	umount /tmp/queues
	snapshot_before
}

run_cases "$@"
