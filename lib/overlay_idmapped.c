/* SPDX-License-Identifier: MIT */
/* Whether the layers of an overlay would be idmapped: the kernel is asked, with a user namespace made for the question.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/mounts.h"
#include "cloister/overlay.h"
#include "spawn.h"

/* A user namespace is had by a process in it alone; once it is open, nobody need be in it. */
static int make_user_namespace(const struct cloister_plan *plan, struct cloister_error *err)
{
	char path[40];
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER, NULL, NULL, NULL, 0);

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (pid < 0)
		return cloister_fail(err, errno, "overlay", NULL, "cannot make a user namespace");
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	int r = cloister_write_maps(plan, pid, err);
	int _cleanup_close_ fd = r == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (r == 0 && fd < 0)
		r = cloister_fail(err, errno, "overlay", path, "cannot open");
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return r < 0 ? r : TAKE_FD(fd);
}

/* 1, 0 or -errno. */
static int can_be_idmapped(int mount, int user_namespace)
{
	int r = mount < 0 ? mount : cloister_mount_idmap(mount, user_namespace);

	if (r == -EINVAL || r == -EPERM || r == -EOPNOTSUPP)
		return 0;
	return r < 0 ? r : 1;
}

int cloister_overlay_is_idmapped(const struct cloister_plan *plan, int lower, int state, struct cloister_error *err)
{
	int _cleanup_close_ user_namespace = make_user_namespace(plan, err);
	if (user_namespace < 0)
		return user_namespace;
	int _cleanup_close_ upper =
		state >= 0 ? cloister_mount_clone(state, false) : cloister_mount_new("tmpfs", NULL, 0);
	int r = can_be_idmapped(lower, user_namespace);
	if (r > 0)
		r = can_be_idmapped(upper, user_namespace);
	return r < 0 ? cloister_fail(err, -r, "overlay", plan->state, "cannot ask whether layers can be idmapped") : r;
}
