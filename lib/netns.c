/* SPDX-License-Identifier: MIT */
/* Network namespaces that have a name. */
#include "cloister/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"

#define OWN "/proc/thread-self/ns/net"

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int check(int fd, const char *path, struct cloister_error *err)
{
	struct stat own, st;

	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return cloister_fail(err, EINVAL, "network", path, "not a network namespace");
	if (fstat(fd, &st) < 0 || stat(OWN, &own) < 0)
		return cloister_fail(err, errno, "network", path, "cannot stat");
	if (same(&own, &st))
		return cloister_fail(err, EINVAL, "network", path,
		                     "this is the host's own network namespace: network = host says so");
	return 0;
}

int cloister_netns_open(const char *name, struct cloister_error *err)
{
	char path[96], reopened[40];
	struct statfs file_system;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	int _cleanup_close_ found = cloister_path_open_host(path, 0, CLOISTER_PATH_ROOT_OWNED, err);
	if (found == -ENOENT)
		return cloister_fail(err, ENOENT, "network", path,
		                     "there is no such network namespace (ip netns add %s)", name);
	if (found < 0)
		return found;
	/* Before it is opened for real: a file of nsfs cannot block. */
	if (fstatfs(found, &file_system) < 0 || file_system.f_type != NSFS_MAGIC)
		return cloister_fail(err, EINVAL, "network", path, "not a network namespace");
	snprintf(reopened, sizeof(reopened), "/proc/self/fd/%d", found);
	int _cleanup_close_ fd = open(reopened, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cloister_fail(err, errno, "network", path, "cannot open");
	int r = check(fd, path, err);
	return r < 0 ? r : TAKE_FD(fd);
}

int cloister_netns_verify(int netns, pid_t pid, struct cloister_error *err)
{
	char path[40];
	struct stat wanted, st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	if (fstat(netns, &wanted) < 0 || stat(path, &st) < 0)
		return cloister_fail(err, errno, "network", path, "cannot stat");
	return same(&wanted, &st) ? 0 : cloister_fail(err, EXDEV, "network", path, "another network namespace");
}

int cloister_netns_enter(int netns, int *back, struct cloister_error *err)
{
	int _cleanup_close_ own = open(OWN, O_RDONLY | O_CLOEXEC);

	if (own < 0)
		return cloister_fail(err, errno, "network", OWN, "cannot open");
	if (setns(netns, CLONE_NEWNET) < 0)
		return cloister_fail(err, errno, "network", NULL, "cannot enter the network namespace");
	*back = TAKE_FD(own);
	return 0;
}
