/* SPDX-License-Identifier: MIT */
/*
 * Attacks on the kernel's interfaces: the system calls that a session has no business with. The arguments do no harm
 * where the call is let through: what is asked for does not exist, or is what is there already.
 */
#include "attack.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdint.h>
#include <sys/personality.h>
#include <sys/quota.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>

#define UFFD_USER_MODE_ONLY 1

/* ---- namespaces ---- */
static int run_unshare(const char *argument)
{
	return success(unshare((int)strtol(argument, NULL, 0)));
}

static int raw_clone(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return success(pid);
}

static int run_clone(const char *argument)
{
	return raw_clone(strtoul(argument, NULL, 0));
}

static int run_clone3(const char *argument)
{
	struct clone_args args = {.flags = strtoul(argument, NULL, 0), .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return success(pid);
}

static int run_setns(const char *argument)
{
	(void)argument;
	return success(setns(open("/proc/self/ns/uts", O_RDONLY), 0));
}

/* ---- the rest of the filter's list ---- */
static int run_bpf(const char *argument)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	(void)argument;
	return success(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int run_perf(const char *argument)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
	                               .size = sizeof(attr),
	                               .config = PERF_COUNT_SW_CPU_CLOCK,
	                               .exclude_kernel = 1};

	(void)argument;
	return success(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static int run_userfaultfd(const char *argument)
{
	(void)argument;
	return success(syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY));
}

static int run_io_uring_setup(const char *argument)
{
	struct io_uring_params params = {0};

	(void)argument;
	return success(syscall(SYS_io_uring_setup, 1, &params));
}

static int run_io_uring_enter(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0));
}

static int run_io_uring_register(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_io_uring_register, -1, 0, NULL, 0));
}

static int run_keyctl(const char *argument)
{
	(void)argument;
	return success(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1));
}

static int run_add_key(const char *argument)
{
	(void)argument;
	return success(syscall(SYS_add_key, "user", "cloister-attack", "x", 1, KEY_SPEC_PROCESS_KEYRING));
}

static int run_request_key(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_request_key, "user", *argument ? argument : "no-such-key", NULL, 0));
}

/* Whether a key of the host with this description is found. */
static int run_find_key(const char *argument)
{
	return success(syscall(SYS_request_key, "user", argument, NULL, 0));
}

static int run_kexec_load(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_kexec_load, 0, 1000, NULL, 0));
}

static int run_kexec_file_load(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_kexec_file_load, -1, -1, 0, "", ~0UL));
}

static int run_init_module(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_init_module, NULL, 0, ""));
}

static int run_finit_module(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_finit_module, -1, "", 0));
}

static int run_delete_module(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_delete_module, "cloister_no_such_module", O_NONBLOCK));
}

static int run_quotactl(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_quotactl, QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL));
}

static int run_quotactl_fd(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_quotactl_fd, -1, QCMD(Q_SYNC, USRQUOTA), 0, NULL));
}

static int run_acct(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_acct, "/nonexistent/acct"));
}

static int run_swapon(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_swapon, "/nonexistent/swap", 0));
}

static int run_swapoff(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_swapoff, "/nonexistent/swap"));
}

static int run_syslog(const char *argument)
{
	(void)argument;
	return success(syscall(SYS_syslog, 10, NULL, 0));
}

static int run_reboot(const char *argument)
{
	(void)argument;
	/* The magic numbers are wrong: what is let through gets EINVAL. */
	return refusal(syscall(SYS_reboot, 0xdead, 0xdead, 0, NULL));
}

static int run_clock_settime(const char *argument)
{
	const struct timespec impossible = {.tv_nsec = -1};

	(void)argument;
	return refusal(syscall(SYS_clock_settime, CLOCK_REALTIME, &impossible));
}

static int run_settimeofday(const char *argument)
{
	(void)argument;
	return success(syscall(SYS_settimeofday, NULL, NULL));
}

static int run_adjtimex(const char *argument)
{
	struct timex impossible = {.modes = ADJ_TICK, .tick = 1};

	(void)argument;
	return refusal(adjtimex(&impossible));
}

