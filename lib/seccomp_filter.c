/* SPDX-License-Identifier: MIT */
/* The system call filter of a session: which of those that were made at build time. */
#include "cloister/seccomp_filter.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

#include "seccomp_tables.h"

#define LENGTH(filter) (sizeof(filter) / sizeof(*(filter)))

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

int cloister_seccomp_filter(uint64_t capabilities, bool joins_user_namespace, void **program, uint16_t *length,
                            struct cloister_error *err)
{
	static const struct {
		const struct sock_filter *program;
		uint16_t length;
	} filters[2][2] = {{{filter_0, LENGTH(filter_0)}, {filter_1, LENGTH(filter_1)}},
	                   {{filter_2, LENGTH(filter_2)}, {filter_3, LENGTH(filter_3)}}};
	const bool lets_mount = (capabilities & (UINT64_C(1) << CAP_SYS_ADMIN)) != 0;
	const size_t size = filters[lets_mount][joins_user_namespace].length * sizeof(struct sock_filter);
	void *copy = malloc(size);

	if (copy == NULL)
		return cloister_fail(err, ENOMEM, "seccomp", NULL, "no memory");
	*program = memcpy(copy, filters[lets_mount][joins_user_namespace].program, size);
	*length = filters[lets_mount][joins_user_namespace].length;
	return 0;
}
