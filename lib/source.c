/* SPDX-License-Identifier: MIT */
/* Opening the host's part of each row. */
#include "cloister/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cloister/cleanup.h"
#include "cloister/mounts.h"
#include "cloister/path.h"

typedef int open_source_function(const struct cloister_plan *plan, const struct cloister_row *row,
                                 const struct cloister_source_context *context, struct cloister_error *err);

static enum cloister_path_trust trust_of(const struct cloister_plan *plan, const struct cloister_row *row)
{
	if (!plan->privileged)
		return CLOISTER_PATH_OWN_RIGHTS;
	if (row->flags & (CLOISTER_ROW_ROOT_ONLY | CLOISTER_ROW_TRUSTED))
		return CLOISTER_PATH_ROOT_OWNED;
	return CLOISTER_PATH_NO_PLANTED_LINKS;
}

int cloister_rootfs_open(const struct cloister_plan *plan, const struct cloister_row *row,
                         const struct cloister_source_context *context, struct cloister_error *err)
{
	int _cleanup_close_ fd = context->image != NULL
	                                 ? cloister_image_lower(context->image, row->source, err)
	                                 : cloister_path_open_host(row->source, O_DIRECTORY, trust_of(plan, row), err);

	if (fd == -ENOENT)
		return cloister_fail(
			err, ENOENT, "rootfs", row->source,
			"the rootfs is missing: make one (mmdebstrap --variant=minbase stable %s), or set rootfs = /",
			row->source);
	if (fd == -ENOTDIR)
		return cloister_fail(err, ENOTDIR, "rootfs", row->source, "neither a directory nor an image file");
	if (fd < 0)
		return fd;
	int r = row->flags & CLOISTER_ROW_TRUSTED ? cloister_rootfs_trusted(fd, row->source, err) : 0;
	return r < 0 ? r : TAKE_FD(fd);
}

/* The idmap shows files of root as root's; a file system that cannot do it shows them as nobody's, which is only less
 * pretty. */
static int idmap_where_possible(int mount, const struct cloister_row *row,
                                const struct cloister_source_context *context)
{
	if (!(row->flags & CLOISTER_ROW_IDMAP) || context->user_namespace < 0)
		return 0;
	int r = cloister_mount_idmap(mount, context->user_namespace);
	return r == -EINVAL || r == -EPERM || r == -EOPNOTSUPP ? 0 : r;
}

static int open_root(const struct cloister_plan *plan, const struct cloister_row *row,
                     const struct cloister_source_context *context, struct cloister_error *err)
{
	int _cleanup_close_ fd = cloister_rootfs_open(plan, row, context, err);
	if (fd < 0)
		return fd;
	/* Recursive in a user's own namespace: a copy without the mounts below, which are locked there, is EINVAL. */
	int _cleanup_close_ mount = cloister_mount_clone(fd, !plan->privileged);
	if (mount < 0)
		return cloister_fail(err, -mount, "rootfs", row->source, "cannot clone the mount");
	int r = idmap_where_possible(mount, row, context);
	if (r == 0)
		r = cloister_mount_restrict(mount, row->attributes, true);
	if (r < 0)
		return cloister_fail(err, -r, "rootfs", row->source, "cannot restrict the mount");
	return TAKE_FD(mount);
}

/* What init keeps of an image, so that later sessions find it. */
static int open_image(const struct cloister_plan *plan, const struct cloister_row *row,
                      const struct cloister_source_context *context, struct cloister_error *err)
{
	(void)plan;
	if (context->image == NULL || context->image->mount < 0)
		return -ENOENT;
	int fd = fcntl(context->image->mount, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? cloister_fail(err, errno, "image", row->source, "no descriptor") : fd;
}

static int open_bind(const struct cloister_plan *plan, const struct cloister_row *row,
                     const struct cloister_source_context *context, struct cloister_error *err)
{
	int _cleanup_close_ fd = row->kind == CLOISTER_ROW_HOME
	                                 ? cloister_private_home_open(plan, row, err)
	                                 : cloister_bind_source_open(plan, row, trust_of(plan, row), err);
	if (fd < 0)
		return fd;
	bool recursive = !(row->flags & CLOISTER_ROW_ALONE);
	int _cleanup_close_ mount = cloister_mount_clone(fd, recursive);
	if (mount < 0)
		return cloister_fail(err, -mount, "bind", row->source, "cannot clone the mount");
	int r = idmap_where_possible(mount, row, context);
	if (r == 0)
		r = cloister_mount_restrict(mount, row->attributes, recursive);
	if (r < 0)
		return cloister_fail(err, -r, "bind", row->source, "cannot restrict the mount");
	return TAKE_FD(mount);
}

/* The numbers of Documentation/admin-guide/devices.txt: a link or another node under the name is refused. */
static bool is_device(const char *path, const struct stat *st)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} devices[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
	               {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};

	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++) {
		if (strcmp(devices[i].path, path) == 0)
			return S_ISCHR(st->st_mode) && major(st->st_rdev) == devices[i].major &&
			       minor(st->st_rdev) == devices[i].minor;
	}
	return false;
}

