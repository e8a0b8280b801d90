/* SPDX-License-Identifier: MIT */
/* What the relay has read and not yet written. */
#include "relay_ring.h"

#include <unistd.h>

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

ssize_t cloister_relay_ring_fill(struct relay_ring *ring, int fd)
{
	if (ring->used == 0)
		ring->start = 0;
	size_t end = (ring->start + ring->used) % RELAY_RING_SIZE;
	ssize_t count = read(fd, ring->bytes + end, smaller(RELAY_RING_SIZE - ring->used, RELAY_RING_SIZE - end));

	if (count > 0)
		ring->used += (size_t)count;
	return count;
}

ssize_t cloister_relay_ring_drain(struct relay_ring *ring, int fd, size_t most)
{
	size_t run = smaller(smaller(ring->used, RELAY_RING_SIZE - ring->start), most);
	ssize_t count = write(fd, ring->bytes + ring->start, run);

	if (count > 0) {
		ring->start = (ring->start + (size_t)count) % RELAY_RING_SIZE;
		ring->used -= (size_t)count;
	}
	return count;
}

void cloister_relay_ring_put(struct relay_ring *ring, unsigned char byte)
{
	ring->bytes[(ring->start + ring->used) % RELAY_RING_SIZE] = byte;
	ring->used++;
}
