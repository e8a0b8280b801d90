/* SPDX-License-Identifier: MIT */
/* Loading a filter that was built elsewhere: apart from its making, so that init needs no libseccomp. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cloister/seccomp_filter.h"

int cloister_seccomp_load(const void *program, uint16_t length)
{
	const struct sock_fprog filter = {.len = length, .filter = (struct sock_filter *)(uintptr_t)program};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0 ? -errno : 0;
}
