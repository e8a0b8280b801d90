/* SPDX-License-Identifier: MIT */
/* A parser that is given descriptors keeps none of them when it refuses. */
#ifndef CLOISTER_FUZZ_DESCRIPTORS_H
#define CLOISTER_FUZZ_DESCRIPTORS_H

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

/* More than any target has open. */
#define DESCRIPTORS_LOOKED_AT 64

static inline size_t count_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < DESCRIPTORS_LOOKED_AT; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static inline void socket_pair(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
}

/* One message with descriptors; of no bytes and no descriptors there is none. */
static inline void send_with(int socket, const void *bytes, size_t size, const int *fds, size_t n)
{
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} ancillary = {0};
	struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};

	FUZZ_REQUIRE(n <= 8);
	if (n > 0) {
		header.msg_control = ancillary.bytes;
		header.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	}
	if (sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EMSGSIZE)
		abort();
}

#endif