static int run_sethostname(const char *argument)
{
	struct utsname now;

	(void)argument;
	uname(&now);
	return success(sethostname(now.nodename, strlen(now.nodename)));
}

static int run_setdomainname(const char *argument)
{
	struct utsname now;

	(void)argument;
	uname(&now);
	return success(setdomainname(now.domainname, strlen(now.domainname)));
}

static int run_iopl(const char *argument)
{
	(void)argument;
	return success(syscall(SYS_iopl, 3));
}

static int run_ioperm(const char *argument)
{
	(void)argument;
	return success(syscall(SYS_ioperm, 0x80, 1, 1));
}

static int run_personality(const char *argument)
{
	return success(personality(strtoul(argument, NULL, 0)));
}

static int run_socket(const char *argument)
{
	int family = 0, type = 0, protocol = 0;

	sscanf(argument, "%i,%i,%i", &family, &type, &protocol);
	return success(socket(family, type, protocol));
}

/* The same call by the number that it has on another architecture. */
static int run_x32(const char *argument)
{
	(void)argument;
	return success(syscall(0x40000000 | SYS_getpid));
}

static int run_i386(const char *argument)
{
	long result = 20; /* getpid of i386 */

	(void)argument;
	__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
	errno = (int)(result < 0 ? -result : 0);
	return success(result < 0 ? -1 : 0);
}

/* unshare(CLONE_NEWUSER) of i386. */
static int run_i386_unshare(const char *argument)
{
	long result = 310;

	(void)argument;
	__asm__ volatile("int $0x80" : "+a"(result) : "b"(CLONE_NEWUSER) : "memory", "r8", "r9", "r10", "r11");
	errno = (int)(result < 0 ? -result : 0);
	return success(result < 0 ? -1 : 0);
}

/* ---- files of /proc and /sys ---- */
static int run_write_open(const char *argument)
{
	return success(open(argument, O_WRONLY | O_CLOEXEC));
}

static int run_read(const char *argument)
{
	char byte;
	int fd = open(argument, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return errno;
	ssize_t n = read(fd, &byte, 1);
	/* The mask of a file is /dev/null. */
	return n < 0 ? errno : n == 0 ? ENODATA : 0;
}

static const struct attack attacks[] = {{"unshare", run_unshare},
                                        {"clone", run_clone},
                                        {"clone3", run_clone3},
                                        {"setns", run_setns},
                                        {"bpf", run_bpf},
                                        {"perf_event_open", run_perf},
                                        {"userfaultfd", run_userfaultfd},
                                        {"io_uring_setup", run_io_uring_setup},
                                        {"io_uring_enter", run_io_uring_enter},
                                        {"io_uring_register", run_io_uring_register},
                                        {"keyctl", run_keyctl},
                                        {"add_key", run_add_key},
                                        {"request_key", run_request_key},
                                        {"find_key", run_find_key},
                                        {"kexec_load", run_kexec_load},
                                        {"kexec_file_load", run_kexec_file_load},
                                        {"init_module", run_init_module},
                                        {"finit_module", run_finit_module},
                                        {"delete_module", run_delete_module},
                                        {"quotactl", run_quotactl},
                                        {"quotactl_fd", run_quotactl_fd},
                                        {"acct", run_acct},
                                        {"swapon", run_swapon},
                                        {"swapoff", run_swapoff},
                                        {"syslog", run_syslog},
                                        {"reboot", run_reboot},
                                        {"clock_settime", run_clock_settime},
                                        {"settimeofday", run_settimeofday},
                                        {"adjtimex", run_adjtimex},
                                        {"sethostname", run_sethostname},
                                        {"setdomainname", run_setdomainname},
                                        {"iopl", run_iopl},
                                        {"ioperm", run_ioperm},
                                        {"personality", run_personality},
                                        {"socket", run_socket},
                                        {"x32", run_x32},
                                        {"i386", run_i386},
                                        {"i386_unshare", run_i386_unshare},
                                        {"write_open", run_write_open},
                                        {"read", run_read},
                                        {NULL, NULL}};

int main(int argc, char **argv)
{
	return attack_main(attacks, argc, argv);
}
