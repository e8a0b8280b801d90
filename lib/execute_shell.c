/* SPDX-License-Identifier: MIT */
/* The user's shell must be there, or the login ends with nothing but "Permission denied": say which are there instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/execute.h"

/* After the pivot "/" is the session's, and no path leads anywhere else. */
static bool can_execute(const char *path)
{
	struct stat st;
	int _cleanup_close_ fd = open(path, O_PATH | O_CLOEXEC);

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

int cloister_carry_shell(struct cloister_execution *execution, const struct cloister_row *row, int source,
                         struct cloister_error *err)
{
	static const char *const shells[] = {"/bin/sh",  "/bin/ash", "/bin/bash", "/bin/dash",
	                                     "/bin/zsh", "/bin/ksh", "/bin/fish", "/usr/bin/fish"};
	char there[256] = "";

	(void)execution;
	(void)source;
	if (can_execute(row->target))
		return 0;
	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++) {
		size_t used = strlen(there);

		if (can_execute(shells[i]))
			snprintf(there + used, sizeof(there) - used, "%s%s", used > 0 ? ", " : "", shells[i]);
	}
	return cloister_fail(err, ENOENT, "shell", row->target,
	                     "the shell is not in the rootfs %s, which has %s; install it there or set shell =",
	                     row->data, *there != '\0' ? there : "none");
}
