/* SPDX-License-Identifier: MIT */
/* Which namespace a process is in: the kernel's word, in /proc. */
#include "cloister/namespaces.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

const struct cloister_namespace_kind cloister_namespace_kinds[CLOISTER_NAMESPACE_KINDS] = {
	{CLONE_NEWUSER, "user"}, {CLONE_NEWNS, "mnt"},        {CLONE_NEWPID, "pid"}, {CLONE_NEWUTS, "uts"},
	{CLONE_NEWIPC, "ipc"},   {CLONE_NEWCGROUP, "cgroup"}, {CLONE_NEWNET, "net"}};

int cloister_namespace_inode(const char *process, const struct cloister_namespace_kind *kind, uint64_t *inode)
{
	char path[48];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/%s", process, kind->name);
	if (stat(path, &st) < 0)
		return -errno;
	*inode = st.st_ino;
	return 0;
}

const char *cloister_namespaces_hint(int code)
{
	return code == ENOSPC ? " (a limit in /proc/sys/user is reached)" : "";
}
