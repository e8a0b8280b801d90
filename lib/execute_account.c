/* SPDX-License-Identifier: MIT */
/*
 * A passwd(5) or group(5) that knows the user, where the rootfs has none: the rootfs's own file and one line more, on
 * the session's /run and bound over the original, which stays as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <linux/openat2.h>

#include "cloister/cleanup.h"
#include "cloister/execute.h"
#include "cloister/mounts.h"
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

/* The field'th (from 0) of a ':' separated line; its length in *length. */
static const char *field_of(const char *line, size_t field, size_t *length)
{
	for (; field > 0; field--) {
		line += strcspn(line, ":\n");
		if (*line != ':')
			return NULL;
		line++;
	}
	*length = strcspn(line, ":\n");
	return line;
}

static bool same_field(const char *left, const char *right, size_t field)
{
	size_t left_length = 0, right_length = 0;
	const char *a = field_of(left, field, &left_length), *b = field_of(right, field, &right_length);

	return a != NULL && b != NULL && left_length == right_length && memcmp(a, b, left_length) == 0;
}

/* Whether the file has an entry with the line's name or its id (the third field of both formats). */
static bool knows(const char *accounts, const char *line)
{
	for (const char *at = accounts; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n') {
		if (same_field(at, line, 0) || same_field(at, line, 2))
			return true;
	}
	return false;
}

static int write_accounts(int root, const char *path, const char *accounts, const char *line)
{
	size_t length = strlen(accounts);
	int _cleanup_close_ fd = cloister_openat2(root, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644,
	                                          RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd < 0)
		return fd;
	if (fchmod(fd, 0644) < 0)
		return -errno;
	FILE *out = fdopen(fd, "w");
	if (out == NULL)
		return -errno;
	fd = -1;
	fprintf(out, "%s%s%s\n", accounts, length > 0 && accounts[length - 1] != '\n' ? "\n" : "", line);
	return fclose(out) != 0 ? -errno : 0;
}

int cloister_carry_account(struct cloister_execution *execution, const struct cloister_row *row, int source,
                           struct cloister_error *err)
{
	char _cleanup_free_ *accounts = NULL;
	char made[128];
	const char *slash = strrchr(row->target, '/');

	(void)source;
	int r = read_accounts(execution->root, row->target, &accounts);
	if (r == -ENOENT && (row->flags & CLOISTER_ROW_IF_PRESENT))
		return 0;
	if (r == -ENOENT)
		accounts = strdup("");
	else if (r < 0)
		return fail(row, r, "cannot read it in the rootfs", err);
	if (accounts == NULL)
		return fail(row, ENOMEM, "no memory", err);
	if (knows(accounts, row->data))
		return 0;

	/* A second line for the same file is made beside the first: the copy that is bound already is read above. */
	static const char *const names[] = {"", ".1", ".2", ".3", ".4", ".5", ".6", ".7", ".8", ".9"};
	r = -EEXIST;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && r == -EEXIST; i++) {
		snprintf(made, sizeof(made), "/run/cloister/%s%s", slash + 1, names[i]);
		r = write_accounts(execution->root, made, accounts, row->data);
	}
	if (r < 0)
		return fail(row, r, "cannot write the session's own", err);
	int _cleanup_close_ target = cloister_path_make_file(execution->root, row->target);
	if (target < 0)
		return fail(row, target, "no file to mount on", err);
	int _cleanup_close_ file = cloister_path_open_inside(execution->root, made, O_PATH | O_NOFOLLOW);
	int _cleanup_close_ mount = file < 0 ? file : cloister_mount_clone(file, false);
	r = mount < 0 ? mount
	              : cloister_mount_restrict(mount, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, false);
	if (r == 0)
		r = cloister_mount_attach(mount, target);
	return r < 0 ? fail(row, r, "cannot mount", err) : 0;
}
