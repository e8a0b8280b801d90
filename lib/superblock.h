/* SPDX-License-Identifier: MIT */
/* The first bytes of an image file: erofs or squashfs, and how long it must be. Pure. */
#ifndef CLOISTER_SUPERBLOCK_H
#define CLOISTER_SUPERBLOCK_H

#include <stdint.h>

#include "cloister/error.h"

#define CLOISTER_SUPERBLOCK_BYTES (1024U + 128U)

/*
 * start: the first bytes of a file of file_size bytes, zeros behind its end. On success *type names the file system.
 * Returns 0, or -EINVAL for neither of the two, and for a file that is shorter than its superblock says or cannot be a
 * loop device. The rest of the superblock is the kernel's to judge.
 */
int cloister_superblock_check(const unsigned char start[CLOISTER_SUPERBLOCK_BYTES], uint64_t file_size,
                              const char *path, const char **type, struct cloister_error *err);

#endif
