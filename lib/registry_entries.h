/* SPDX-License-Identifier: MIT */
/* The parts of the registry; private to it. */
#ifndef CLOISTER_REGISTRY_ENTRIES_H
#define CLOISTER_REGISTRY_ENTRIES_H

#include "cloister/registry.h"

/* Adds a session (written beside, then renamed). */
int cloister_registry_add(const struct cloister_session *session, const struct cloister_plan *plan,
                          struct cloister_error *err);

/*
 * Finds a live session on the same state directory, rootfs and ids, and returns a pidfd of its init; -ENOENT when there
 * is none. Entries of dead sessions met on the way are removed.
 */
int cloister_registry_find(const struct cloister_plan *plan, struct cloister_error *err);

/* Removes the entries of dead sessions: of login processes that ended without closing theirs. */
void cloister_registry_sweep(void);

/* A detached copy of the root mount of the session whose init a pidfd refers to. A child of its own enters that mount
 * namespace. */
int cloister_shared_root_open(int pidfd, struct cloister_error *err);

#endif
