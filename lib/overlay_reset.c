/* SPDX-License-Identifier: MIT */
/* Dropping what a user has changed in an overlay. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "cloister/cleanup.h"
#include "cloister/overlay.h"
#include "cloister/source.h"
#include "cloister/tree.h"
#include "registry_entries.h"

/* A hidden directory of the state, with what was dropped and is not removed yet. */
#define DROPPED ".dropped-"

static int end_session(int pidfd, const struct cloister_plan *plan, struct cloister_error *err)
{
	struct pollfd poller = {.fd = pidfd, .events = POLLIN};

	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return cloister_fail(err, errno, "reset", plan->state, "cannot end the session");
	/* Init ends after every other process of its pid namespace, and with them goes the last use of the overlay. */
	int r = poll(&poller, 1, (int)plan->timeout * 1000);
	if (r < 0)
		return cloister_fail(err, errno, "reset", plan->state, "cannot wait for the session's end");
	return r == 0 ? cloister_fail(err, ETIMEDOUT, "reset", plan->state, "the session does not end") : 0;
}

/* With the state locked: no login can come in between. */
static int end_sessions(const struct cloister_plan *plan, struct cloister_overlay_reset *reset,
                        struct cloister_error *err)
{
	for (;;) {
		int _cleanup_close_ pidfd = cloister_registry_find_state(plan->state, err);

		if (pidfd == -ENOENT)
			return 0;
		if (pidfd < 0)
			return pidfd;
		if (!reset->force)
			return cloister_fail(err, EBUSY, "reset", plan->state,
			                     "%s is logged in and uses it; --force ends the sessions", plan->user);
		int r = end_session(pidfd, plan, err);
		if (r < 0)
			return r;
		reset->sessions_ended++;
	}
}

/* The one step that others see: whoever looks finds the whole layer, or none. */
static int put_aside(int state, const struct cloister_plan *plan, struct cloister_overlay_reset *reset,
                     struct cloister_error *err)
{
	uint32_t number;
	char name[sizeof(DROPPED) + 8];

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return cloister_fail(err, EIO, "reset", plan->state, "no random number");
	snprintf(name, sizeof(name), DROPPED "%08x", number);
	if (mkdirat(state, name, 0700) < 0)
		return cloister_fail(err, errno, "reset", plan->state, "cannot make %s", name);
	int _cleanup_close_ aside = openat(state, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (aside < 0)
		return cloister_fail(err, errno, "reset", plan->state, "cannot open %s", name);
	if (renameat(state, "upper", aside, "upper") == 0) {
		reset->dropped = true;
	} else if (errno != ENOENT) {
		int code = errno;

		unlinkat(state, name, AT_REMOVEDIR);
		return cloister_fail(err, code, "reset", plan->state, "cannot put the upper directory aside%s",
		                     code == EPERM ? " (immutable? chattr -i)" : "");
	}
	/* Nothing in it outlives the instance that it was of. */
	if (renameat(state, "work", aside, "work") < 0 && errno != ENOENT)
		return cloister_fail(err, errno, "reset", plan->state, "cannot put the work directory aside");
	/* What was dropped must not be there again after a power failure. */
	return fsync(state) < 0 ? cloister_fail(err, errno, "reset", plan->state, "cannot reach the disk") : 0;
}

struct progress {
	struct cloister_overlay_reset *reset;
	uint64_t total;
};

static void show_progress(void *data, uint64_t removed)
{
	const struct progress *progress = data;

	progress->reset->progress(progress->reset->data, removed,
	                          removed > progress->total ? removed : progress->total);
}

static bool is_dropped(const struct dirent *entry)
{
	return strncmp(entry->d_name, DROPPED, sizeof(DROPPED) - 1) == 0;
}

static DIR *read_state(int state)
{
	int fd = openat(state, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);

	if (entries == NULL && fd >= 0)
		close(fd);
	return entries;
}

static int remove_dropped(int state, const struct cloister_plan *plan, struct cloister_overlay_reset *reset,
                          struct cloister_error *err)
{
	struct progress progress = {.reset = reset};
	struct cloister_tree_removal removal = {.progress = reset->progress != NULL ? show_progress : NULL,
	                                        .data = &progress};
	struct cloister_error first = {0};
	int r = 0;
	DIR *entries = read_state(state);

	if (entries == NULL)
		return cloister_fail(err, errno, "reset", plan->state, "cannot read");
	for (struct dirent *entry = readdir(entries); reset->progress != NULL && entry != NULL;
	     entry = readdir(entries))
		progress.total += is_dropped(entry) ? cloister_tree_count(state, entry->d_name) + 1 : 0;
	rewinddir(entries);
	for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
		char name[NAME_MAX + 1];
		struct cloister_error failure = {0};

		if (!is_dropped(entry))
			continue;
		snprintf(name, sizeof(name), "%s", entry->d_name);
		if (cloister_tree_remove(state, name, &removal, &failure) < 0 && r == 0) {
			r = -failure.code;
			cloister_fail(&first, failure.code, "reset", plan->state, "%s: %s: %s", name, failure.path,
			              failure.text);
		}
	}
	closedir(entries);
	reset->removed = removal.removed;
	reset->failed = removal.failed;
	if (reset->progress != NULL && r == 0)
		reset->progress(reset->data, removal.removed, removal.removed);
	if (r < 0 && err != NULL)
		*err = first;
	return r;
}

int cloister_overlay_reset(const struct cloister_plan *plan, struct cloister_overlay_reset *reset,
                           struct cloister_error *err)
{
	if (*plan->state == '\0')
		return cloister_fail(err, EINVAL, "reset", plan->rootfs,
		                     "what %s changes is not kept in an overlay (writable)", plan->user);
	int _cleanup_close_ state = cloister_state_find(plan->state, err);
	if (state == -ENOENT)
		return 0;
	if (state < 0)
		return state;
	int r = cloister_state_lock(state, plan->state, plan->timeout, err);
	if (r == 0)
		r = end_sessions(plan, reset, err);
	if (r == 0)
		r = put_aside(state, plan, reset, err);
	if (r < 0)
		return r;
	/* Logins may come again while the old layer is removed, however long that takes. */
	cloister_state_unlock(state);
	return remove_dropped(state, plan, reset, err);
}
