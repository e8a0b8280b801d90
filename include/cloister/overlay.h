/* SPDX-License-Identifier: MIT */
/* What a user has changed in an overlay, and dropping it. For cloister(8); needs root. */
#ifndef CLOISTER_OVERLAY_H
#define CLOISTER_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cloister/error.h"
#include "cloister/plan.h"

/* Whether the plan's layers could be in this directory, and be limited as the plan says. Changes nothing. */
int cloister_overlay_check_place(const struct cloister_plan *plan, int directory, struct cloister_error *err);

/*
 * Whether a session's layers would be idmapped, as both file systems must support it (mount_setattr(2)). lower: a
 * detached mount of the rootfs, which may be idmapped after it; state: a directory on the file system of the upper
 * layer, -1 for a tmpfs. Needs root, and makes a child for as long as it takes. 1, 0, or -errno.
 */
int cloister_overlay_is_idmapped(const struct cloister_plan *plan, int lower, int state, struct cloister_error *err);

enum cloister_overlay_change_kind {
	CLOISTER_OVERLAY_ADDED = 'A',
	CLOISTER_OVERLAY_CHANGED = 'C',
	CLOISTER_OVERLAY_DELETED = 'D',
};

struct cloister_overlay_change {
	enum cloister_overlay_change_kind kind;
	mode_t mode; /* of the entry; of a deleted one, what it was */
	/* A regular file, changed, over one of the rootfs that has changed too, since: its news are hidden. */
	bool hides_newer;
	char *path; /* as the session sees it; any byte but NUL */
};

struct cloister_overlay_changes {
	struct cloister_overlay_change *items; /* by path, in the order of strcmp(3) */
	size_t n;
	size_t too_deep; /* directories that no path can reach (PATH_MAX); what is in them is not listed */
	size_t left_out; /* changes, and directories that were not looked into, when the paths had taken all their
	                    memory */
};

/* In bytes: what all paths of a comparison may take. A user makes a million links to one file, each with a path of four
 * thousand bytes, for little disk. */
#define CLOISTER_OVERLAY_PATHS_MAX (64UL << 20)

/*
 * Compares the plan's upper directory with its rootfs, without mounting them. A directory that is in both counts as
 * changed when its mode or owner differs or when it took the rootfs's place (opaque), not because of what is in it.
 * Places that Cloister made to mount on are left out: empty files, and directories of the session's root, that the
 * rootfs has not and that are a row's target or above one.
 *
 * A user without an upper yet has no changes. -EINVAL for a plan that keeps none. On success *changes is the caller's
 * (cloister_overlay_changes_free).
 */
int cloister_overlay_changes_find(const struct cloister_plan *plan, struct cloister_overlay_changes *changes,
                                  struct cloister_error *err);

void cloister_overlay_changes_free(struct cloister_overlay_changes *changes);

struct cloister_overlay_reset {
	bool force; /* end the sessions that are on it */
	/* Called while the old layer is removed; total is about what there is to remove. NULL: no progress. */
	void (*progress)(void *data, uint64_t removed, uint64_t total);
	void *data;
	/* The result. */
	bool dropped;            /* there was one, and a session begins without it now */
	unsigned sessions_ended; /* by force */
	uint64_t removed;        /* files and directories */
	uint64_t failed; /* files and directories that could not be removed: in a hidden directory of the state */
};

/*
 * Drops the plan's upper directory. Refused with -EBUSY while a live session is on it, unless forced. Logins of the
 * user wait meanwhile. It is renamed aside, which is one step for whoever looks, and then removed; what an earlier
 * reset that was killed left aside is removed, too.
 */
int cloister_overlay_reset(const struct cloister_plan *plan, struct cloister_overlay_reset *reset,
                           struct cloister_error *err);

#endif
