/* SPDX-License-Identifier: MIT */
/* Locks that are waited for, but not for ever. */
#ifndef CLOISTER_LOCK_H
#define CLOISTER_LOCK_H

#include <stdint.h>

/*
 * flock(2), tried again and again for so many milliseconds (0: once): who holds a lock may be stopped, and a login must
 * not wait for that. operation: LOCK_SH or LOCK_EX. Returns 0, -EWOULDBLOCK when it was held all the time, or -errno.
 */
int cloister_lock_wait(int fd, int operation, uint64_t milliseconds);

#endif
