/* SPDX-License-Identifier: MIT */
/* Copying and removing small trees by descriptor. */
#include "skeleton.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"

#define DEPTH_MAX 32
#define CHUNK     32768
#define ENTRIES   4096

/* getdents64(2) on a buffer of the caller's, since readdir(3) allocates. */
struct listing {
	int directory;
	long filled, at;
	char bytes[ENTRIES] __attribute__((aligned(8)));
};

/* The next name but "." and ".."; NULL at the end, or with *error set. */
static const char *next_name(struct listing *listing, int *error)
{
	for (;;) {
		if (listing->at >= listing->filled) {
			listing->filled =
				syscall(SYS_getdents64, listing->directory, listing->bytes, sizeof(listing->bytes));
			listing->at = 0;
			if (listing->filled < 0)
				*error = errno;
			if (listing->filled <= 0)
				return NULL;
		}
		const struct dirent64 *entry = (const void *)(listing->bytes + listing->at);
		listing->at += entry->d_reclen;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return entry->d_name;
	}
}

static int copy_bytes(int from, int to)
{
	char chunk[CHUNK];

	for (;;) {
		ssize_t n = read(from, chunk, sizeof(chunk));

		if (n == 0)
			return 0;
		if (n < 0)
			return -errno;
		for (ssize_t done = 0; done < n;) {
			ssize_t wrote = write(to, chunk + done, (size_t)(n - done));

			if (wrote < 0)
				return -errno;
			done += wrote;
		}
	}
}

struct copy {
	uid_t uid;
	gid_t gid;
	struct cloister_error *err;
};

static int fail(const struct copy *copy, int code, const char *name, const char *text)
{
	return cloister_fail(copy->err, code < 0 ? -code : code, "home", name, "%s", text);
}

/* Modes last: a change of owner clears the set-id bits, and none is wanted. */
static int finish(int fd, const struct stat *st, const struct copy *copy)
{
	if (fchown(fd, copy->uid, copy->gid) < 0 || fchmod(fd, st->st_mode & 0777) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int copy_file(int from, int to, const char *name, const struct copy *copy)
{
	struct stat st;
	int _cleanup_close_ in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (in < 0 || fstat(in, &st) < 0)
		return fail(copy, errno, name, "cannot read the skeleton's");
	int _cleanup_close_ out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return fail(copy, errno, name, "cannot make the file");
	int r = copy_bytes(in, out);
	if (r == 0)
		r = finish(out, &st, copy);
	return r < 0 ? fail(copy, r, name, "cannot write") : 0;
}

static int copy_link(int from, int to, const char *name, const struct copy *copy)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return fail(copy, errno, name, "cannot read the skeleton's link");
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0 || fchownat(to, name, copy->uid, copy->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(copy, errno, name, "cannot make the link");
	return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, at most DEPTH_MAX */
static int copy_directory(int from, int to, unsigned depth, const struct copy *copy)
{
	struct listing listing = {.directory = from};
	int error = 0;

	if (depth > DEPTH_MAX)
		return fail(copy, ELOOP, NULL, "the skeleton is too deep");
	for (const char *name = next_name(&listing, &error); name != NULL; name = next_name(&listing, &error)) {
		struct stat st;
		int r = 0;

		if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return fail(copy, errno, name, "cannot stat the skeleton's");
		if (S_ISREG(st.st_mode)) {
			r = copy_file(from, to, name, copy);
		} else if (S_ISLNK(st.st_mode)) {
			r = copy_link(from, to, name, copy);
		} else if (S_ISDIR(st.st_mode)) {
			int _cleanup_close_ in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (in < 0 || mkdirat(to, name, 0700) < 0)
				return fail(copy, errno, name, "cannot make the directory");
			int _cleanup_close_ out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (out < 0)
				return fail(copy, errno, name, "cannot open");
			r = copy_directory(in, out, depth + 1, copy);
			if (r == 0 && finish(out, &st, copy) < 0)
				r = fail(copy, errno, name, "cannot give the directory to the user");
		}
		if (r < 0)
			return r;
	}
	return error != 0 ? fail(copy, error, NULL, "cannot list the skeleton") : 0;
}

int cloister_skeleton_copy(int from, int to, uid_t uid, gid_t gid, struct cloister_error *err)
{
	const struct copy copy = {.uid = uid, .gid = gid, .err = err};

	return copy_directory(from, to, 0, &copy);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, at most DEPTH_MAX */
static int remove_directory(int parent, const char *name, unsigned depth)
{
	struct listing listing = {.directory = cloister_openat2(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
	                                                        RESOLVE_BENEATH | RESOLVE_NO_XDEV)};
	int _cleanup_close_ fd = listing.directory;
	bool removed = true;

	if (fd < 0)
		return fd;
	/* An entry that is removed while the directory is listed may hide another (readdir(3)): until there is none. */
	while (removed) {
		int error = 0;

		removed = false;
		listing.filled = listing.at = 0;
		if (lseek(fd, 0, SEEK_SET) < 0)
			return -errno;
		for (const char *entry = next_name(&listing, &error); entry != NULL;
		     entry = next_name(&listing, &error)) {
			int r = unlinkat(fd, entry, 0) < 0 ? -errno : 0;

			if (r == -EISDIR || r == -EPERM)
				r = depth < DEPTH_MAX ? remove_directory(fd, entry, depth + 1) : -ELOOP;
			if (r < 0)
				return r;
			removed = true;
		}
		if (error != 0)
			return -error;
	}
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int cloister_skeleton_remove(int directory, const char *name, struct cloister_error *err)
{
	int r = remove_directory(directory, name, 0);

	return r < 0 ? cloister_fail(err, -r, "home", name, "cannot remove what an earlier login left half made") : 0;
}
