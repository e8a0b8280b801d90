/* SPDX-License-Identifier: MIT */
/* Walking trees by descriptor, at any depth with a bounded number of descriptors. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "names.h"

/* Deeper directories are moved up before they are emptied: one descriptor is open for each level. */
#define LEVELS_MAX 64
/* A process still writing below (a killed import's, for the blink of an eye that it outlives its parent). */
#define PASSES_MAX 100000

struct removal {
	int top; /* where deep directories are moved to */
	unsigned moved;
	bool again; /* something was moved */
};

static int empty_level(struct removal *removal, int directory, int level);

/* A stream that owns the descriptor; NULL with errno, and the descriptor is closed. */
static DIR *stream_of(int directory)
{
	DIR *stream = fdopendir(directory);
	int code = errno;

	if (stream == NULL && directory >= 0)
		close(directory);
	errno = code;
	return stream;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int open_directory(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static int move_up(struct removal *removal, int parent, const char *name)
{
	char moved[32];

	removal->again = true;
	for (;;) {
		snprintf(moved, sizeof(moved), ".deep.%u", removal->moved++);
		if (renameat2(parent, name, removal->top, moved, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
}

static int remove_entry(struct removal *removal, int parent, const char *name, int level)
{
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	/* EISDIR: Linux' answer for a directory. */
	if (errno != EISDIR)
		return -errno;
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	if (level >= LEVELS_MAX)
		return move_up(removal, parent, name);
	int fd = open_directory(parent, name);
	if (fd < 0)
		return fd;
	int r = empty_level(removal, fd, level + 1);
	if (r < 0)
		return r;
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY ? -errno : 0;
}

/* Closes directory. */
static int empty_level(struct removal *removal, int directory, int level)
{
	DIR *stream = stream_of(directory);
	int r = 0;

	if (stream == NULL)
		return -errno;
	for (struct dirent *entry = readdir(stream); entry != NULL && r == 0; entry = readdir(stream)) {
		if (!is_dots(entry->d_name))
			r = remove_entry(removal, directory, entry->d_name, level);
	}
	closedir(stream);
	return r;
}

int image_tree_empty(int directory)
{
	struct removal removal = {.top = directory, .again = true};
	int r = 0;

	while (removal.again && r == 0) {
		int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		removal.again = false;
		r = fd < 0 ? -errno : empty_level(&removal, fd, 0);
	}
	return r;
}

int image_tree_remove(int directory, const char *name)
{
	for (int pass = 0; pass < PASSES_MAX; pass++) {
		if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
			return 0;
		if (errno != EISDIR)
			return -errno;
		if (unlinkat(directory, name, AT_REMOVEDIR) == 0)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return -errno;
		int _cleanup_close_ fd = open_directory(directory, name);
		if (fd < 0)
			return fd;
		int r = image_tree_empty(fd);
		if (r < 0)
			return r;
	}
	return -ENOTEMPTY;
}

struct verification {
	dev_t device;
	struct image_tree_sums sums;
	struct cloister_error *err;
};

static int verify_level(struct verification *verification, int directory, int depth);

static int verify_entry(struct verification *verification, int directory, const char *name, int depth)
{
	struct stat st;

	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cloister_fail(verification->err, errno, "verify", name, "cannot stat");
	if (st.st_dev != verification->device)
		return cloister_fail(verification->err, EXDEV, "verify", name, "on another file system");
	verification->sums.bytes += (uint64_t)st.st_blocks * 512 / (S_ISDIR(st.st_mode) ? 1 : st.st_nlink);
	if (S_ISDIR(st.st_mode)) {
		int fd = open_directory(directory, name);
		return fd < 0 ? cloister_fail(verification->err, -fd, "verify", name, "cannot open")
		              : verify_level(verification, fd, depth + 1);
	}
	verification->sums.files++;
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return cloister_fail(verification->err, EPERM, "verify", name,
		                     "neither a file, a directory nor a link");
	if (S_ISREG(st.st_mode) && (st.st_mode & (S_ISUID | S_ISGID)))
		return cloister_fail(verification->err, EPERM, "verify", name, "a set-user-ID or set-group-ID file");
	return 0;
}

/* Closes directory. */
static int verify_level(struct verification *verification, int directory, int depth)
{
	DIR *stream = stream_of(directory);
	int r = 0;

	if (stream == NULL)
		return cloister_fail(verification->err, errno, "verify", NULL, "cannot read a directory");
	if (depth > IMAGE_DEPTH_MAX)
		r = cloister_fail(verification->err, ELOOP, "verify", NULL, "nested too deep");
	for (struct dirent *entry = readdir(stream); entry != NULL && r == 0; entry = readdir(stream)) {
		if (!is_dots(entry->d_name))
			r = verify_entry(verification, directory, entry->d_name, depth);
	}
	closedir(stream);
	return r;
}

int image_tree_verify(int directory, struct image_tree_sums *sums, struct cloister_error *err)
{
	struct verification verification = {.err = err};
	struct stat st;

	if (fstat(directory, &st) < 0)
		return cloister_fail(err, errno, "verify", NULL, "cannot stat");
	verification.device = st.st_dev;
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cloister_fail(err, errno, "verify", NULL, "cannot open");
	int r = verify_level(&verification, fd, 0);
	if (r == 0)
		*sums = verification.sums;
	return r;
}
