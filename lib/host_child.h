/* SPDX-License-Identifier: MIT */
/* A short-lived child on the host that opens one thing for the login process; private to the core. */
#ifndef CLOISTER_HOST_CHILD_H
#define CLOISTER_HOST_CHILD_H

#include "cloister/error.h"
#include "cloister/plan.h"

/* What the child does: returns a descriptor, or -errno with *err filled. Another thread may have held a lock of
 * malloc's when it was made, so it allocates nothing. */
typedef int cloister_child_function(const void *argument, struct cloister_error *err);

/*
 * Runs function in a child without an exit signal: the login program neither hears of it nor reaps it. Ids, limits and
 * whatever else the child gives up are its own. Returns the descriptor, or -errno; after `seconds` the child is killed
 * (-ETIMEDOUT).
 */
int cloister_child_open(cloister_child_function *function, const void *argument, unsigned seconds,
                        struct cloister_error *err);

/* Makes the calling process, such a child, the plan's user on the host, with no capability, for good. 0 or -errno. */
int cloister_child_become_user(const struct cloister_plan *plan);

#endif
