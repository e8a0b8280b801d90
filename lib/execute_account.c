/* SPDX-License-Identifier: MIT */
/*
 * A passwd(5) or group(5) that knows the user, where the rootfs has none: the rootfs's own file and the lines
 * that it lacks, as a file made for the session.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "account_lines.h"
#include "cloister/cleanup.h"
#include "cloister/execute.h"
#include "cloister/path.h"

#define ACCOUNTS_MAX (4U * 1024U * 1024U)

static int fail(const struct cloister_row *row, int code, const char *text, struct cloister_error *err)
{
	return cloister_fail(err, code < 0 ? -code : code, "account", row->target, "%s", text);
}

/* Reads the whole file; a rootfs of the user's own may hold a FIFO or a terabyte there. */
static int read_accounts(int root, const char *path, char **out)
{
	struct stat st;
	int _cleanup_close_ fd = cloister_path_open_inside(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > ACCOUNTS_MAX)
		return -EINVAL;
	char _cleanup_free_ *text = calloc(1, (size_t)st.st_size + 1);
	if (text == NULL)
		return -ENOMEM;
	size_t used = 0;
	while (used < (size_t)st.st_size) {
		ssize_t n = read(fd, text + used, (size_t)st.st_size - used);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	*out = TAKE_PTR(text);
	return 0;
}

int cloister_carry_account(struct cloister_execution *execution, const struct cloister_row *row, int source,
                           struct cloister_error *err)
{
	char _cleanup_free_ *accounts = NULL;
	bool changed = false;

	(void)source;
	int r = read_accounts(execution->root, row->target, &accounts);
	if (r == -ENOENT && (row->flags & CLOISTER_ROW_IF_PRESENT))
		return 0;
	if (r == -ENOENT)
		accounts = strdup("");
	else if (r < 0)
		return fail(row, r, "cannot read it in the rootfs", err);
	char _cleanup_free_ *text = accounts == NULL ? NULL : cloister_account_lines_add(accounts, row->data, &changed);
	if (text == NULL)
		return fail(row, ENOMEM, "no memory", err);
	return changed ? cloister_carry_made(execution, row, text, strlen(text), err) : 0;
}
