/* SPDX-License-Identifier: MIT */
/* Project quotas of ext4, xfs and f2fs. */
#include "cloister/project_quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/quota.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

static int quota_control(int fd, int command, uint32_t id, void *argument)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, argument) < 0 ? -errno : 0;
}

static int project_of(int fd, uint32_t *project)
{
	struct fsxattr attributes;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return -errno;
	*project = attributes.fsx_projid;
	return 0;
}

/* FS_XFLAG_PROJINHERIT: what is made in the directory later belongs to the project, too. */
static int join_project(int fd, uint32_t project, bool directory)
{
	struct fsxattr attributes;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return -errno;
	attributes.fsx_projid = project;
	if (directory)
		attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attributes) < 0 ? -errno : 0;
}

static int open_below(int parent, const char *path, int flags)
{
	return cloister_openat2(parent, path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0,
	                        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

/* Directories that are still to be looked at, as paths: the user decides how deep they go. */
struct queue {
	char **paths;
	size_t n, room;
};

static int push(struct queue *queue, const char *directory, const char *name)
{
	if (queue->n == queue->room) {
		size_t room = queue->room * 2 + 64;
		char **paths = reallocarray(queue->paths, room, sizeof(*paths));

		if (paths == NULL)
			return -ENOMEM;
		queue->paths = paths;
		queue->room = room;
	}
	if (asprintf(&queue->paths[queue->n], "%s/%s", directory, name) < 0)
		return -ENOMEM;
	queue->n++;
	return 0;
}

/* Symbolic links and devices have no descriptor to set it by, and weigh one inode; their directory is in the project.
 */
static int join_entry(struct queue *queue, int directory, const char *path, const char *name, uint32_t project)
{
	struct stat st;

	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return push(queue, path, name);
	if (!S_ISREG(st.st_mode))
		return 0;
	int _cleanup_close_ fd = open_below(directory, name, O_RDONLY);
	return fd < 0 ? fd : join_project(fd, project, false);
}

static int join_directory(struct queue *queue, int upper, const char *path, uint32_t project)
{
	int fd = open_below(upper, path, O_RDONLY | O_DIRECTORY);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	int r = fd < 0 ? fd : entries == NULL ? -errno : 0;

	if (entries == NULL) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	for (struct dirent *entry = readdir(entries); r == 0 && entry != NULL; entry = readdir(entries)) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = join_entry(queue, fd, path, entry->d_name, project);
	}
	/* The upper itself comes last: it says that all the rest was done. */
	if (r == 0 && strcmp(path, ".") != 0)
		r = join_project(fd, project, true);
	closedir(entries);
	return r;
}

static int join_tree(int upper, uint32_t project)
{
	struct queue queue = {0};
	int r = join_directory(&queue, upper, ".", project);

	while (queue.n > 0) {
		char _cleanup_free_ *path = queue.paths[--queue.n];

		if (r == 0)
			r = join_directory(&queue, upper, path, project);
	}
	free(queue.paths);
	return r == 0 ? join_project(upper, project, true) : r;
}

static int set_limits(const struct cloister_plan *plan, int directory, uint32_t project)
{
	/* The kernel counts blocks of 1 KiB here; a hard limit of 0 is none. */
	struct if_dqblk limits = {.dqb_bhardlimit = plan->writable_max / 1024 + (plan->writable_max % 1024 != 0),
	                          .dqb_ihardlimit = plan->writable_files_max,
	                          .dqb_valid = QIF_LIMITS};

	return quota_control(directory, Q_SETQUOTA, project, &limits);
}

int cloister_project_quota_check(const struct cloister_plan *plan, int directory, struct cloister_error *err)
{
	struct fs_quota_stat state = {0};
	uint32_t project;

	if (plan->uid >= CLOISTER_PROJECT_BASE)
		return cloister_fail(err, ERANGE, "quota", plan->state, "there is no project for a uid above %u",
		                     CLOISTER_PROJECT_BASE - 1);
	int r = project_of(directory, &project);
	if (r == 0)
		r = quota_control(directory, Q_XGETQSTAT, 0, &state);
	/* ext4 with the feature and without the mount option counts, and lets everything pass. */
	if (r == 0 && !(state.qs_flags & FS_QUOTA_PDQ_ENFD))
		r = -ESRCH;
	if (r == 0)
		return 0;
	return cloister_fail(err, EOPNOTSUPP, "quota", plan->state,
	                     "writable_max and writable_files_max need project quotas on this file system: for ext4 "
	                     "`tune2fs -O project,quota DEVICE` (unmounted) and the mount option prjquota, for xfs the "
	                     "mount option prjquota");
}

int cloister_project_quota_set(const struct cloister_plan *plan, int upper, int work, struct cloister_error *err)
{
	uint32_t project = CLOISTER_PROJECT_BASE + plan->uid, now = 0;
	bool limited = plan->writable_max != 0 || plan->writable_files_max != 0;
	bool known = project_of(upper, &now) == 0;

	if (!limited && (!known || now != project))
		return 0;
	int r = limited ? cloister_project_quota_check(plan, upper, err) : 0;
	if (r < 0)
		return r;
	r = set_limits(plan, upper, project);
	/* Limits that are not asked for any more are lifted; where quotas are off by now, there are none. */
	if (r < 0 && limited)
		return cloister_fail(err, -r, "quota", plan->state, "cannot set the limits of project %u", project);
	r = join_project(work, project, true);
	if (r == 0 && now != project)
		r = join_tree(upper, project);
	return r < 0 ? cloister_fail(err, -r, "quota", plan->state, "cannot put the layers into project %u", project)
	             : 0;
}
