/* SPDX-License-Identifier: MIT */
/* The sandbox's side of a sandbox; private to it. */
#ifndef CLOISTER_SANDBOX_CHILD_H
#define CLOISTER_SANDBOX_CHILD_H

#include "cloister/sandbox.h"

struct sandbox_child {
	const struct cloister_sandbox *sandbox;
	int control;
	int landlock; /* a ruleset; negative where the kernel has no scopes */
	const void *filter;
	uint16_t filter_length;
};

/* Enters the root that comes over the socket, gives everything up, answers on the socket, and runs what was asked for.
 */
void sandbox_child_main(struct sandbox_child *child) __attribute__((noreturn));

#endif
