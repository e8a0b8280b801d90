/* SPDX-License-Identifier: MIT */
/* The state directory of an overlay: root's all the way, and locked while its layers are set up or dropped. */
#include "overlay_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/lock.h"
#include "cloister/source.h"

int cloister_own_directory(int parent, const char *name, mode_t mode, bool make)
{
	struct stat st;

	if (make && mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return -errno;
	/* O_DIRECTORY: a FIFO of this name would block. */
	int _cleanup_close_ fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* In a sticky directory of root's nobody can replace the next one, which must be root's, too. */
	if (st.st_uid != 0 || ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX)))
		return -EPERM;
	return TAKE_FD(fd);
}

const char *cloister_own_directory_text(int code)
{
	switch (code < 0 ? -code : code) {
	case EPERM:
		return "every directory must be root's and writable by nobody else";
	case ENOTDIR:
	case ELOOP:
		return "not a directory (a symbolic link is none)";
	case ENOSPC:
		return "cannot be made: the file system has no room or no inode left";
	case EDQUOT:
		return "cannot be made: a disk quota is used up";
	case EROFS:
		return "cannot be made: the file system is read-only";
	default:
		return "cannot be opened or made";
	}
}

static int open_state(const char *state, bool make, struct cloister_error *err)
{
	char _cleanup_free_ *copy = strdup(state + 1);
	char *rest = NULL;
	int _cleanup_close_ fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (copy == NULL || fd < 0)
		return cloister_fail(err, copy == NULL ? ENOMEM : errno, "state", state, "cannot open");
	for (char *name = strtok_r(copy, "/", &rest); name != NULL; name = strtok_r(NULL, "/", &rest)) {
		int next = cloister_own_directory(fd, name, 0700, make);

		if (next < 0)
			return cloister_fail(err, -next, "state", state, "%s: %s", name,
			                     cloister_own_directory_text(next));
		close(fd);
		fd = next;
	}
	return TAKE_FD(fd);
}

int cloister_state_open(const char *state, struct cloister_error *err)
{
	return open_state(state, true, err);
}

int cloister_state_find(const char *state, struct cloister_error *err)
{
	return open_state(state, false, err);
}

int cloister_state_lock(int state, const char *path, unsigned seconds, struct cloister_error *err)
{
	int r = cloister_lock_wait(state, LOCK_EX, UINT64_C(1000) * seconds);

	if (r == -EWOULDBLOCK)
		return cloister_fail(err, ETIMEDOUT, "state", path,
		                     "another login of the user, or cloister reset, holds it");
	return r < 0 ? cloister_fail(err, -r, "state", path, "cannot lock") : 0;
}

void cloister_state_unlock(int state)
{
	flock(state, LOCK_UN);
}
