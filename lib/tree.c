/* SPDX-License-Identifier: MIT */
/* A user's directory tree, removed by descriptor. */
#include "cloister/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"

#define COUNTED_DEPTH  60
#define PROGRESS_EVERY 256

/* One removal. Directories are moved up into the top one before they are emptied: the way down is never longer than
 * one step, and no number of levels needs more descriptors or stack. */
struct work {
	int top;
	DIR *top_entries;
	uint64_t next_name;
	uint64_t moved;  /* in this pass */
	uint64_t failed; /* in this pass */
	struct cloister_tree_removal *removal;
	struct cloister_error first; /* of this pass */
};

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* RESOLVE_NO_XDEV: what an administrator has mounted there is not the user's. */
static int open_directory(int parent, const char *name)
{
	return cloister_openat2(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
	                        RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
}

static bool is_directory(int parent, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(parent, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static DIR *read_directory(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);

	if (entries == NULL && copy >= 0)
		close(copy);
	return entries;
}

static const char *reason(int directory, const char *name, int code)
{
	struct statx attributes = {0};

	if (code == EBUSY || code == EXDEV)
		return "something is mounted there";
	if (statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &attributes) == 0 &&
	    (attributes.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)))
		return "it is immutable or append-only (chattr -i -a)";
	if (statx(directory, "", AT_EMPTY_PATH, STATX_TYPE, &attributes) == 0 &&
	    (attributes.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)))
		return "its directory is immutable or append-only (chattr -i -a)";
	return "cannot remove";
}

static void note_failure(struct work *work, int directory, const char *name, int code)
{
	if (work->failed++ == 0)
		cloister_fail(&work->first, code, "remove", name, "%s", reason(directory, name, code));
}

static void note_removed(struct work *work)
{
	struct cloister_tree_removal *removal = work->removal;

	work->moved++;
	removal->removed++;
	if (removal->progress != NULL && removal->removed % PROGRESS_EVERY == 0)
		removal->progress(removal->data, removal->removed);
}

/* Moves a directory up, under a name that nothing in the top has. */
static int move_up(struct work *work, int directory, const char *name)
{
	char fresh[32];

	for (;;) {
		snprintf(fresh, sizeof(fresh), ".removed-%" PRIu64, work->next_name++);
		if (renameat2(directory, name, work->top, fresh, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
}

/* Empties a directory of the top and removes it. */
static void remove_below(struct work *work, const char *name)
{
	int _cleanup_close_ directory = open_directory(work->top, name);
	DIR *entries = directory < 0 ? NULL : read_directory(directory);

	if (entries == NULL) {
		note_failure(work, work->top, name, directory < 0 ? -directory : errno);
		return;
	}
	for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
		if (is_dots(entry->d_name))
			continue;
		if (is_directory(directory, entry)) {
			int r = move_up(work, directory, entry->d_name);
			if (r == 0)
				work->moved++;
			else
				note_failure(work, directory, entry->d_name, -r);
		} else if (unlinkat(directory, entry->d_name, 0) == 0) {
			note_removed(work);
		} else if (errno != ENOENT) {
			note_failure(work, directory, entry->d_name, errno);
		}
	}
	closedir(entries);
	if (unlinkat(work->top, name, AT_REMOVEDIR) == 0)
		note_removed(work);
	else if (errno != ENOTEMPTY && errno != ENOENT)
		note_failure(work, work->top, name, errno);
}

/* Once through the top; true when there is nothing left, or nothing more can be done. */
static bool pass(struct work *work)
{
	bool empty = true;

	work->moved = 0;
	work->failed = 0;
	rewinddir(work->top_entries);
	for (struct dirent *entry = readdir(work->top_entries); entry != NULL; entry = readdir(work->top_entries)) {
		if (is_dots(entry->d_name))
			continue;
		empty = false;
		if (is_directory(work->top, entry))
			remove_below(work, entry->d_name);
		else if (unlinkat(work->top, entry->d_name, 0) == 0)
			note_removed(work);
		else if (errno != ENOENT)
			note_failure(work, work->top, entry->d_name, errno);
	}
	return empty || work->moved == 0;
}

int cloister_tree_remove(int parent, const char *name, struct cloister_tree_removal *removal,
                         struct cloister_error *err)
{
	struct cloister_tree_removal unwatched = {0};
	struct work work = {.removal = removal != NULL ? removal : &unwatched};

	int _cleanup_close_ top = open_directory(parent, name);
	if (top == -ENOENT)
		return 0;
	work.top = top;
	work.top_entries = top < 0 ? NULL : read_directory(top);
	if (work.top_entries == NULL)
		return cloister_fail(err, top < 0 ? -top : errno, "remove", name, "cannot open");
	while (!pass(&work))
		;
	closedir(work.top_entries);
	work.removal->failed += work.failed;
	if (work.failed == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return cloister_fail(err, errno, "remove", name, "%s", reason(parent, name, errno));
	if (work.failed == 0)
		return 0;
	if (err != NULL)
		*err = work.first;
	return -work.first.code;
}

static uint64_t count_below(int parent, const char *name, int depth)
{
	uint64_t n = 0;
	int fd = open_directory(parent, name);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);

	if (entries == NULL) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
		if (is_dots(entry->d_name))
			continue;
		n++;
		if (depth < COUNTED_DEPTH && is_directory(fd, entry))
			n += count_below(fd, entry->d_name, depth + 1);
	}
	closedir(entries);
	return n;
}

uint64_t cloister_tree_count(int parent, const char *name)
{
	return count_below(parent, name, 0);
}
