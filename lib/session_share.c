/* SPDX-License-Identifier: MIT */
/* One session for all logins of a user (scope = user): who starts it, and who joins. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "cloister/cleanup.h"
#include "registry_entries.h"

struct search {
	const struct cloister_plan *plan;
	struct cloister_session *found;
	char *changed;
	size_t size;
	struct cloister_error *err;
};

static int try_to_join(const struct cloister_registered *session, void *data)
{
	struct search *search = data;
	struct cloister_error why = {0};

	if (!session->shared || session->uid != search->plan->uid)
		return 0;
	int r = cloister_session_join(search->plan, session->id, session->init, session->pidfd, &search->found, &why);
	if (r == 0)
		return 1;
	if (r == -ESRCH) {
		/* It ended meanwhile. The next one is not to meet its last moments. */
		struct pollfd poller = {.fd = session->pidfd, .events = POLLIN};

		poll(&poller, 1, (int)search->plan->timeout * 1000);
		return 0;
	}
	if (r == -EXDEV) {
		snprintf(search->changed, search->size, "%.*s", CLOISTER_ERROR_TEXT_MAX, why.text);
		return 0;
	}
	return cloister_fail(search->err, why.code, why.step, why.path, "%s", why.text);
}

/* 1 when it has joined, 0 when there is nothing to join, or -errno. */
static int join(const struct cloister_plan *plan, struct cloister_session **out, char *changed, size_t size,
                struct cloister_error *err)
{
	struct search search = {.plan = plan, .changed = changed, .size = size, .err = err};

	*changed = '\0';
	int r = cloister_registry_each(plan->user, try_to_join, &search, err);
	if (r == 1) {
		*out = search.found;
		/* A session that lives long may see many logins that cannot take their entries away. */
		cloister_registry_sweep_logins(plan->user);
	}
	return r;
}

/* The user's own directory in one that is closed to everybody but root: no user can hold the lock. Only taken while a
 * session is started, and away again afterwards. */
struct user_lock {
	int directory;
	int fd;
	char name[16];
};

static int lock_once(struct user_lock *lock, struct cloister_error *err)
{
	struct stat st;

	if (mkdirat(lock->directory, lock->name, 0700) < 0 && errno != EEXIST)
		return cloister_fail(err, errno, "lock", "/run/cloister/locks", "cannot make");
	int _cleanup_close_ fd = openat(lock->directory, lock->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -EAGAIN
		                       : cloister_fail(err, errno, "lock", "/run/cloister/locks", "cannot open");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK || errno == EINTR
		               ? -EAGAIN
		               : cloister_fail(err, errno, "lock", "/run/cloister/locks", "cannot lock");
	/* Its last holder has taken it away: a lock on nothing. */
	if (fstat(fd, &st) < 0 || st.st_nlink == 0)
		return -EAGAIN;
	lock->fd = TAKE_FD(fd);
	return 0;
}

static int lock_user(const struct cloister_plan *plan, struct user_lock *lock, struct cloister_error *err)
{
	const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};

	*lock = (struct user_lock){.fd = -1};
	snprintf(lock->name, sizeof(lock->name), "%u", plan->uid);
	lock->directory = cloister_registry_open("locks", 0700, err);
	if (lock->directory < 0)
		return lock->directory;
	int r = lock_once(lock, err);
	for (uint32_t tries = 0; r == -EAGAIN && tries < plan->timeout * 200; tries++) {
		nanosleep(&pause, NULL);
		r = lock_once(lock, err);
	}
	if (r == -EAGAIN)
		r = cloister_fail(err, ETIMEDOUT, "lock", "/run/cloister/locks",
		                  "another login of the user is starting the session");
	if (r < 0)
		close(lock->directory);
	return r;
}

static void unlock_user(struct user_lock *lock)
{
	unlinkat(lock->directory, lock->name, AT_REMOVEDIR);
	close(lock->fd);
	close(lock->directory);
}

int cloister_session_share(const struct cloister_plan *plan, const char *init_path, struct cloister_session **out,
                           bool *joined, char *changed, size_t size, struct cloister_error *err)
{
	struct user_lock lock;
	int r = join(plan, out, changed, size, err);

	*joined = r == 1;
	if (r != 0)
		return r < 0 ? r : 0;
	r = lock_user(plan, &lock, err);
	if (r < 0)
		return r;
	/* Nobody else starts one now; somebody may have until now. */
	r = join(plan, out, changed, size, err);
	*joined = r == 1;
	if (r == 0)
		r = cloister_session_start_registered(plan, init_path, -1, out, err);
	unlock_user(&lock);
	return r < 0 ? r : 0;
}
