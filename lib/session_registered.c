/* SPDX-License-Identifier: MIT */
/* A session that others of the same user can find, and share an overlay with. */
#include <errno.h>

#include "cloister/cgroup.h"
#include "cloister/cleanup.h"
#include "cloister/source.h"
#include "registry_entries.h"

#define REFUSED_INIT_WAIT 1000 /* milliseconds */

/* The state directory is root's, so no user can hold the lock. */
static int lock_state(const struct cloister_plan *plan, struct cloister_error *err)
{
	int _cleanup_close_ fd = cloister_state_open(plan->state, err);

	if (fd < 0)
		return fd;
	int r = cloister_state_lock(fd, plan->state, plan->timeout, err);
	return r < 0 ? r : TAKE_FD(fd);
}

static int share_root(const struct cloister_plan *plan, struct cloister_error *err)
{
	int _cleanup_close_ other = cloister_registry_find(plan, err);

	if (other < 0)
		return other;
	int root = cloister_shared_root_open(other, err);
	/* It may have ended since; then there is nothing to share. */
	return root == -ESRCH ? -ENOENT : root;
}

int cloister_session_start_registered(const struct cloister_plan *plan, const char *init_path, int devpts,
                                      struct cloister_session **out, struct cloister_error *err)
{
	struct cloister_session_options options = {.init_path = init_path, .devpts = devpts, .shared_root = -1};
	struct cloister_session *session = NULL;
	struct cloister_image _cleanup_image_ image = CLOISTER_IMAGE_NONE;
	int _cleanup_close_ lock = -1, shared = -1, hold = -1;

	if (*plan->state != '\0') {
		lock = lock_state(plan, err);
		if (lock < 0)
			return lock;
		shared = share_root(plan, err);
		if (shared < 0 && shared != -ENOENT)
			return shared;
		options.shared_root = shared < 0 ? -1 : shared;
	}
	cloister_registry_sweep(plan->user);
	cloister_registry_sweep_logins(plan->user);
	cloister_cgroup_sweep(plan->user);
	/* After the overlay's lock, always in this order. */
	int r = cloister_image_hold(plan, &hold, err);
	if (r == 0)
		r = cloister_image_prepare(plan, options.shared_root >= 0, &image, err);
	if (r < 0)
		return r;
	if (cloister_plan_image(plan) != NULL)
		options.image = &image;
	r = cloister_session_start(plan, &options, &session, err);
	if (r < 0)
		return r;
	r = cloister_registry_add(session, plan, err);
	if (r < 0) {
		cloister_session_end(session);
		cloister_session_reap(session, REFUSED_INIT_WAIT);
		cloister_session_drop_cgroup(session, REFUSED_INIT_WAIT);
		cloister_session_free(session);
		return r;
	}
	*out = session;
	return 0;
}
