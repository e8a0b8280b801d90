/* SPDX-License-Identifier: MIT */
/* What an image file is: whose, which file system, whole or not. Nothing is mounted here. */
#include "cloister/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"
#include "superblock.h"

bool cloister_rootfs_is_file(const char *rootfs, bool privileged)
{
	struct stat st;
	int _cleanup_close_ fd =
		cloister_path_open_host(rootfs, 0,
	                                privileged ? CLOISTER_PATH_NO_PLANTED_LINKS : CLOISTER_PATH_OWN_RIGHTS, NULL);

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

const struct cloister_row *cloister_plan_image(const struct cloister_plan *plan)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		if (plan->rows[i].kind == CLOISTER_ROW_IMAGE)
			return &plan->rows[i];
	}
	return NULL;
}

static int read_superblock(const char *path, struct cloister_image *image, struct cloister_error *err)
{
	unsigned char start[CLOISTER_SUPERBLOCK_BYTES] = {0};
	ssize_t n = pread(image->file, start, sizeof(start), 0);

	if (n < 0)
		return cloister_fail(err, errno, "image", path, "cannot read");
	return cloister_superblock_check(start, (uint64_t)image->st.st_size, path, &image->type, err);
}

int cloister_image_open(const char *path, struct cloister_image *image, struct cloister_error *err)
{
	char name[40];
	int _cleanup_close_ found = cloister_path_open_host(path, 0, CLOISTER_PATH_ROOT_OWNED, err);

	if (found < 0) {
		if (err != NULL)
			snprintf(err->step, sizeof(err->step), "image");
		return found;
	}
	/* Before it is opened for reading: a FIFO would wait, and a device might do anything. */
	if (fstat(found, &image->st) < 0)
		return cloister_fail(err, errno, "image", path, "cannot stat");
	if (!S_ISREG(image->st.st_mode))
		return cloister_fail(err, EINVAL, "image", path, "not a regular file");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", found);
	image->file = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (image->file < 0)
		return cloister_fail(err, errno, "image", path, "cannot read");
	/* Every change of a file, and of who may read it, moves its ctime. */
	snprintf(image->identity, sizeof(image->identity), "%jx:%jx:%jx:%jx.%09ld", (uintmax_t)image->st.st_dev,
	         (uintmax_t)image->st.st_ino, (uintmax_t)image->st.st_size, (uintmax_t)image->st.st_ctim.tv_sec,
	         image->st.st_ctim.tv_nsec);
	return read_superblock(path, image, err);
}

void cloister_image_close(struct cloister_image *image)
{
	cloister_cleanup_close(&image->mount);
	cloister_cleanup_close(&image->device);
	cloister_cleanup_close(&image->file);
	cloister_cleanup_close(&image->lock);
	*image = CLOISTER_IMAGE_NONE;
}
