/* SPDX-License-Identifier: MIT */
/* Type and length of an image by its superblock. Pure. */
#include "superblock.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>

#define SECTOR 512U

/* The first bytes of both, from the file's begin: fs/erofs/erofs_fs.h, fs/squashfs/squashfs_fs.h. Little endian. */
#define EROFS_OFFSET          1024U
#define EROFS_BLOCK_BITS      (EROFS_OFFSET + 12)
#define EROFS_BLOCKS_HIGH     (EROFS_OFFSET + 14)
#define EROFS_BLOCKS          (EROFS_OFFSET + 36)
#define EROFS_FEATURES        (EROFS_OFFSET + 80)
#define EROFS_FEATURE_48BIT   0x80U
#define SQUASHFS_BYTES_USED   40U
#define SUPERBLOCK_BITS_LARGE 16 /* no kernel has pages of more than 64 KiB, and blocks are not larger */

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

int cloister_superblock_check(const unsigned char start[CLOISTER_SUPERBLOCK_BYTES], uint64_t file_size,
                              const char *path, const char **type, struct cloister_error *err)
{
	const char *name;
	uint64_t size;

	if (memcmp(start, "hsqs", 4) == 0) {
		name = "squashfs";
		size = number64(start + SQUASHFS_BYTES_USED);
	} else if (number32(start + EROFS_OFFSET) == EROFS_SUPER_MAGIC_V1) {
		name = "erofs";
		size = erofs_size(start);
	} else {
		return cloister_fail(err, EINVAL, "image", path,
		                     "neither an erofs nor a squashfs image (mkfs.erofs and mksquashfs make them)");
	}
	/* Before the kernel reads behind the end, in the middle of a session. */
	if (size > file_size)
		return cloister_fail(err, EINVAL, "image", path,
		                     "truncated: its superblock says %" PRIu64 " bytes, the file has %" PRIu64, size,
		                     file_size);
	/* A loop device has whole sectors only (mksquashfs -nopad). */
	if (size > file_size / SECTOR * SECTOR)
		return cloister_fail(err, EINVAL, "image", path, "its size is not a multiple of %u bytes: pad it",
		                     SECTOR);
	*type = name;
	return 0;
}
