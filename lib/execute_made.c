/* SPDX-License-Identifier: MIT */
/*
 * Files made for the session: on its /run, and bound over the place in the rootfs, which stays as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/execute.h"
#include "cloister/mounts.h"
#include "cloister/path.h"

#define COPY_MAX (1024U * 1024U)

static int fail(const struct cloister_row *row, int code, const char *text, struct cloister_error *err)
{
	return cloister_fail(err, code < 0 ? -code : code, cloister_row_name(row->kind), row->target, "%s", text);
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0)
			return -errno;
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

/* The descriptor of the new file. */
static int write_file(int root, const char *path, const char *text, size_t length)
{
	int _cleanup_close_ fd = cloister_path_create_file(root, path);

	if (fd < 0)
		return fd;
	if (fchmod(fd, 0644) < 0)
		return -errno;
	int r = write_all(fd, text, length);
	return r < 0 ? r : TAKE_FD(fd);
}

int cloister_carry_made(struct cloister_execution *execution, const struct cloister_row *row, const char *text,
                        size_t length, struct cloister_error *err)
{
	char path[128];
	const char *slash = strrchr(row->target, '/');

	snprintf(path, sizeof(path), "/run/cloister/%s", slash + 1);
	int _cleanup_close_ file = write_file(execution->root, path, text, length);
	if (file < 0)
		return fail(row, file, "cannot write the session's own", err);
	int _cleanup_close_ target = cloister_path_make_file(execution->root, row->target);
	if (target < 0)
		return fail(row, target, "no file to mount on", err);
	int _cleanup_close_ mount = cloister_mount_clone(file, false);
	int r = mount < 0 ? mount
	                  : cloister_mount_restrict(mount, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	                                            false);
	if (r == 0)
		r = cloister_mount_attach(mount, target);
	return r < 0 ? fail(row, r, "cannot mount", err) : 0;
}

/* 1, 0 or -errno. A link that leads nowhere is nothing, and so is an empty file: an earlier session's place to mount
 * on.
 */
static int has_target(int root, const char *path)
{
	struct stat st;
	int _cleanup_close_ fd = cloister_path_open_inside(root, path, O_PATH);

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EACCES)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	return !(S_ISREG(st.st_mode) && st.st_size == 0);
}

int cloister_carry_copy(struct cloister_execution *execution, const struct cloister_row *row, int source,
                        struct cloister_error *err)
{
	struct stat st;

	if (source < 0)
		return 0;
	int there = has_target(execution->root, row->target);
	if (there < 0)
		return fail(row, there, "cannot look at the rootfs' own", err);
	if (there > 0)
		return 0;
	if (fstat(source, &st) < 0)
		return fail(row, errno, "cannot look at the host's", err);
	/* As long as it is now. What init takes of memory it keeps as long as the session lasts. */
	size_t size = st.st_size < (off_t)COPY_MAX ? (size_t)st.st_size : COPY_MAX, length = 0;
	char _cleanup_free_ *text = malloc(size + 1);
	if (text == NULL)
		return fail(row, ENOMEM, "no memory", err);
	for (ssize_t n = 1; n > 0 && length < size; length += (size_t)n) {
		n = pread(source, text + length, size - length, (off_t)length);
		if (n < 0)
			return fail(row, errno, "cannot read the host's", err);
	}
	int r = cloister_carry_made(execution, row, text, length, err);
	/* A rootfs that is read-only, or (writable = direct) not the user's, cannot be given the file; a name more or
	 * less is no reason to keep people out. */
	return r == -EROFS || r == -EACCES ? 0 : r;
}
