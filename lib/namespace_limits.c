/* SPDX-License-Identifier: MIT */
/* The sysctls that restrict user namespaces. */
#include "cloister/namespace_limits.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "cloister/cleanup.h"

static const struct {
	const char *path, *restricts, *advice;
} limits[] = {
	{"/proc/sys/user/max_user_namespaces", "0\n",
         "user.max_user_namespaces is 0: `sysctl user.max_user_namespaces=10000` allows user namespaces"},
	{"/proc/sys/kernel/unprivileged_userns_clone", "0\n",
         "kernel.unprivileged_userns_clone is 0: `sysctl kernel.unprivileged_userns_clone=1` allows users their own "
         "namespaces"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n",
         "AppArmor restricts user namespaces to programs with a profile that allows them: install "
         "apparmor-cloister-sh as /etc/apparmor.d/cloister-sh and load it with apparmor_parser -r"},
};

const char *cloister_namespace_limit(void)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		char text[16] = "";
		int _cleanup_close_ fd = open(limits[i].path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strcmp(text, limits[i].restricts) == 0)
			return limits[i].advice;
	}
	return NULL;
}
