/* SPDX-License-Identifier: MIT */
/* One descriptor, or the reason why there is none, over a SOCK_SEQPACKET socket (SCM_RIGHTS, unix(7)). */
#ifndef CLOISTER_DESCRIPTOR_H
#define CLOISTER_DESCRIPTOR_H

/* Sends fd; with fd -1 the errno value `code`. Returns 0 or -errno. */
int cloister_descriptor_send(int socket, int fd, int code);

/* Receives it, close-on-exec. Returns the descriptor, or -errno: the other side's code, or -EIO when it is gone. */
int cloister_descriptor_receive(int socket);

#endif
