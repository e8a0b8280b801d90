/* SPDX-License-Identifier: MIT */
/* Descriptors from one process to another. */
#include "cloister/descriptor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "cloister/cleanup.h"

union descriptor_message {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int cloister_descriptor_send(int socket, int fd, int code)
{
	union descriptor_message ancillary = {0};
	struct iovec vector = {.iov_base = &code, .iov_len = sizeof(code)};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};

	if (fd >= 0) {
		header.msg_control = ancillary.bytes;
		header.msg_controllen = sizeof(ancillary.bytes);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	return sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int cloister_descriptor_receive(int socket)
{
	union descriptor_message ancillary = {0};
	int code = EIO;
	int _cleanup_close_ fd = -1;
	struct iovec vector = {.iov_base = &code, .iov_len = sizeof(code)};
	struct msghdr header = {.msg_iov = &vector,
	                        .msg_iovlen = 1,
	                        .msg_control = ancillary.bytes,
	                        .msg_controllen = sizeof(ancillary.bytes)};

	ssize_t n;
	do {
		n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	/* First of all, so that it is closed whatever else is wrong. There is room for one more with some alignments.
	 */
	struct cmsghdr *cmsg = n < 0 ? NULL : CMSG_FIRSTHDR(&header);
	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
		int fds[(sizeof(ancillary.bytes) - CMSG_LEN(0)) / sizeof(int)] = {-1};
		size_t size = cmsg->cmsg_len - CMSG_LEN(0);

		memcpy(fds, CMSG_DATA(cmsg), size);
		for (size_t i = 1; i < size / sizeof(int); i++)
			close(fds[i]);
		fd = fds[0];
	}
	if (n != (ssize_t)sizeof(code) || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || code < 0)
		return -EIO;
	if (code > 0)
		return -code;
	return fd < 0 ? -EIO : TAKE_FD(fd);
}
