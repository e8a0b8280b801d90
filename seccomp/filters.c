/* SPDX-License-Identifier: MIT */
/*
 * Writes the system call filters as C tables, at build time: libseccomp takes 0.3 ms to make one, and the programs that
 * start sessions need not have it in memory. What is refused either has a history of holes, or is no business of a
 * login session.
 *
 *   filters >seccomp_tables.h
 *
 * The filters are for the architecture that this program runs on.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILTER_MAX 4096

/* Numbers that are newer than the libseccomp of Debian 12. */
#define NR_OPEN_TREE_ATTR 467

/* Only of use with CAP_SYS_ADMIN, and let through when the session keeps it. */
static const int mount_calls[] = {SCMP_SYS(mount),         SCMP_SYS(umount2),    SCMP_SYS(pivot_root),
                                  SCMP_SYS(open_tree),     SCMP_SYS(move_mount), SCMP_SYS(fsopen),
                                  SCMP_SYS(fsconfig),      SCMP_SYS(fsmount),    SCMP_SYS(fspick),
                                  SCMP_SYS(mount_setattr), NR_OPEN_TREE_ATTR};

static const int refused_calls[] = {SCMP_SYS(bpf),
                                    SCMP_SYS(perf_event_open),
                                    SCMP_SYS(userfaultfd),
                                    SCMP_SYS(io_uring_setup),
                                    SCMP_SYS(io_uring_enter),
                                    SCMP_SYS(io_uring_register),
                                    SCMP_SYS(keyctl),
                                    SCMP_SYS(add_key),
                                    SCMP_SYS(request_key),
                                    SCMP_SYS(kexec_load),
                                    SCMP_SYS(kexec_file_load),
                                    SCMP_SYS(init_module),
                                    SCMP_SYS(finit_module),
                                    SCMP_SYS(delete_module),
                                    SCMP_SYS(quotactl),
                                    SCMP_SYS(quotactl_fd),
                                    SCMP_SYS(acct),
                                    SCMP_SYS(swapon),
                                    SCMP_SYS(swapoff),
                                    SCMP_SYS(syslog),
                                    SCMP_SYS(open_by_handle_at),
                                    SCMP_SYS(reboot),
                                    SCMP_SYS(clock_settime),
                                    SCMP_SYS(settimeofday),
                                    SCMP_SYS(sethostname),
                                    SCMP_SYS(setdomainname),
                                    SCMP_SYS(iopl),
                                    SCMP_SYS(ioperm)};

/* What SCMP_A0 and its kin make, with every member named. */
static struct scmp_arg_cmp argument(unsigned number, enum scmp_compare compare, scmp_datum_t a, scmp_datum_t b)
{
	return (struct scmp_arg_cmp){.arg = number, .op = compare, .datum_a = a, .datum_b = b};
}

static int refuse_calls(scmp_filter_ctx filter, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);

		/* A call that this architecture does not have needs no rule. */
		if (r < 0 && r != -EDOM && r != -EINVAL)
			return r;
	}
	return 0;
}

static int refuse_namespaces(scmp_filter_ctx filter)
{
	static const int flags[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWUTS,
	                            CLONE_NEWIPC,  CLONE_NEWNET, CLONE_NEWCGROUP};
	int r = 0;

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags) && r == 0; i++) {
		const struct scmp_arg_cmp has =
			argument(0, SCMP_CMP_MASKED_EQ, (scmp_datum_t)flags[i], (scmp_datum_t)flags[i]);

		r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &has);
		if (r == 0)
			r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 1, &has);
	}
	if (r == 0) {
		const struct scmp_arg_cmp has = argument(0, SCMP_CMP_MASKED_EQ, CLONE_NEWTIME, CLONE_NEWTIME);
		r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 1, &has);
	}
	/* Its flags are behind a pointer, which a filter cannot follow; the C library then falls back to clone(2). */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r;
}

/* The kernel looks at the low 32 bits of an ioctl's number alone, so the filter must (snapd CVE-2019-7303). */
static int refuse_terminal_injection(scmp_filter_ctx filter)
{
	static const scmp_datum_t requests[] = {TIOCSTI, TIOCLINUX};
	int r = 0;

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests) && r == 0; i++) {
		const struct scmp_arg_cmp is = argument(1, SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]);
		r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1, &is);
	}
	return r;
}

