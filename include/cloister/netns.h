/* SPDX-License-Identifier: MIT */
/* network = netns:NAME: a network namespace that the administrator has made (ip-netns(8)). */
#ifndef CLOISTER_NETNS_H
#define CLOISTER_NETNS_H

#include <sys/types.h>

#include "cloister/error.h"

/*
 * Opens /run/netns/NAME: root's all the way, a network namespace by the kernel's word, and not the caller's own. A
 * descriptor or -errno.
 */
int cloister_netns_open(const char *name, struct cloister_error *err);

/* Whether the process is in the network namespace that a descriptor refers to: 0, -EXDEV, or another -errno. */
int cloister_netns_verify(int netns, pid_t pid, struct cloister_error *err);

/* The calling thread goes into a network namespace; *back is a descriptor of its own one. 0 or -errno. */
int cloister_netns_enter(int netns, int *back, struct cloister_error *err);

#endif
