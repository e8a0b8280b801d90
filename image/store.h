/* SPDX-License-Identifier: MIT */
/*
 * /var/lib/cloister/images: one directory an image, closed to everybody but root, with the tree in `rootfs` and the
 * record beside it, so that one rename(2) makes, replaces or takes away both. What is not finished has a hidden name,
 * is locked (flock(2)) by the process at work on it, and is removed by the next one when that is gone.
 */
#ifndef CLOISTER_IMAGE_STORE_H
#define CLOISTER_IMAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cloister/error.h"
#include "cloister/image.h"

#define IMAGE_DIRECTORY CLOISTER_IMAGE_DIRECTORY
#define IMAGE_ROOTFS    "rootfs"
#define IMAGE_RECORD    "image.json"
#define IMAGE_PATH_MAX  128

struct image_store {
	int directory; /* O_RDONLY; -1: there is none yet */
};

/* make: the directory is made when it is missing. Root's all the way, and mode 0700, or it is refused. */
int image_store_open(struct image_store *store, bool make, struct cloister_error *err);
void image_store_close(struct image_store *store);

/* Keeps every other verb out until image_store_unlock or the end of the process; removes what a killed one has left. */
int image_store_lock(struct image_store *store, struct cloister_error *err);
void image_store_unlock(struct image_store *store);

/* "/var/lib/cloister/images/NAME/rootfs" */
void image_store_path(const char *name, char path[IMAGE_PATH_MAX]);

/* An image's directory by descriptor, -ENOENT when there is no such image. */
int image_store_find(const struct image_store *store, const char *name, struct cloister_error *err);

/* A new hidden directory, locked. The store must be locked meanwhile. */
struct image_staging {
	char name[48];
	int directory; /* holds the lock */
	int rootfs;
};
int image_staging_make(struct image_store *store, struct image_staging *staging, struct cloister_error *err);
/* Removes what now has the hidden name, if anything, and closes. */
void image_staging_end(struct image_store *store, struct image_staging *staging);

/*
 * Gives a finished one its name, after everything is on disk. replace: takes the place of an image that no session
 * uses, which then has the hidden name. The store must be locked.
 */
int image_store_publish(struct image_store *store, const struct image_staging *staging, const char *name, bool replace,
                        struct cloister_error *err);

/* -EBUSY while a live session uses the image; directory: the image's. */
int image_store_refuse_used(const char *name, int directory, struct cloister_error *err);

/* Takes an image away, unless a session uses it. The store must be locked. */
int image_store_remove(struct image_store *store, const char *name, struct cloister_error *err);

/* The root file systems of the live sessions, as the registry and the kernel have them. */
struct image_user {
	char *rootfs;
	dev_t device; /* of what that path leads to */
	ino_t inode;
};
struct image_users {
	struct image_user *users;
	size_t n;
};
int image_users_find(struct image_users *users, struct cloister_error *err);
/* How many of them are on the image; directory: the image's. */
size_t image_users_count(const struct image_users *users, const char *name, int directory);
void image_users_clear(struct image_users *users);

#endif
