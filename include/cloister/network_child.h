/* SPDX-License-Identifier: MIT */
/*
 * The session's network namespace, made beside init. It takes as long as all of the session's mounts together, and none
 * of them needs it: a child of init makes it, and init joins it when it comes to the row for it.
 */
#ifndef CLOISTER_NETWORK_CHILD_H
#define CLOISTER_NETWORK_CHILD_H

#include "cloister/error.h"

struct cloister_network_child {
	int pidfd;
	int socket; /* its answer comes from here, and it lives as long as this is open */
	int theirs; /* its end of it */
	_Alignas(16) char stack[4096];
};

#define CLOISTER_NETWORK_CHILD_NONE                     \
	{                                               \
		.pidfd = -1, .socket = -1, .theirs = -1 \
	}

/*
 * Starts it. It shares the caller's memory and runs on child->stack, which must stay as it is until the child has been
 * joined or the caller has ended. The namespace belongs to the caller's user namespace, where the caller needs
 * CAP_SYS_ADMIN (clone(2), CLONE_NEWNET). Returns 0 or -errno.
 */
int cloister_network_child_start(struct cloister_network_child *child, struct cloister_error *err);

/* Waits for it, joins its network namespace and reaps it; one that was never started is EINVAL. Returns 0 or -errno. */
int cloister_network_child_join(struct cloister_network_child *child, struct cloister_error *err);

#endif