static int open_node(const struct cloister_plan *plan, const struct cloister_row *row,
                     const struct cloister_source_context *context, struct cloister_error *err)
{
	const char *step = cloister_row_name(row->kind);
	struct stat st;

	(void)context;
	int _cleanup_close_ fd = cloister_path_open_host(row->source, 0, trust_of(plan, row), err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return cloister_fail(err, errno, step, row->source, "cannot stat");
	bool right = row->kind == CLOISTER_ROW_TERMINAL ? S_ISCHR(st.st_mode) : is_device(row->source, &st);
	if (!right)
		return cloister_fail(err, ENODEV, step, row->source, "not the device that it should be");
	int _cleanup_close_ mount = cloister_mount_clone(fd, false);
	if (mount < 0)
		return cloister_fail(err, -mount, step, row->source, "cannot clone the mount");
	int r = cloister_mount_restrict(mount, row->attributes, false);
	if (r < 0)
		return cloister_fail(err, -r, step, row->source, "cannot restrict the mount");
	return TAKE_FD(mount);
}

static int open_devpts(const struct cloister_plan *plan, const struct cloister_row *row,
                       const struct cloister_source_context *context, struct cloister_error *err)
{
	int mount;

	(void)plan;
	if (context->devpts >= 0) {
		/* Attached, it is copied; detached, a copy is EINVAL before Linux 6.15, and the mount itself is handed
		 * over. */
		mount = cloister_mount_clone(context->devpts, false);
		if (mount == -EINVAL)
			mount = fcntl(context->devpts, F_DUPFD_CLOEXEC, 3);
	} else {
		mount = cloister_mount_new("devpts", row->data, row->attributes);
	}
	if (mount < 0)
		return cloister_fail(err, -mount, "devpts", row->target, "cannot make the session's devpts");
	return mount;
}

/* Not there, or not to be read by just anybody: a name more or less is no reason to keep people out. That there is no
 * memory for it is one. */
static bool is_no_file(int code)
{
	return code == -ENOENT || code == -ENOTDIR || code == -ELOOP || code == -EACCES || code == -EPERM;
}

static int open_copy(const struct cloister_plan *plan, const struct cloister_row *row,
                     const struct cloister_source_context *context, struct cloister_error *err)
{
	struct stat st;
	struct cloister_error why = {0};

	(void)context;
	int _cleanup_close_ found = cloister_path_open_host(row->source, 0, trust_of(plan, row), &why);
	if (found < 0)
		return is_no_file(found) ? -ENOENT : cloister_fail(err, why.code, "copy", row->source, "%s", why.text);
	if (fstat(found, &st) < 0)
		return cloister_fail(err, errno, "copy", row->source, "cannot stat");
	/* Looked at before it is opened for reading: opening a FIFO would wait, and a device might do anything. */
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	char path[40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", found);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? cloister_fail(err, errno, "copy", row->source, "cannot read") : fd;
}

/* The file of the inner user namespace: a mount of nsfs may be cloned from anywhere (open_tree(2), of a descriptor). */
static int open_users(const struct cloister_plan *plan, const struct cloister_row *row,
                      const struct cloister_source_context *context, struct cloister_error *err)
{
	(void)plan;
	int _cleanup_close_ mount = cloister_mount_clone(context->user_namespace, false);
	if (mount < 0)
		return cloister_fail(err, -mount, "users", row->target, "cannot clone the namespace's file");
	int r = cloister_mount_restrict(mount, row->attributes, false);
	return r < 0 ? cloister_fail(err, -r, "users", row->target, "cannot restrict the mount") : TAKE_FD(mount);
}

static open_source_function *const openers[CLOISTER_ROW_KINDS] = {
	[CLOISTER_ROW_ROOT] = open_root,     [CLOISTER_ROW_OVERLAY] = cloister_overlay_open,
	[CLOISTER_ROW_BIND] = open_bind,     [CLOISTER_ROW_DEVICE] = open_node,
	[CLOISTER_ROW_TERMINAL] = open_node, [CLOISTER_ROW_DEVPTS] = open_devpts,
	[CLOISTER_ROW_COPY] = open_copy,     [CLOISTER_ROW_USERS] = open_users,
	[CLOISTER_ROW_IMAGE] = open_image,   [CLOISTER_ROW_HOME] = open_bind,
	[CLOISTER_ROW_RESOLVER] = open_copy,
};

void cloister_leftovers_add(struct cloister_leftovers *leftovers, int fd)
{
	if (leftovers != NULL && leftovers->n < CLOISTER_LEFTOVERS_MAX)
		leftovers->fds[leftovers->n++] = fd;
	else if (fd >= 0)
		close(fd);
}

void cloister_leftovers_close(struct cloister_leftovers *leftovers)
{
	while (leftovers->n > 0)
		close(leftovers->fds[--leftovers->n]);
}

void cloister_sources_close(int *sources, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sources[i] >= 0)
			close(sources[i]);
		sources[i] = -1;
	}
}

int cloister_sources_open(const struct cloister_plan *plan, const struct cloister_source_context *context, int *sources,
                          struct cloister_error *err)
{
	for (size_t i = 0; i < plan->n_rows; i++)
		sources[i] = -1;
	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];

		if (openers[row->kind] == NULL || (row->kind == CLOISTER_ROW_DEVPTS && !plan->privileged))
			continue;
		int fd = openers[row->kind](plan, row, context, err);
		if (fd == -ENOENT && (row->kind == CLOISTER_ROW_COPY || row->kind == CLOISTER_ROW_RESOLVER ||
		                      row->kind == CLOISTER_ROW_IMAGE))
			continue;
		if (fd < 0) {
			cloister_sources_close(sources, plan->n_rows);
			return fd;
		}
		sources[i] = fd;
	}
	return 0;
}
