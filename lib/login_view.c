/* SPDX-License-Identifier: MIT */
/* The login process sees the host, but for the ptys: those are the session's. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/mounts.h"
#include "cloister/namespaces.h"
#include "cloister/terminal.h"

static int cover_ptmx(void)
{
	struct stat st;
	int _cleanup_close_ outer = open("/dev/ptmx", O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (outer < 0 || fstat(outer, &st) < 0)
		return -errno;
	/* A link leads to /dev/pts/ptmx, and that is the session's by now. */
	if (S_ISLNK(st.st_mode))
		return 0;
	int _cleanup_close_ inner = open("/dev/pts/ptmx", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (inner < 0)
		return -errno;
	int _cleanup_close_ mount = cloister_mount_clone(inner, false);
	return mount < 0 ? mount : cloister_mount_attach(mount, outer);
}

static int mount_devpts(const struct cloister_plan *plan, int devpts)
{
	int _cleanup_close_ mount = devpts >= 0 ? fcntl(devpts, F_DUPFD_CLOEXEC, 3) : cloister_devpts_new(plan);
	int _cleanup_close_ target = open("/dev/pts", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (mount < 0)
		return mount;
	if (target < 0)
		return -errno;
	int r = cloister_mount_attach(mount, target);
	if (r == 0)
		r = cover_ptmx();
	return r < 0 ? r : TAKE_FD(mount);
}

int cloister_login_view_enter(const struct cloister_plan *plan, int devpts, struct cloister_login_view *view,
                              struct cloister_error *err)
{
	struct cloister_login_view before = {
		.own_namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC),
		.own_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.own_cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC),
	};

	if (before.own_namespace < 0 || before.own_root < 0) {
		int code = errno;

		cloister_login_view_forget(&before);
		return cloister_fail(err, code, "login view", "/proc/self/ns/mnt", "cannot open");
	}
	if (unshare(CLONE_NEWNS) < 0) {
		int code = errno;

		cloister_login_view_forget(&before);
		return cloister_fail(err, code, "login view", NULL,
		                     "cannot make a mount namespace for the login process%s",
		                     cloister_namespaces_hint(code));
	}
	/* A slave: what the administrator mounts later still arrives, and nothing of ours goes out. */
	int r = cloister_mount_propagation(true);
	int mounted = r < 0 ? r : mount_devpts(plan, devpts);
	if (mounted < 0) {
		cloister_login_view_leave(&before);
		return cloister_fail(err, -mounted, "login view", "/dev/pts", "cannot mount the session's devpts");
	}
	*view = before;
	return mounted;
}

void cloister_login_view_leave(struct cloister_login_view *view)
{
	/* setns(2) to a mount namespace puts root and working directory at its top. */
	if (view->own_namespace >= 0 && setns(view->own_namespace, CLONE_NEWNS) == 0) {
		if (fchdir(view->own_root) == 0 && chroot(".") == 0 && view->own_cwd >= 0)
			(void)!fchdir(view->own_cwd);
	}
	cloister_login_view_forget(view);
}

void cloister_login_view_forget(struct cloister_login_view *view)
{
	if (view->own_namespace >= 0)
		close(view->own_namespace);
	if (view->own_root >= 0)
		close(view->own_root);
	if (view->own_cwd >= 0)
		close(view->own_cwd);
	*view = (struct cloister_login_view){-1, -1, -1};
}
