/* SPDX-License-Identifier: MIT */
/* What rows are mounted on: found in the new root, or made there. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/execute.h"
#include "cloister/path.h"
#include "cloister/privileges.h"

/*
 * The nearest earlier row that shows a directory of the host's on the way to this row's target. The user may write
 * there, and what they place must not lead a mount elsewhere (bubblewrap's parent symlink, LXC CVE-2015-1335).
 */
static const struct cloister_row *find_bind_above(const struct cloister_plan *plan, const struct cloister_row *row)
{
	const struct cloister_row *nearest = NULL;

	for (const struct cloister_row *other = plan->rows; other != row; other++) {
		/* File systems of the host's that are part of its root are root's. */
		if ((other->kind == CLOISTER_ROW_BIND || other->kind == CLOISTER_ROW_HOME) &&
		    !(other->flags & CLOISTER_ROW_ALONE) && cloister_path_is_below(row->target, other->target, false) &&
		    (nearest == NULL || strlen(other->target) >= strlen(nearest->target)))
			nearest = other;
	}
	return nearest;
}

static int open_below(const struct cloister_execution *execution, const struct cloister_row *row,
                      const struct cloister_row *above, mode_t kind)
{
	const struct cloister_plan *plan = execution->plan;
	bool home = above->kind == CLOISTER_ROW_HOME || (above->flags & CLOISTER_ROW_FOR_USER);
	int _cleanup_close_ directory = cloister_path_open_inside(execution->root, above->target, O_PATH | O_DIRECTORY);

	if (directory < 0)
		return directory;
	/* As the user, who is the only one that root squash lets in, and whose the new directory must be. */
	bool switched = home && plan->privileged && plan->uid != 0;
	int r = switched ? cloister_set_file_ids(plan->uid, plan->gid) : 0;
	int fd = r < 0 ? r : cloister_path_make_strictly(directory, row->target + strlen(above->target) + 1, kind);
	r = switched ? cloister_set_file_ids(0, 0) : 0;
	if (r < 0 && fd >= 0)
		close(TAKE_FD(fd));
	return r < 0 ? r : fd;
}

/* /proc and /dev are where a rootfs with a symlink led other runtimes out (runc CVE-2026-41579): no link on the way to
 * them. */
static int open_strictly(int root, const char *path)
{
	return cloister_openat2(root, path + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0,
	                        RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

int cloister_target_directory(const struct cloister_execution *execution, const struct cloister_row *row)
{
	const struct cloister_row *above = find_bind_above(execution->plan, row);

	if (above != NULL)
		return open_below(execution, row, above, row->flags & CLOISTER_ROW_IF_PRESENT ? 0 : S_IFDIR);
	if (strcmp(row->target, "/proc") == 0 || strcmp(row->target, "/dev") == 0) {
		int fd = open_strictly(execution->root, row->target);

		if (fd != -ENOENT)
			return fd;
	}
	if (row->flags & CLOISTER_ROW_IF_PRESENT)
		return cloister_path_open_inside(execution->root, row->target, O_PATH | O_DIRECTORY);
	return cloister_path_make_directory(execution->root, row->target, 0755);
}

int cloister_target_file(const struct cloister_execution *execution, const struct cloister_row *row)
{
	const struct cloister_row *above = find_bind_above(execution->plan, row);

	if (above != NULL)
		return open_below(execution, row, above, S_IFREG);
	return cloister_path_make_file(execution->root, row->target);
}

/* The nearest directory on the way to path that can be opened: more than was asked for is hidden with it, never less.
 */
static int open_parent_of(int root, const char *path)
{
	char _cleanup_free_ *copy = strdup(path);
	int fd = -EACCES;

	if (copy == NULL)
		return -ENOMEM;
	while (fd == -EACCES) {
		char *slash = strrchr(copy, '/');

		if (slash == copy)
			return -EACCES;
		*slash = '\0';
		fd = cloister_path_open_inside(root, copy, O_PATH);
	}
	return fd;
}

int cloister_target_open(const struct cloister_execution *execution, const struct cloister_row *row)
{
	const struct cloister_row *above = find_bind_above(execution->plan, row);

	if (above != NULL)
		return open_below(execution, row, above, 0);
	int fd = cloister_path_open_inside(execution->root, row->target, O_PATH);
	/* Init need not see what the user does: a directory of a group of theirs. */
	return fd == -EACCES ? open_parent_of(execution->root, row->target) : fd;
}
