/* SPDX-License-Identifier: MIT */
/*
 * An image file (erofs, squashfs) as the lower layer of a session's root. However many sessions are on one image, its
 * superblock is one, and so is what of it is in memory: a file-backed erofs is found again through a live session,
 * which holds its mount; a loop device is found by what the kernel says about it.
 */
#ifndef CLOISTER_IMAGE_H
#define CLOISTER_IMAGE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "cloister/error.h"
#include "cloister/plan.h"

/* Where `cloister image import` puts them: NAME/rootfs each. */
#define CLOISTER_IMAGE_DIRECTORY "/var/lib/cloister/images"

struct cloister_image {
	const char *type;  /* of the file system: "erofs", "squashfs" */
	char identity[80]; /* device, inode, size and time of last change: a replaced or changed file is another image
	                    */
	struct stat st;
	int file;   /* for reading */
	int device; /* the loop device; -1: none */
	int mount;  /* the file-backed mount, detached, which can be cloned; -1: none */
	int lock;   /* held from the first session's mount until others can find it; -1: none */
};

#define CLOISTER_IMAGE_NONE ((struct cloister_image){.file = -1, .device = -1, .mount = -1, .lock = -1})

/* Whether a rootfs is a regular file, as far as the caller may see: a fact for the plan. What is opened later is
 * checked again. */
bool cloister_rootfs_is_file(const char *rootfs, bool privileged);

/*
 * Opens an image for reading and looks at its superblock: a regular file, it and every directory on the way root's and
 * writable by nobody else, since it is input to the kernel's file system driver. Fills type, identity, st and file.
 * Returns 0 or -errno; cloister_image_close is the caller's in either case.
 */
int cloister_image_open(const char *path, struct cloister_image *image, struct cloister_error *err);

/*
 * Makes the image of a plan ready for cloister_image_lower: the superblock that live sessions have, or a new one.
 * Needs root. found_only: only what a live session holds, for a session that has its root from there; that there is
 * none is no error then. An image that is new keeps the lock until it is closed, after the session is in the registry.
 * Returns 0 or -errno; cloister_image_close is the caller's in either case.
 */
int cloister_image_prepare(const struct cloister_plan *plan, bool found_only, struct cloister_image *image,
                           struct cloister_error *err);

/*
 * A shared lock on the directory of an imported image that a plan's rootfs is in (`cloister image import`; nobody but
 * root can open it), for as long as its session cannot be found in the registry: `cloister image rm` and `--replace`
 * wait for it, and hold it off, at most for the plan's timeout, while they look. *hold is the descriptor, the caller's
 * to close; -1 when the rootfs is no such image. Returns 0 or -errno.
 */
int cloister_image_hold(const struct cloister_plan *plan, int *hold, struct cloister_error *err);

/* A new detached mount of the image, for one session: read-only, nosuid, nodev. A descriptor or -errno. */
int cloister_image_lower(const struct cloister_image *image, const char *path, struct cloister_error *err);

/* The registry's lines about an image, by which other sessions find its mount; "" when there is none to be found. */
void cloister_image_describe(const struct cloister_image *image, char *text, size_t size);

/* Closes everything; the image is CLOISTER_IMAGE_NONE afterwards. */
void cloister_image_close(struct cloister_image *image);

#define _cleanup_image_ __attribute__((cleanup(cloister_image_close)))

/* The row of a plan that says that its rootfs is an image; NULL: there is none. */
const struct cloister_row *cloister_plan_image(const struct cloister_plan *plan);

#endif
