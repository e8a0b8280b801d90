/* SPDX-License-Identifier: MIT */
/* The system call filter. What is refused either has a history of holes, or is no business of a login session. */
#include "cloister/seccomp_filter.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"

#define FILTER_MAX 4096

/* Numbers that are newer than the libseccomp of Debian 12. */
#define NR_OPEN_TREE_ATTR 467

#define NAMESPACE_FLAGS                                                                                              \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP | \
	 CLONE_NEWTIME)

/* CLONE_NEWTIME shares its bit with the exit signal's mask in clone(2), where it cannot be asked for. */
#define CLONE_NAMESPACE_FLAGS (NAMESPACE_FLAGS & ~CLONE_NEWTIME)

const char *const cloister_seccomp_refused[] = {"clone with namespaces",
                                                "clone3",
                                                "unshare with namespaces",
                                                "setns",
                                                "mount",
                                                "umount2",
                                                "pivot_root",
                                                "open_tree",
                                                "open_tree_attr",
                                                "move_mount",
                                                "fsopen",
                                                "fsconfig",
                                                "fsmount",
                                                "fspick",
                                                "mount_setattr",
                                                "bpf",
                                                "perf_event_open",
                                                "userfaultfd",
                                                "io_uring_setup",
                                                "io_uring_enter",
                                                "io_uring_register",
                                                "keyctl",
                                                "add_key",
                                                "request_key",
                                                "kexec_load",
                                                "kexec_file_load",
                                                "init_module",
                                                "finit_module",
                                                "delete_module",
                                                "quotactl",
                                                "quotactl_fd",
                                                "acct",
                                                "swapon",
                                                "swapoff",
                                                "syslog",
                                                "open_by_handle_at",
                                                "reboot",
                                                "clock_settime",
                                                "settimeofday",
                                                "sethostname",
                                                "setdomainname",
                                                "iopl",
                                                "ioperm",
                                                "personality but PER_LINUX",
                                                "socket(AF_VSOCK)",
                                                "ioctl(TIOCSTI)",
                                                "ioctl(TIOCLINUX)",
                                                "every call of a foreign architecture",
                                                NULL};

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

static int add_rules(scmp_filter_ctx filter, uint64_t capabilities, bool joins_user_namespace)
{
	const struct scmp_arg_cmp vsock = argument(0, SCMP_CMP_EQ, AF_VSOCK, 0);

	int r = refuse_calls(filter, refused_calls, sizeof(refused_calls) / sizeof(*refused_calls));
	if (r == 0 && !(capabilities & (UINT64_C(1) << CAP_SYS_ADMIN)))
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

static int export_filter(scmp_filter_ctx filter, void **program, uint16_t *length)
{
	struct stat st;
	int _cleanup_close_ fd = memfd_create("cloister-seccomp", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	int r = seccomp_export_bpf(filter, fd);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	size_t size = (size_t)st.st_size, n = size / sizeof(struct sock_filter);
	if (n == 0 || n > FILTER_MAX || size % sizeof(struct sock_filter) != 0)
		return -E2BIG;
	void _cleanup_free_ *bytes = malloc(size);
	if (bytes == NULL)
		return -ENOMEM;
	if (pread(fd, bytes, size, 0) != (ssize_t)size)
		return -EIO;
	*program = TAKE_PTR(bytes);
	*length = (uint16_t)n;
	return 0;
}

int cloister_seccomp_build(uint64_t capabilities, bool joins_user_namespace, void **program, uint16_t *length,
                           struct cloister_error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (filter == NULL)
		return cloister_fail(err, ENOMEM, "seccomp", NULL, "cannot make a filter");
	int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* Otherwise a system call that fails is told as ECANCELED. */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	if (r == 0)
		r = add_rules(filter, capabilities, joins_user_namespace);
	if (r == 0)
		r = export_filter(filter, program, length);
	seccomp_release(filter);
	return r < 0 ? cloister_fail(err, -r, "seccomp", NULL, "cannot build the filter") : 0;
}
