/* SPDX-License-Identifier: MIT */
/* The directory of images. */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"
#include "tree.h"

/* Seconds: longer than a login may take by default. */
#define LOGINS_WAIT 60
/* No image's name: one may be called like what is in the directory already. */
#define REMOVED       ".removed"
#define HIDDEN_PREFIX ".unfinished-"

static int open_below(int parent, const char *name, bool make, const char *path, struct cloister_error *err)
{
	if (make && mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return cloister_fail(err, errno, "images", path, "cannot make");
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !make)
		return -ENOENT;
	return fd < 0 ? cloister_fail(err, errno, "images", path, "cannot open") : fd;
}

int image_store_open(struct image_store *store, bool make, struct cloister_error *err)
{
	struct stat st;

	store->directory = -1;
	if (geteuid() != 0)
		return cloister_fail(err, EPERM, "images", IMAGE_DIRECTORY, "images are root's");
	int _cleanup_close_ lib = cloister_path_open_host("/var/lib", O_DIRECTORY, CLOISTER_PATH_ROOT_OWNED, err);
	if (lib < 0)
		return lib;
	int _cleanup_close_ own = open_below(lib, "cloister", make, "/var/lib/cloister", err);
	if (own == -ENOENT)
		return 0;
	if (own < 0)
		return own;
	int _cleanup_close_ images = open_below(own, "images", make, IMAGE_DIRECTORY, err);
	if (images == -ENOENT)
		return 0;
	if (images < 0)
		return images;
	int _cleanup_close_ checked =
		cloister_path_open_host(IMAGE_DIRECTORY, O_DIRECTORY, CLOISTER_PATH_ROOT_OWNED, err);
	if (checked < 0)
		return checked;
	/* A tree is full of root's files; on the host no user has any business in it. */
	if (fstat(images, &st) < 0 || st.st_uid != 0 || (st.st_mode & 077))
		return cloister_fail(err, EPERM, "images", IMAGE_DIRECTORY, "must be root's, with mode 0700");
	store->directory = TAKE_FD(images);
	return 0;
}

void image_store_close(struct image_store *store)
{
	if (store->directory >= 0)
		close(store->directory);
	store->directory = -1;
}

