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

#include "cloister/array.h"
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

/* A directory that is still to be looked at: a step from the one that it is in, since a path to it could be longer than
 * PATH_MAX. The user decides how deep they go. */
struct step {
	size_t level; /* of the directory it is in */
	char *name;
};

struct walk {
	uint32_t project;
	struct step *left;
	size_t n, room;
	int at; /* the directory that is being looked at; upper is level 0 */
	size_t level;
	ino_t *way; /* the inode numbers down to it, without its own */
	size_t way_room;
};

static int push(struct walk *walk, const char *name)
{
	struct step *left = cloister_array_grow(walk->left, &walk->room, walk->n, sizeof(*left));

	if (left == NULL)
		return -ENOMEM;
	walk->left = left;
	left[walk->n] = (struct step){.level = walk->level, .name = strdup(name)};
	if (left[walk->n].name == NULL)
		return -ENOMEM;
	walk->n++;
	return 0;
}

/* Symbolic links and devices have no descriptor to set it by, and weigh one inode; their directory is in the project.
 */
static int join_entry(struct walk *walk, const char *name)
{
	struct stat st;

	if (fstatat(walk->at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return push(walk, name);
	if (!S_ISREG(st.st_mode))
		return 0;
	int _cleanup_close_ fd = open_below(walk->at, name, O_RDONLY);
	return fd < 0 ? fd : join_project(fd, walk->project, false);
}

static int join_entries(struct walk *walk)
{
	int fd = openat(walk->at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	int r = entries == NULL ? -errno : 0;

	if (entries == NULL) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	for (struct dirent *entry = readdir(entries); r == 0 && entry != NULL; entry = readdir(entries)) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = join_entry(walk, entry->d_name);
	}
	closedir(entries);
	return r;
}

static void move_to(struct walk *walk, int directory, size_t level)
{
	close(walk->at);
	walk->at = directory;
	walk->level = level;
}

static int go_up(struct walk *walk)
{
	struct stat st;
	int _cleanup_close_ parent = openat(walk->at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (parent < 0 || fstat(parent, &st) < 0)
		return -errno;
	/* Nobody should be in the layer yet. A directory that was moved meanwhile would lead out of it. */
	if (st.st_ino != walk->way[walk->level - 1])
		return -ESTALE;
	move_to(walk, TAKE_FD(parent), walk->level - 1);
	return 0;
}

static int go_down(struct walk *walk, const char *name)
{
	struct stat st;
	ino_t *way = cloister_array_grow(walk->way, &walk->way_room, walk->level, sizeof(*way));

	if (way == NULL)
		return -ENOMEM;
	walk->way = way;
	if (fstat(walk->at, &st) < 0)
		return -errno;
	way[walk->level] = st.st_ino;
	int next = open_below(walk->at, name, O_RDONLY | O_DIRECTORY);
	if (next < 0)
		return next;
	move_to(walk, next, walk->level + 1);
	return 0;
}

static int take_step(struct walk *walk, const struct step *step)
{
	int r = 0;

	while (r == 0 && walk->level > step->level)
		r = go_up(walk);
	if (r == 0)
		r = go_down(walk, step->name);
	if (r == 0)
		r = join_entries(walk);
	return r == 0 ? join_project(walk->at, walk->project, true) : r;
}

static int join_tree(int upper, uint32_t project)
{
	struct walk walk = {.project = project, .at = openat(upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	int r = walk.at < 0 ? -errno : join_entries(&walk);

	while (walk.n > 0) {
		struct step step = walk.left[--walk.n];

		if (r == 0)
			r = take_step(&walk, &step);
		free(step.name);
	}
	free(walk.left);
	free(walk.way);
	if (walk.at >= 0)
		close(walk.at);
	/* The upper itself comes last: it says that all the rest was done. */
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
