/* SPDX-License-Identifier: MIT */
/* Attacks on other processes, ids and capabilities. */
#include "attack.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

static int run_kill(const char *argument)
{
	return success(kill((pid_t)atoi(argument), 0));
}

static int run_ptrace(const char *argument)
{
	return success(ptrace(PTRACE_SEIZE, (pid_t)atoi(argument), NULL, NULL));
}

static int run_readv(const char *argument)
{
	char byte;
	struct iovec local = {&byte, 1}, remote = {(void *)0x400000, 1};
	ssize_t n = process_vm_readv((pid_t)atoi(argument), &local, 1, &remote, 1, 0);

	/* EFAULT: nothing is mapped there, but one may look. */
	return n < 0 && errno != EFAULT ? errno : 0;
}

static int run_pidfd_getfd(const char *argument)
{
	int pidfd = (int)syscall(SYS_pidfd_open, atoi(argument), 0);

	return pidfd < 0 ? errno : success(syscall(SYS_pidfd_getfd, pidfd, 0, 0));
}

static int run_read_file(const char *argument)
{
	return success(open(argument, O_RDONLY));
}

/* Seizes whatever has this uid, for eight seconds; argument: UID. 0 as soon as one was seized that is no child of ours.
 */
static int run_seize_any(const char *argument)
{
	int end = 0;

	alarm(0);
	for (time_t start = time(NULL); time(NULL) - start < 8;) {
		for (pid_t pid = 2; pid < 3000; pid++) {
			char path[64], line[128];

			if (pid == getpid() || pid == getppid() || kill(pid, 0) < 0)
				continue;
			snprintf(path, sizeof(path), "/proc/%d/status", pid);
			FILE *status = fopen(path, "re");
			bool same = false;
			while (status != NULL && fgets(line, sizeof(line), status) != NULL)
				same = same || (strncmp(line, "Uid:", 4) == 0 && atoi(line + 4) == atoi(argument));
			if (status != NULL)
				fclose(status);
			if (same && ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0)
				return 0;
			end += same;
		}
		usleep(5000);
	}
	return end > 0 ? EPERM : ESRCH;
}

/* ---- ids ---- */
static int run_setuid(const char *argument)
{
	return success(setuid((uid_t)strtoul(argument, NULL, 0)));
}

static int run_setresgid(const char *argument)
{
	gid_t gid = (gid_t)strtoul(argument, NULL, 0);

	return success(setresgid(gid, gid, gid));
}

static int run_setgroups(const char *argument)
{
	const gid_t group = (gid_t)strtoul(argument, NULL, 0);

	return success(setgroups(1, &group));
}

static int run_write_map(const char *argument)
{
	static const char map[] = "0 0 1\n";
	int fd = open(argument, O_WRONLY);

	if (fd < 0)
		return errno;
	return success(write(fd, map, sizeof(map) - 1));
}

/* ---- capabilities ---- */
/* 0 when one of the five sets has a capability, of all 64 numbers. */
static int run_capability(const char *argument)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	(void)argument;
	if (syscall(SYS_capget, &header, data) < 0)
		return errno;
	for (int i = 0; i < 2; i++)
		if ((data[i].effective | data[i].permitted | data[i].inheritable) != 0)
			return 0;
	for (int capability = 0; capability < 64; capability++)
		if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1 ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0) == 1)
			return 0;
	return EPERM;
}

static int run_keepcaps(const char *argument)
{
	(void)argument;
	return success(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
}

static int run_securebits(const char *argument)
{
	(void)argument;
	int bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	int locked = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
	             SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED;

	return (bits & locked) == locked ? EPERM : 0;
}

static int run_core_limit(const char *argument)
{
	struct rlimit limit = {0};

	(void)argument;
	getrlimit(RLIMIT_CORE, &limit);
	if (limit.rlim_max == 0) {
		limit.rlim_cur = limit.rlim_max = 4096;
		return success(setrlimit(RLIMIT_CORE, &limit));
	}
	return 0;
}

/* argument: a program that prints its effective uid and CapEff; what matters is its own words. */
static int run_gain(const char *argument)
{
	char text[64] = "";
	FILE *program = popen(argument, "re");

	if (program == NULL)
		return errno;
	if (fgets(text, sizeof(text), program) == NULL)
		return ENOEXEC;
	pclose(program);
	return strncmp(text, "gained", 6) == 0 ? 0 : EPERM;
}

static int say_gained(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	syscall(SYS_capget, &header, data);
	puts(geteuid() != getuid() || getegid() != getgid() || (data[0].effective | data[1].effective) != 0
	             ? "gained"
	             : "nothing");
	return 0;
}

static const struct attack attacks[] = {{"kill", run_kill},
                                        {"ptrace", run_ptrace},
                                        {"process_vm_readv", run_readv},
                                        {"pidfd_getfd", run_pidfd_getfd},
                                        {"read_file", run_read_file},
                                        {"seize_any", run_seize_any},
                                        {"setuid", run_setuid},
                                        {"setresgid", run_setresgid},
                                        {"setgroups", run_setgroups},
                                        {"write_map", run_write_map},
                                        {"capability", run_capability},
                                        {"keepcaps", run_keepcaps},
                                        {"securebits", run_securebits},
                                        {"core_limit", run_core_limit},
                                        {"gain", run_gain},
                                        {NULL, NULL}};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "say") == 0)
		return say_gained();
	return attack_main(attacks, argc, argv);
}