/* What a killed process has left; what a living one is at work on is locked. */
static int sweep(struct image_store *store, struct cloister_error *err)
{
	int copy = openat(store->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);

	if (stream == NULL)
		return cloister_fail(err, errno, "images", IMAGE_DIRECTORY, "cannot read");
	for (struct dirent *entry = readdir(stream); entry != NULL && r == 0; entry = readdir(stream)) {
		if (strncmp(entry->d_name, HIDDEN_PREFIX, sizeof(HIDDEN_PREFIX) - 1) != 0)
			continue;
		int _cleanup_close_ fd =
			openat(store->directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		r = image_tree_remove(store->directory, entry->d_name);
		if (r < 0)
			r = cloister_fail(err, -r, "images", entry->d_name,
			                  "cannot remove what an import has left in " IMAGE_DIRECTORY);
	}
	closedir(stream);
	return r;
}

int image_store_lock(struct image_store *store, struct cloister_error *err)
{
	if (store->directory < 0)
		return 0;
	while (flock(store->directory, LOCK_EX) < 0) {
		if (errno != EINTR)
			return cloister_fail(err, errno, "images", IMAGE_DIRECTORY, "cannot lock");
	}
	return sweep(store, err);
}

void image_store_unlock(struct image_store *store)
{
	if (store->directory >= 0)
		flock(store->directory, LOCK_UN);
}

void image_store_path(const char *name, char path[IMAGE_PATH_MAX])
{
	snprintf(path, IMAGE_PATH_MAX, "%s/%s/%s", IMAGE_DIRECTORY, name, IMAGE_ROOTFS);
}

int image_store_find(const struct image_store *store, const char *name, struct cloister_error *err)
{
	int fd = store->directory < 0 ? -1
	                              : openat(store->directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return cloister_fail(err, store->directory < 0 ? ENOENT : errno, "images", name, "no such image");
	return fd;
}

int image_staging_make(struct image_store *store, struct image_staging *staging, struct cloister_error *err)
{
	uint64_t random;

	*staging = (struct image_staging){.directory = -1, .rootfs = -1};
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return cloister_fail(err, errno, "images", NULL, "no random number");
	snprintf(staging->name, sizeof(staging->name), HIDDEN_PREFIX "%016" PRIx64, random);
	if (mkdirat(store->directory, staging->name, 0700) < 0)
		return cloister_fail(err, errno, "images", IMAGE_DIRECTORY, "cannot make a directory");
	staging->directory = openat(store->directory, staging->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (staging->directory < 0 || flock(staging->directory, LOCK_EX | LOCK_NB) < 0 ||
	    mkdirat(staging->directory, IMAGE_ROOTFS, 0700) < 0)
		return cloister_fail(err, errno, "images", staging->name, "cannot prepare a directory");
	staging->rootfs = openat(staging->directory, IMAGE_ROOTFS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* The archive has no say in these: a rootfs must be root's, and writable by nobody else. */
	if (staging->rootfs < 0 || fchown(staging->rootfs, 0, 0) < 0 || fchmod(staging->rootfs, 0755) < 0)
		return cloister_fail(err, errno, "images", staging->name, "cannot prepare a directory");
	return 0;
}

void image_staging_end(struct image_store *store, struct image_staging *staging)
{
	/* Locked until it is gone. What cannot be removed now is removed by the next verb. */
	if (*staging->name != '\0')
		image_tree_remove(store->directory, staging->name);
	if (staging->rootfs >= 0)
		close(staging->rootfs);
	if (staging->directory >= 0)
		close(staging->directory);
	*staging = (struct image_staging){.directory = -1, .rootfs = -1};
}

int image_store_refuse_used(const char *name, int directory, struct cloister_error *err)
{
	struct image_users users;
	int r = image_users_find(&users, err);

	if (r < 0)
		return r;
	size_t n = image_users_count(&users, name, directory);
	image_users_clear(&users);
	return n == 0 ? 0
	              : cloister_fail(err, EBUSY, "images", name, "%zu live session%s use%s it", n, n == 1 ? "" : "s",
	                              n == 1 ? "s" : "");
}

/*
 * For as long as the image's directory is locked no login on it begins: one that begins holds the lock, shared, until
 * it is in the registry, and one that comes now waits.
 */
static int lock_unused(const char *name, int directory, struct cloister_error *err)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

	for (unsigned tries = 0; flock(directory, LOCK_EX | LOCK_NB) < 0; tries++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return cloister_fail(err, errno, "images", name, "cannot lock");
		/* Where one login follows another there is no moment without. */
		int r = image_store_refuse_used(name, directory, err);
		if (r < 0)
			return r;
		if (tries >= LOGINS_WAIT * 100)
			return cloister_fail(err, EBUSY, "images", name, "a login on it has begun, and does not end");
		nanosleep(&pause, NULL);
	}
	return image_store_refuse_used(name, directory, err);
}

static int exchange(struct image_store *store, const struct image_staging *staging, const char *name,
                    struct cloister_error *err)
{
	int _cleanup_close_ old = image_store_find(store, name, err);

	if (old < 0)
		return old;
	int r = lock_unused(name, old, err);
	if (r < 0)
		return r;
	return renameat2(store->directory, staging->name, store->directory, name, RENAME_EXCHANGE) < 0
	               ? cloister_fail(err, errno, "images", name, "cannot exchange")
	               : 0;
}

int image_store_publish(struct image_store *store, const struct image_staging *staging, const char *name, bool replace,
                        struct cloister_error *err)
{
	/* Before it has its name: after a power failure an image is whole, or not there. */
	if (syncfs(staging->directory) < 0)
		return cloister_fail(err, errno, "images", name, "cannot write to disk");
	/* It is for logins from now on; the store's own lock keeps it from being swept away. */
	flock(staging->directory, LOCK_UN);
	int r = renameat2(store->directory, staging->name, store->directory, name, RENAME_NOREPLACE) < 0 ? -errno : 0;
	if (r == -EEXIST && replace)
		r = exchange(store, staging, name, err);
	else if (r < 0)
		r = cloister_fail(err, -r, "images", name,
		                  r == -EEXIST ? "there is such an image already (--replace)" : "cannot rename");
	if (r == 0 && fsync(store->directory) < 0)
		r = cloister_fail(err, errno, "images", name, "cannot write to disk");
	return r;
}

int image_store_remove(struct image_store *store, const char *name, struct cloister_error *err)
{
	struct image_staging hidden = {.directory = -1, .rootfs = -1};
	int _cleanup_close_ directory = image_store_find(store, name, err);

	if (directory < 0)
		return directory;
	int r = lock_unused(name, directory, err);
	if (r == 0)
		r = image_staging_make(store, &hidden, err);
	/* Below a hidden name it is gone for every login, and for good: a kill from here on leaves it to the next verb.
	 */
	if (r == 0 && renameat2(store->directory, name, hidden.directory, REMOVED, RENAME_NOREPLACE) < 0)
		r = cloister_fail(err, errno, "images", name, "cannot rename");
	/* Nor may it be there again after a power failure. */
	if (r == 0 && fsync(store->directory) < 0)
		r = cloister_fail(err, errno, "images", name, "cannot write to disk");
	image_staging_end(store, &hidden);
	return r;
}
