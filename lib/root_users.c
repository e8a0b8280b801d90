/* SPDX-License-Identifier: MIT */
/* From the session's user namespace into the one in which the user is root. */
#include "cloister/root_users.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/privileges.h"

struct terminals {
	char names[3][64];
};

static void remember_terminals(struct terminals *terminals)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (ttyname_r(fd, terminals->names[fd], sizeof(terminals->names[fd])) != 0)
			terminals->names[fd][0] = '\0';
	}
}

/* By their names in the new tree, or ttyname(3) does not find them. What is not there stays as it is. */
static void reopen_terminals(const struct terminals *terminals)
{
	for (int fd = 0; fd <= 2; fd++) {
		struct stat before, after;

		if (terminals->names[fd][0] == '\0')
			continue;
		int again = open(terminals->names[fd], O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (again < 0)
			continue;
		if (fstat(fd, &before) == 0 && fstat(again, &after) == 0 && before.st_rdev == after.st_rdev &&
		    before.st_dev == after.st_dev && before.st_ino == after.st_ino)
			dup2(again, fd);
		close(again);
	}
}

static int become_root(const struct cloister_inside *inside, const char **step)
{
	uint64_t capabilities = inside->root_capabilities;
	struct cloister_privileges now = {0};

	/* Only those are mapped that the user is in on the host, and the range's own. */
	*step = "groups";
	if (setgroups(inside->n_root_groups, inside->root_groups) < 0)
		return -errno;

	/* The namespace comes with every capability, the bounding set's too: CAP_SETPCAP is there to drop them. */
	*step = "bounding set";
	int r = cloister_drop_bounding_set(capabilities);
	if (r < 0)
		return r;
	*step = "capabilities";
	r = cloister_set_capabilities(capabilities, false);
	if (r == 0)
		r = cloister_privileges_read(&now);
	if (r < 0)
		return r;
	if (((now.permitted | now.effective | now.bounding) & ~capabilities) != 0 ||
	    (now.inheritable | now.ambient) != 0)
		return -EPERM;
	*step = "uid";
	return getuid() == 0 && geteuid() == 0 && getgid() == 0 && getegid() == 0 ? 0 : -EPERM;
}

int cloister_root_users_join(const struct cloister_inside *inside, const char **step)
{
	char directory[PATH_MAX];
	struct terminals terminals;

	*step = CLOISTER_USERS_FILE;
	int _cleanup_close_ users = open(CLOISTER_USERS_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (users < 0)
		return -errno;
	if (getcwd(directory, sizeof(directory)) == NULL)
		snprintf(directory, sizeof(directory), "/");
	remember_terminals(&terminals);
	/* Allowed without a capability: the owner of a user namespace has all of them in it, when in its parent
	 * (user_namespaces(7)). The ids on the host stay what they are. */
	*step = "setns";
	if (setns(users, CLONE_NEWUSER) < 0)
		return -errno;
	*step = "root";
	if (chroot(CLOISTER_USERS_TREE) < 0 || chdir("/") < 0)
		return -errno;
	(void)!chdir(directory);
	reopen_terminals(&terminals);
	return become_root(inside, step);
}
