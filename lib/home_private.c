/* SPDX-License-Identifier: MIT */
/* home = private: a home of the user's own below the state directory, made from the skeleton at the first login. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "cloister/cleanup.h"
#include "cloister/lock.h"
#include "cloister/path.h"
#include "cloister/source.h"
#include "host_child.h"
#include "skeleton.h"

#define NAME "home"
#define HALF_MADE                                                                                           \
	"home.new" /* below the same directory, which is root's alone: nobody else writes or looks in there \
	            */

struct request {
	const struct cloister_plan *plan;
	const struct cloister_row *row;
	int state;
};

static int open_skeleton(const struct cloister_row *row, struct cloister_error *err)
{
	int _cleanup_close_ fd = cloister_path_open_host(row->source, O_DIRECTORY, CLOISTER_PATH_ROOT_OWNED, err);

	/* A machine without one: an empty home, as useradd(8) makes it. */
	if (fd == -ENOENT)
		return -ENOENT;
	if (fd < 0)
		return fd;
	int readable = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return readable < 0 ? cloister_fail(err, errno, "home", row->source, "cannot read the skeleton") : readable;
}

/* Beside, and then renamed: whoever is killed leaves nothing that looks like a home. The user's ids come last. */
static int make_home(const struct request *request, struct cloister_error *err)
{
	const struct cloister_plan *plan = request->plan;
	int state = request->state;

	if (mkdirat(state, HALF_MADE, 0700) < 0) {
		if (errno != EEXIST)
			return cloister_fail(err, errno, "home", request->row->data, "cannot make the directory");
		int r = cloister_skeleton_remove(state, HALF_MADE, err);
		if (r < 0)
			return r;
		if (mkdirat(state, HALF_MADE, 0700) < 0)
			return cloister_fail(err, errno, "home", request->row->data, "cannot make the directory");
	}
	int _cleanup_close_ home = openat(state, HALF_MADE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (home < 0)
		return cloister_fail(err, errno, "home", request->row->data, "cannot open the new home");
	int _cleanup_close_ skeleton = open_skeleton(request->row, err);
	if (skeleton < 0 && skeleton != -ENOENT)
		return skeleton;
	int r = skeleton < 0 ? 0 : cloister_skeleton_copy(skeleton, home, plan->uid, plan->gid, err);
	if (r < 0)
		return r;
	if (fchown(home, plan->uid, plan->gid) < 0 || fchmod(home, 0700) < 0 || fsync(home) < 0 ||
	    syscall(SYS_renameat2, state, HALF_MADE, state, NAME, RENAME_NOREPLACE) < 0)
		return cloister_fail(err, errno, "home", request->row->data, "cannot finish the new home");
	return fsync(state) < 0 ? cloister_fail(err, errno, "home", request->row->data, "cannot reach the disk") : 0;
}

/* In a child, since it writes files under a umask of its own, and a server that hangs must not take the login program
 * along. */
static int make_and_open(const void *argument, struct cloister_error *err)
{
	const struct request *request = argument;
	struct cloister_error ignored = {0};

	umask(077);
	int r = make_home(request, err);
	if (r < 0) {
		cloister_skeleton_remove(request->state, HALF_MADE, &ignored);
		return r;
	}
	int fd = openat(request->state, NAME, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? cloister_fail(err, errno, "home", request->row->data, "cannot open the new home") : fd;
}

/* Two first logins at once make one home. The directory is root's, so no user can hold the lock. */
static int lock(const struct request *request, struct cloister_error *err)
{
	int r = cloister_lock_wait(request->state, LOCK_EX, UINT64_C(1000) * request->plan->timeout);

	if (r == -EWOULDBLOCK)
		return cloister_fail(err, ETIMEDOUT, "home", request->row->data,
		                     "another login of the user is making the home");
	return r < 0 ? cloister_fail(err, -r, "home", request->row->data, "cannot lock") : 0;
}

static int open_made(int state)
{
	int fd = openat(state, NAME, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The user's, or another's whose state directory is the same. */
static int check_owner(const struct cloister_plan *plan, const struct cloister_row *row, int home,
                       struct cloister_error *err)
{
	struct stat st;

	if (home < 0)
		return cloister_fail(err, -home, "home", row->data, "cannot open the private home");
	if (fstat(home, &st) < 0)
		return cloister_fail(err, errno, "home", row->data, "cannot stat the private home");
	if (st.st_uid != plan->uid)
		return cloister_fail(err, EPERM, "home", row->data,
		                     "the private home belongs to uid %u: a state directory without %%U in it?",
		                     st.st_uid);
	return 0;
}

int cloister_private_home_open(const struct cloister_plan *plan, const struct cloister_row *row,
                               struct cloister_error *err)
{
	struct request request = {.plan = plan, .row = row, .state = -1};
	int _cleanup_close_ state = cloister_state_open(row->data, err);

	if (state < 0)
		return state;
	request.state = state;
	int _cleanup_close_ home = open_made(state);
	if (home == -ENOENT) {
		int r = lock(&request, err);
		if (r < 0)
			return r;
		home = open_made(state);
		if (home == -ENOENT)
			home = cloister_child_open(make_and_open, &request, plan->timeout, err);
		if (home < 0)
			return home;
	}
	int r = check_owner(plan, row, home, err);
	return r < 0 ? r : TAKE_FD(home);
}

int cloister_private_home_find(const struct cloister_plan *plan, const struct cloister_row *row,
                               struct cloister_error *err)
{
	int _cleanup_close_ state = cloister_path_open_host(row->data, O_DIRECTORY, CLOISTER_PATH_ROOT_OWNED, err);

	if (state < 0)
		return state;
	int _cleanup_close_ home = open_made(state);
	int r = check_owner(plan, row, home, err);
	return r < 0 ? r : TAKE_FD(home);
}
