/* SPDX-License-Identifier: MIT */
/* Loop devices by ioctl(2), see loop(4). */
#ifndef CLOISTER_LOOP_DEVICE_H
#define CLOISTER_LOOP_DEVICE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "cloister/error.h"

/*
 * A read-only loop device of a file: the one that has this mark already, or a new one. The kernel clears it when its
 * last user (a descriptor, a mounted file system) is gone, however that ended. file: open for reading. st: of file.
 * mark: at most 63 bytes, kept by the kernel with the device, so that it is found by nobody but us. direct: direct I/O
 * to the file where that can be. path: for messages. Returns a descriptor of the block device or -errno.
 */
int cloister_loop_device_open(int file, const struct stat *st, const char *mark, bool direct, const char *path,
                              struct cloister_error *err);

#endif
