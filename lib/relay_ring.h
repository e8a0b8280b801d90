/* SPDX-License-Identifier: MIT */
/* What the relay has read and not yet written, for one direction. */
#ifndef CLOISTER_LIB_RELAY_RING_H
#define CLOISTER_LIB_RELAY_RING_H

#include <stddef.h>
#include <sys/types.h>

#define RELAY_RING_SIZE ((size_t)64 * 1024)

struct relay_ring {
	size_t start;
	size_t used;
	unsigned char bytes[RELAY_RING_SIZE];
};

/* One read(2) of as much as there is room for without a turn, and its result. */
ssize_t cloister_relay_ring_fill(struct relay_ring *ring, int fd);
/* One write(2) of at most `most` bytes, and its result. */
ssize_t cloister_relay_ring_drain(struct relay_ring *ring, int fd, size_t most);
/* One byte more; the caller knows that there is room. */
void cloister_relay_ring_put(struct relay_ring *ring, unsigned char byte);

#endif