/*
 * personality(2): ADDR_NO_RANDOMIZE and the old ones weaken a process. 0 is PER_LINUX, and 0xffffffff only asks; one
 * rule takes an argument once, so each flag is named by its bit, and bit 31 tells the question from the rest.
 */
static int refuse_personalities(scmp_filter_ctx filter)
{
	int r = 0;

	for (unsigned bit = 0; bit < 31 && r == 0; bit++) {
		const scmp_datum_t question = UINT64_C(1) << 31, flag = UINT64_C(1) << bit;
		const struct scmp_arg_cmp set = argument(0, SCMP_CMP_MASKED_EQ, question | flag, flag);

		r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(personality), 1, &set);
	}
	return r;
}

/*
 * With users = root the launcher joins the user namespace in which the user is root: setns(2) with exactly that flag.
 * There is nothing else to join: no session process can make a user namespace (clone, unshare and clone3 are refused),
 * a descriptor of another session's or the host's is not to be had, and the kernel asks for CAP_SYS_ADMIN in the
 * namespace that is joined, which the user has in this one alone, and only from outside of it. The capabilities that
 * come with it are over what that namespace owns, and it owns nothing: mounts, network, pids, ipc, host name belong to
 * the session's, in which the process has none then.
 */
static int refuse_joining(scmp_filter_ctx filter, bool joins_user_namespace)
{
	const struct scmp_arg_cmp other = argument(1, SCMP_CMP_NE, CLONE_NEWUSER, 0);

	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setns), joins_user_namespace ? 1 : 0,
	                              &other);
}

static int add_rules(scmp_filter_ctx filter, bool lets_mount, bool joins_user_namespace)
{
	const struct scmp_arg_cmp vsock = argument(0, SCMP_CMP_EQ, AF_VSOCK, 0);

	int r = refuse_calls(filter, refused_calls, sizeof(refused_calls) / sizeof(*refused_calls));
	if (r == 0 && !lets_mount)
		r = refuse_calls(filter, mount_calls, sizeof(mount_calls) / sizeof(*mount_calls));
	if (r == 0)
		r = refuse_joining(filter, joins_user_namespace);
	if (r == 0)
		r = refuse_namespaces(filter);
	if (r == 0)
		r = refuse_terminal_injection(filter);
	if (r == 0)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, &vsock);
	if (r == 0)
		r = refuse_personalities(filter);
	return r;
}

static int make(bool lets_mount, bool joins_user_namespace, struct sock_filter *program, size_t *length)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (filter == NULL)
		return -ENOMEM;
	int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = add_rules(filter, lets_mount, joins_user_namespace);
	int fd = memfd_create("filter", MFD_CLOEXEC);
	if (r == 0)
		r = fd < 0 ? -errno : seccomp_export_bpf(filter, fd);
	seccomp_release(filter);
	if (r < 0)
		return r;
	ssize_t n = pread(fd, program, FILTER_MAX * sizeof(*program), 0);
	close(fd);
	if (n <= 0 || n == FILTER_MAX * sizeof(*program) || (size_t)n % sizeof(*program) != 0)
		return -E2BIG;
	*length = (size_t)n / sizeof(*program);
	return 0;
}

int main(void)
{
	static struct sock_filter program[FILTER_MAX];

	printf("/* Written by seccomp/filters.c, by [lets mount][joins a user namespace]. */\n");
	for (int which = 0; which < 4; which++) {
		size_t length = 0;
		int r = make(which & 2, which & 1, program, &length);

		if (r < 0) {
			fprintf(stderr, "filters: cannot make filter %d: %s\n", which, strerror(-r));
			return 1;
		}
		printf("static const struct sock_filter filter_%d[] = {\n", which);
		for (size_t i = 0; i < length; i++)
			printf("\t{0x%02x, %u, %u, 0x%08" PRIx32 "},\n", program[i].code, program[i].jt, program[i].jf,
			       program[i].k);
		printf("};\n");
	}
	return fflush(stdout) != 0 || ferror(stdout);
}
