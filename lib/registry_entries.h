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

/* Likewise, a live session on this state directory whatever its rootfs and ids. */
int cloister_registry_find_state(const char *state, struct cloister_error *err);
/* The file system that an entry says its session holds, see image.h. */
struct cloister_registry_image {
	uint64_t device, inode; /* of its root */
};

/* Finds a live session that holds the mount of an image (image.h), and returns a pidfd of its init; -ENOENT when there
 * is none. */
int cloister_registry_find_image(const char *identity, struct cloister_registry_image *image);

/* Removes the entries of dead sessions: of login processes that ended without closing theirs. */
void cloister_registry_sweep(void);

/* A detached copy of the root mount of the session whose init a pidfd refers to. A child of its own enters that mount
 * namespace. */
int cloister_shared_root_open(int pidfd, struct cloister_error *err);

#endif
