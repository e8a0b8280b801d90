/* SPDX-License-Identifier: MIT */
/*
 * The registry of live sessions: one small root-owned file each in /run/cloister/sessions, no daemon. An entry counts
 * only when the kernel confirms it (a live init of that start time in that mount namespace); one that it does not is
 * removed when it is met.
 */
#ifndef CLOISTER_REGISTRY_H
#define CLOISTER_REGISTRY_H

#include "cloister/error.h"
#include "cloister/plan.h"
#include "cloister/session.h"

#define CLOISTER_REGISTRY "/run/cloister/sessions"

/* Adds a session (written beside, then renamed). Needs root. */
int cloister_registry_add(const struct cloister_session *session, const struct cloister_plan *plan,
                          struct cloister_error *err);

/* Removes an entry; a missing one is no error. */
void cloister_registry_remove(const char *id);

/*
 * Finds a live session on the same state directory, rootfs and ids, and returns a pidfd of its init; -ENOENT when there
 * is none. Entries of dead sessions met on the way are removed.
 */
int cloister_registry_find(const struct cloister_plan *plan, struct cloister_error *err);

/*
 * Locks the state directory of a plan's overlay against other logins of the user while a session starts, for at most
 * plan->timeout. Returns a descriptor that holds the lock until it is closed, or -errno. The directory is root's: no
 * user can hold it.
 */
int cloister_state_lock(const struct cloister_plan *plan, struct cloister_error *err);

/* A detached copy of the root mount of the session whose init a pidfd refers to. A child of its own enters that mount
 * namespace. */
int cloister_shared_root_open(int pidfd, struct cloister_error *err);

#endif
