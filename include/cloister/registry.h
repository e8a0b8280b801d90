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

/*
 * Calls visit with each live session's id and the text of its entry ("key=value" lines), until it returns other than 0;
 * that is then returned. Entries of dead sessions are removed. Returns 0 when all were visited, or -errno.
 */
int cloister_registry_each(int (*visit)(void *context, const char *id, const char *entry), void *context,
                           struct cloister_error *err);

/* Removes an entry; a missing one is no error. */
void cloister_registry_remove(const char *id);

/*
 * Starts the session of a plan that root carries out, and adds it to the registry. Where another live session of the
 * user is on the same state directory, rootfs and ids, the new one gets a mount of the same overlay instance, since two
 * instances on one upper directory are undefined. Until it is in the registry other logins of the user wait, at most
 * plan->timeout. On failure nothing is left. On success *out is as from cloister_session_start;
 * cloister_registry_remove is the caller's at the end.
 */
int cloister_session_start_registered(const struct cloister_plan *plan, const char *init_path, int devpts,
                                      struct cloister_session **out, struct cloister_error *err);

#endif
