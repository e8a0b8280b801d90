/* SPDX-License-Identifier: MIT */
/* Locks that are waited for, but not for ever. */
#include "cloister/lock.h"

#include <errno.h>
#include <sys/file.h>
#include <time.h>

#define PAUSE_MILLISECONDS 5

int cloister_lock_wait(int fd, int operation, uint64_t milliseconds)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MILLISECONDS * 1000 * 1000};

	for (uint64_t waited = 0; flock(fd, operation | LOCK_NB) < 0; waited += PAUSE_MILLISECONDS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited >= milliseconds)
			return -EWOULDBLOCK;
		nanosleep(&pause, NULL);
	}
	return 0;
}
