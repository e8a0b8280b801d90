/* SPDX-License-Identifier: MIT */
/* The table of mounts of the calling process. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "cloister/cleanup.h"
#include "cloister/mount_table.h"

#define FIRST_SIZE 65536U
#define SIZE_LIMIT (64U * 1024U * 1024U)

int cloister_mount_table_load(struct cloister_mount_table **out, struct cloister_error *err)
{
	static const char path[] = "/proc/self/mountinfo";
	int _cleanup_close_ fd = open(path, O_RDONLY | O_CLOEXEC);
	char _cleanup_free_ *text = NULL;
	size_t size = 0, room = 0;

	if (fd < 0)
		return cloister_fail(err, errno, "mounts", path, "cannot open");
	for (;;) {
		if (size == room) {
			room = room == 0 ? FIRST_SIZE : room * 2;
			char *grown = room > SIZE_LIMIT ? NULL : realloc(text, room);

			if (grown == NULL)
				return cloister_fail(err, ENOMEM, "mounts", path, "the table is too large");
			text = grown;
		}
		ssize_t n = read(fd, text + size, room - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cloister_fail(err, errno, "mounts", path, "cannot read");
		if (n == 0)
			return cloister_mount_table_parse(text, size, out, err);
		size += (size_t)n;
	}
}
