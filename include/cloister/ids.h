/* SPDX-License-Identifier: MIT */
/* The id maps of a session's user namespace (user_namespaces(7)): pure arithmetic, and where the ranges come from. */
#ifndef CLOISTER_IDS_H
#define CLOISTER_IDS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cloister/account.h"
#include "cloister/error.h"
#include "cloister/policy.h"

/* The kernel takes at most 340 lines (user_namespaces(7)). */
#define CLOISTER_ID_EXTENTS_MAX 340
/* Groups below this are the host's own (docker, disk, shadow): they are shifted like root (login.defs(5), GID_MIN). */
#define CLOISTER_FIRST_USER_GID 1000
/* users = root: where the session's user namespace has the id of the range that the user's own hides. */
#define CLOISTER_ID_SPARE 4294901760U

struct cloister_id_extent {
	uint32_t inside;
	uint32_t outside;
	uint32_t count;
};

struct cloister_id_map {
	struct cloister_id_extent extents[CLOISTER_ID_EXTENTS_MAX];
	size_t n;
};

/* An unprivileged range of the host: uids from uid_base, gids from gid_base, `count` of each (0: there is none). */
struct cloister_id_range {
	uint32_t uid_base;
	uint32_t gid_base;
	uint32_t count;
};

/*
 * Maps own[0..n) to themselves and every other id below `count` to base + id. Pure. own may be unsorted and hold
 * doubles. Fails with -E2BIG when more extents are needed than the kernel takes, with -ERANGE when an own id lies in
 * the range itself.
 */
int cloister_id_map_keep(const uint32_t *own, size_t n_own, uint32_t base, uint32_t count, struct cloister_id_map *map,
                         struct cloister_error *err);

/*
 * users = root: the map of a user namespace inside the one that outer is the map of, in ids of the latter. own, which
 * outer keeps, is 0 there. Every other id below count is the one of the range (base + id): for own's outer gets a line
 * more, CLOISTER_ID_SPARE. Groups of the user's keep their value. The 0 of outer, which is init's, is no id of the
 * inner namespace at all. Pure. Fails with -E2BIG, with -ERANGE when outer has a spare id already, with -EPERM when own
 * is 0.
 */
int cloister_id_map_root(uint32_t own, uint32_t base, uint32_t count, struct cloister_id_map *outer,
                         struct cloister_id_map *inner, struct cloister_error *err);

/* Adds a line to a map; none where count is 0. 0, or -E2BIG when the kernel would not take so many. */
int cloister_id_map_add(struct cloister_id_map *map, uint32_t inside, uint32_t outside, uint32_t count);

/* Writes the map as uid_map's lines. Returns the length, or -ENOSPC. */
ssize_t cloister_id_map_text(const struct cloister_id_map *map, char *buffer, size_t size);

/* The outside id that an inside one stands for; UINT32_MAX when it is not mapped. */
uint32_t cloister_id_map_outside(const struct cloister_id_map *map, uint32_t inside);

/* The inside id that an outside one is seen as; UINT32_MAX when it is not mapped. */
uint32_t cloister_id_map_inside(const struct cloister_id_map *map, uint32_t outside);

/* The groups that keep their value inside: the primary one, and the supplementary ones from CLOISTER_FIRST_USER_GID on.
 */
size_t cloister_ids_own_groups(const struct cloister_account *account, uint32_t *groups, size_t size);

/*
 * The range for this user: the configuration's id_range, else the user's in subuid(5) and subgid(5) when
 * it is large enough, else CLOISTER_ID_BASE_DEFAULT when privileged. Unprivileged without a range: count is 0. With
 * users = root, where the user rules the range, the default is one for this uid alone; -ENOENT when the uid is too high
 * to have one.
 */
int cloister_id_range_find(const struct cloister_policy *policy, const struct cloister_account *account, int privileged,
                           struct cloister_id_range *range, struct cloister_error *err);

#endif
