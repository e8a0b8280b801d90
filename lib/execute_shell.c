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
#include "cloister/path.h"

static bool can_execute(int root, const char *path)
{
	struct stat st;
	int _cleanup_close_ fd = cloister_path_open_inside(root, path, O_PATH);

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

int cloister_carry_shell(struct cloister_execution *execution, const struct cloister_row *row, int source,
                         struct cloister_error *err)
{
	static const char *const shells[] = {"/bin/sh",  "/bin/ash", "/bin/bash", "/bin/dash",
	                                     "/bin/zsh", "/bin/ksh", "/bin/fish", "/usr/bin/fish"};
	char there[256] = "";

	(void)source;
	/* After the pivot "/" is the session's; with users = root it is full of doors, which say nothing. */
	int _cleanup_close_ root =
		open(execution->plan->root_inside ? CLOISTER_USERS_TREE : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return cloister_fail(err, errno, "shell", row->target, "cannot open the root");
	if (can_execute(root, row->target))
		return 0;
	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++) {
		size_t used = strlen(there);

		if (can_execute(root, shells[i]))
			snprintf(there + used, sizeof(there) - used, "%s%s", used > 0 ? ", " : "", shells[i]);
	}
	return cloister_fail(err, ENOENT, "shell", row->target,
	                     "the shell is not in the rootfs %s, which has %s; install it there or set shell =",
	                     row->data, *there != '\0' ? there : "none");
}
