/* SPDX-License-Identifier: MIT */
/* Descriptors from one process to another. */
#include "cloister/descriptor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

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
	int code = EIO, fd = -1;
	struct iovec vector = {.iov_base = &code, .iov_len = sizeof(code)};
	struct msghdr header = {.msg_iov = &vector,
	                        .msg_iovlen = 1,
	                        .msg_control = ancillary.bytes,
	                        .msg_controllen = sizeof(ancillary.bytes)};

	if (recvmsg(socket, &header, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(code))
		return -EIO;
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
	if (code != 0 || cmsg == NULL || cmsg->cmsg_type != SCM_RIGHTS)
		return code != 0 ? -code : -EIO;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}
