/* SPDX-License-Identifier: MIT */
/* What an image file is: whose, which file system, whole or not. Nothing is mounted here. */
#include "cloister/image.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"

#define SECTOR 512U

/* The first bytes of both, from the file's begin: fs/erofs/erofs_fs.h, fs/squashfs/squashfs_fs.h. Little endian. */
#define EROFS_OFFSET          1024U
#define EROFS_BLOCK_BITS      (EROFS_OFFSET + 12)
#define EROFS_BLOCKS_HIGH     (EROFS_OFFSET + 14)
#define EROFS_BLOCKS          (EROFS_OFFSET + 36)
#define EROFS_FEATURES        (EROFS_OFFSET + 80)
#define EROFS_FEATURE_48BIT   0x80U
#define SQUASHFS_BYTES_USED   40U
#define SUPERBLOCK_BYTES      (EROFS_OFFSET + 128)
#define SUPERBLOCK_BITS_LARGE 16 /* no kernel has pages of more than 64 KiB, and blocks are not larger */

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

static uint16_t number16(const unsigned char *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

static uint32_t number32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static uint64_t number64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

/* The bytes that an erofs says it has; 0 where it says nothing that can be true. */
static uint64_t erofs_size(const unsigned char *start)
{
	uint64_t blocks = number32(start + EROFS_BLOCKS);

	if (number32(start + EROFS_FEATURES) & EROFS_FEATURE_48BIT)
		blocks |= (uint64_t)number16(start + EROFS_BLOCKS_HIGH) << 32;
	return start[EROFS_BLOCK_BITS] <= SUPERBLOCK_BITS_LARGE ? blocks << start[EROFS_BLOCK_BITS] : 0;
}

/* Type and length by the superblock. The rest of it is the kernel's to judge. */
static int read_superblock(const char *path, struct cloister_image *image, struct cloister_error *err)
{
	unsigned char start[SUPERBLOCK_BYTES] = {0};
	ssize_t n = pread(image->file, start, sizeof(start), 0);
	uint64_t size = 0;

	if (n < 0)
		return cloister_fail(err, errno, "image", path, "cannot read");
	if (memcmp(start, "hsqs", 4) == 0) {
		image->type = "squashfs";
		size = number64(start + SQUASHFS_BYTES_USED);
	} else if (number32(start + EROFS_OFFSET) == EROFS_SUPER_MAGIC_V1) {
		image->type = "erofs";
		size = erofs_size(start);
	} else {
		return cloister_fail(err, EINVAL, "image", path,
		                     "neither an erofs nor a squashfs image (mkfs.erofs and mksquashfs make them)");
	}
	/* Before the kernel reads behind the end, in the middle of a session. */
	if (size > (uint64_t)image->st.st_size)
		return cloister_fail(err, EINVAL, "image", path,
		                     "truncated: its superblock says %" PRIu64 " bytes, the file has %lld", size,
		                     (long long)image->st.st_size);
	/* A loop device has whole sectors only (mksquashfs -nopad). */
	if (size > (uint64_t)image->st.st_size / SECTOR * SECTOR)
		return cloister_fail(err, EINVAL, "image", path, "its size is not a multiple of %u bytes: pad it",
		                     SECTOR);
	return 0;
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
