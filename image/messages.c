/* SPDX-License-Identifier: MIT */
/* Fixed messages over SOCK_SEQPACKET: each comes whole, or is refused. */
#include "messages.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int image_message_send(int control, const struct image_message *message, bool may_drop)
{
	ssize_t n;

	do {
		n = send(control, message, sizeof(*message), MSG_NOSIGNAL | (may_drop ? MSG_DONTWAIT : 0));
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*message) ? 0 : -EIO;
}

int image_message_receive(int control, struct image_message *message)
{
	ssize_t n;

	do {
		n = recv(control, message, sizeof(*message), MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return 0;
	if (n != (ssize_t)sizeof(*message))
		return -EBADMSG;
	message->digest[sizeof(message->digest) - 1] = '\0';
	message->error.step[sizeof(message->error.step) - 1] = '\0';
	message->error.path[sizeof(message->error.path) - 1] = '\0';
	message->error.text[sizeof(message->error.text) - 1] = '\0';
	return 1;
}
