/* SPDX-License-Identifier: MIT */
/* What the kernel says at the end, against the plan: the last row before init reports that the session is ready. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/execute.h"
#include "cloister/privileges.h"
#include "cloister/root_users.h"

static int mismatch(const char *what, struct cloister_error *err)
{
	return cloister_fail(err, EPERM, "verify", NULL, "%s", what);
}

static int verify_privileges(const struct cloister_plan *plan, struct cloister_error *err)
{
	struct cloister_privileges now;

	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return mismatch("init stays dumpable", err);
	int r = cloister_privileges_read(&now);
	if (r < 0)
		return cloister_fail(err, -r, "verify", NULL, "cannot read the capabilities");
	if ((now.effective | now.permitted | now.inheritable | now.ambient | now.bounding) != 0)
		return mismatch("init has a capability left", err);
	if (!now.no_new_privs)
		return mismatch("no_new_privs is not set", err);
	if (plan->seccomp && now.seccomp_mode != 2)
		return mismatch("the seccomp filter is not loaded", err);
	if (now.dumpable)
		return mismatch("init is dumpable", err);
	return 0;
}

static int verify_root(const struct cloister_execution *execution, struct cloister_error *err)
{
	struct stat root, here, up;

	if (stat("/", &root) < 0 || stat(".", &here) < 0 || stat("/..", &up) < 0)
		return cloister_fail(err, errno, "verify", "/", "cannot stat");
	if (root.st_dev != execution->root_device || root.st_ino != execution->root_inode)
		return mismatch("/ is not the rootfs", err);
	if (here.st_dev != root.st_dev || here.st_ino != root.st_ino || up.st_dev != root.st_dev ||
	    up.st_ino != root.st_ino)
		return mismatch("the working directory is not /", err);
	return 0;
}

/* The ids of init itself; the login process checks from outside that no namespace is its own. */
static int verify_identity(const struct cloister_plan *plan, struct cloister_error *err)
{
	if (getpid() != 1)
		return mismatch("init is not PID 1 of a namespace of its own", err);
	if (plan->privileged && (plan->namespaces & CLONE_NEWUSER) && (getuid() != 0 || geteuid() != 0))
		return mismatch("init has not become the namespace's root", err);
	return 0;
}

int cloister_carry_verify(struct cloister_execution *execution, const struct cloister_row *row, int source,
                          struct cloister_error *err)
{
	(void)row;
	(void)source;
	int r = verify_privileges(execution->plan, err);
	if (r == 0)
		r = verify_root(execution, err);
	if (r == 0)
		r = verify_identity(execution->plan, err);
	if (r == 0)
		r = cloister_root_users_verify(execution->plan, err);
	return r;
}
