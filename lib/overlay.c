/* SPDX-License-Identifier: MIT */
/* The overlay of a session: the rootfs below, what the user changes above, on a state directory or a tmpfs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "cloister/cleanup.h"
#include "cloister/mounts.h"
#include "cloister/overlay.h"
#include "cloister/privileges.h"
#include "cloister/project_quota.h"
#include "cloister/source.h"
#include "cloister/tree.h"
#include "host_child.h"
#include "overlay_state.h"

/* What can be told before the kernel says EINVAL, or worse: without extended attributes it mounts, and a directory that
 * was removed and made again cannot be marked as such later (EIO inside). */
static int check_upper_file_system(int upper, const char *place, struct cloister_error *err)
{
	struct statfs fs;
	struct statvfs flags;
	char value[2];

	if (fstatfs(upper, &fs) < 0 || fstatvfs(upper, &flags) < 0)
		return cloister_fail(err, errno, "overlay", place, "cannot tell what file system the layers are on");
	if (fs.f_type == OVERLAYFS_SUPER_MAGIC)
		return cloister_fail(err, EINVAL, "overlay", place,
		                     "the layers are on an overlay themselves, which the kernel cannot do: "
		                     "set state to a directory of a disk's file system");
	if (fs.f_type == NFS_SUPER_MAGIC)
		return cloister_fail(err, EINVAL, "overlay", place,
		                     "the layers are on NFS, which the kernel cannot do: "
		                     "set state to a directory of a local file system");
	if (flags.f_flag & ST_RDONLY)
		return cloister_fail(err, EROFS, "overlay", place, "the layers are on a read-only file system");
	if (fgetxattr(upper, "trusted.overlay.opaque", value, sizeof(value)) < 0 &&
	    (errno == EOPNOTSUPP || errno == ENOTSUP))
		return cloister_fail(err, EOPNOTSUPP, "overlay", place,
		                     "the file system has no extended attributes (trusted.*), which an overlay needs");
	return 0;
}

/* The root of an overlay shows the upper's owner and mode: they must be those of the rootfs. */
static int make_upper(int state, int lower, const char *place, struct cloister_error *err)
{
	struct stat st;

	if (fstat(lower, &st) < 0)
		return cloister_fail(err, errno, "overlay", place, "cannot stat the rootfs");
	int _cleanup_close_ upper = cloister_own_directory(state, "upper", 0755, true);
	if (upper == -EPERM) /* the rootfs, and so the upper, belongs to the user */
		upper = openat(state, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (upper < 0)
		return cloister_fail(err, upper == -1 ? errno : -upper, "overlay", place, "upper: %s",
		                     cloister_own_directory_text(upper == -1 ? errno : upper));
	int r = check_upper_file_system(upper, place, err);
	if (r < 0)
		return r;
	if (fchown(upper, st.st_uid, st.st_gid) < 0 || fchmod(upper, st.st_mode & 07777) < 0)
		return cloister_fail(err, errno, "overlay", place, "upper: cannot set owner and mode");
	return TAKE_FD(upper);
}

/*
 * A new one for each instance. The kernel cleans what a crash has left in the old one two levels deep, and refuses
 * others ("incompat", a directory that it cannot remove); nothing in it is of use to the next instance.
 */
static int make_work(int state, const char *place, struct cloister_error *err)
{
	struct cloister_error left = {0};

	int r = cloister_tree_remove(state, "work", NULL, &left);
	if (r < 0)
		return cloister_fail(err, -r, "overlay", place,
		                     "work: cannot remove what an earlier session left: %s: %s", left.path, left.text);
	int work = cloister_own_directory(state, "work", 0700, true);
	return work < 0 ? cloister_fail(err, -work, "overlay", place, "work: %s", cloister_own_directory_text(work))
	                : work;
}

static int make_layers(const struct cloister_plan *plan, int state, int lower, struct cloister_error *err)
{
	const char *place = *plan->state != '\0' ? plan->state : "tmpfs";

	int _cleanup_close_ upper = make_upper(state, lower, place, err);
	if (upper < 0)
		return upper;
	int _cleanup_close_ work = make_work(state, place, err);
	if (work < 0)
		return work;
	/* Before anything is written through the overlay: what is made in a directory belongs to its project. */
	return *plan->state != '\0' ? cloister_project_quota_set(plan, upper, work, err) : 0;
}

/* An image's is mounted anew: its mount is detached, too. */
static int clone_lower(const struct cloister_row *row, const struct cloister_source_context *context, int lower_fd)
{
	return context->image != NULL ? cloister_image_lower(context->image, row->source, NULL)
	                              : cloister_mount_clone(lower_fd, false);
}

static int idmap_layers(int low, int up, int user_namespace)
{
	int r = cloister_mount_idmap(low, user_namespace);

	return r < 0 ? r : cloister_mount_idmap(up, user_namespace);
}

/* Both layers idmapped, or neither: a file copied up must keep its owner. *unable: the file systems cannot be. That
 * something else has failed must not decide whose the files are. */
static int open_layers(const struct cloister_plan *plan, const struct cloister_row *row,
                       const struct cloister_source_context *context, int lower_fd, int upper_fd, int user_namespace,
                       int *lower, int *upper, bool *unable)
{
	int _cleanup_close_ low = clone_lower(row, context, lower_fd);
	if (low < 0)
		return low;
	/* The tmpfs is detached already, and a detached mount can be cloned from Linux 6.15 on only. */
	int _cleanup_close_ up =
		*plan->state != '\0' ? cloister_mount_clone(upper_fd, false) : fcntl(upper_fd, F_DUPFD_CLOEXEC, 3);
	if (up < 0)
		return *plan->state != '\0' ? up : -errno;
	if (user_namespace >= 0) {
		int r = idmap_layers(low, up, user_namespace);
		*unable = r == -EINVAL || r == -EPERM || r == -EOPNOTSUPP;
		if (r < 0)
			return r;
	}
	int r = cloister_mount_restrict(low, row->attributes, false);
	if (r < 0)
		return r;
	*lower = TAKE_FD(low);
	*upper = TAKE_FD(up);
	return 0;
}

/* Linux takes layers as descriptors from 6.13 on; before, the same descriptors by their /proc names. */
static int set_layer(int context, const char *key, const char *old_key, int fd)
{
	char path[40];

	if (fsconfig(context, FSCONFIG_SET_FD, key, NULL, fd) == 0)
		return 0;
	/* EOPNOTSUPP: an overlay of before 6.5 takes strings alone. */
	if (errno != EINVAL && errno != EBADF && errno != EOPNOTSUPP)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fsconfig(context, FSCONFIG_SET_STRING, old_key, path, 0) < 0 ? -errno : 0;
}

/*
 * The overlay keeps the credentials of whoever creates it. With idmapped layers their fsuid must be one that the map
 * knows: host uid 0 has no number in the layers, and the work directory could not be made. By raw calls, since glibc's
 * would tell every thread.
 */
static int create_overlay(int context, uint32_t fsuid, uint32_t fsgid)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct before[_LINUX_CAPABILITY_U32S_3];
	int r = 0;

	if (syscall(SYS_capget, &header, before) < 0)
		return -errno;
	const uid_t old_uid = (uid_t)syscall(SYS_setfsuid, -1);
	const gid_t old_gid = (gid_t)syscall(SYS_setfsgid, -1);
	r = cloister_set_file_ids(fsuid, fsgid);
	/* setfsuid(2) away from 0 takes the file capabilities out of the effective set. */
	if (r == 0 &&
	    (syscall(SYS_capset, &header, before) < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0))
		r = -errno;
	int back = cloister_set_file_ids(old_uid, old_gid);
	if (back == 0 && syscall(SYS_capset, &header, before) < 0)
		back = -errno;
	return r < 0 ? r : back;
}

/*
 * What the kernel's build, or a module parameter, may have switched on otherwise. With redirect_dir a directory that
 * was renamed, and with metacopy a file whose owner was changed, is only a reference into the rootfs: what is in it
 * changes or goes away with an upgrade, a hostile upper could refer to anything there, and `cloister diff` and a copy
 * of the upper would not have it. index ties the upper to one inode of the rootfs, so that a replaced rootfs is ESTALE.
 * With all three off an upper is complete, and rename(2) of a directory of the rootfs is EXDEV, which mv(1) copes with.
 */
static int set_features(int context)
{
	static const struct {
		const char *key, *value;
	} features[] = {{"redirect_dir", "nofollow"}, {"metacopy", "off"}, {"index", "off"}};

	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
		if (fsconfig(context, FSCONFIG_SET_STRING, features[i].key, features[i].value, 0) < 0)
			return -errno;
	}
	return 0;
}

/* Where the work directory cannot be used (no inode left for one), the kernel mounts the overlay read-only and says so
 * in its log alone. */
static int check_writable(int mount, const char *place, struct cloister_error *err)
{
	struct statvfs flags;

	if (fstatvfs(mount, &flags) < 0)
		return cloister_fail(err, errno, "overlay", place, "cannot look at the overlay");
	if (flags.f_flag & ST_RDONLY)
		return cloister_fail(err, ENOSPC, "overlay", place,
		                     "the kernel cannot make its work directory, and the overlay would be read-only: "
		                     "the file system or a quota is full");
	return 0;
}

struct layers {
	const struct cloister_plan *plan;
	const struct cloister_row *row;
	int lower, upper;
	bool idmapped;
};

static int mount_layers(const struct layers *layers, struct cloister_error *err)
{
	const struct cloister_plan *plan = layers->plan;
	const struct cloister_row *row = layers->row;
	/* Of whoever is 0 on the layers. */
	uint32_t root_uid = plan->root_inside ? plan->uid : cloister_id_map_outside(&plan->uid_map, 0);
	uint32_t root_gid = plan->root_inside ? plan->gid : cloister_id_map_outside(&plan->gid_map, 0);
	uint32_t fsuid = layers->idmapped ? root_uid : 0;
	uint32_t fsgid = layers->idmapped ? root_gid : 0;
	const char *place = *plan->state != '\0' ? plan->state : "on a tmpfs";
	char says[300];
	int _cleanup_close_ context = fsopen("overlay", FSOPEN_CLOEXEC);
	int _cleanup_close_ upper_dir = openat(layers->upper, "upper", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int _cleanup_close_ work_dir = openat(layers->upper, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (context < 0 || upper_dir < 0 || work_dir < 0)
		return cloister_fail(err, errno, "overlay", row->source, "cannot prepare the overlay");
	int r = set_layer(context, "lowerdir+", "lowerdir", layers->lower);
	if (r == 0)
		r = set_layer(context, "upperdir", "upperdir", upper_dir);
	if (r == 0)
		r = set_layer(context, "workdir", "workdir", work_dir);
	if (r == 0)
		r = set_features(context);
	if (r == 0 && fsconfig(context, FSCONFIG_SET_STRING, "source", "cloister", 0) < 0)
		r = -errno;
	if (r == 0)
		r = create_overlay(context, fsuid, fsgid);
	if (r < 0)
		return cloister_fail(err, -r, "overlay", row->source, "the kernel refuses the overlay (state %s)%s%s",
		                     place, cloister_mount_says(context, says, sizeof(says)) > 0 ? ": " : "", says);
	int _cleanup_close_ mount = fsmount(context, FSMOUNT_CLOEXEC, (unsigned)row->attributes);
	if (mount < 0)
		return cloister_fail(err, errno, "overlay", row->source, "cannot mount the overlay");
	r = check_writable(mount, place, err);
	return r < 0 ? r : TAKE_FD(mount);
}

/*
 * Until Linux 6.15 the kernel makes an overlay only of layers that are in the caller's mount namespace (EINVAL, "failed
 * to clone lowerpath"). A child has one of its own, in which nobody else can be; it goes with the child, and the
 * overlay keeps what it needs of the layers.
 */
static int mount_attached_layers(const void *argument, struct cloister_error *err)
{
	const struct layers *layers = argument;
	const char *place = layers->row->source;

	if (unshare(CLONE_NEWNS) < 0)
		return cloister_fail(err, errno, "overlay", place, "cannot make a mount namespace for the layers");
	int r = cloister_mount_propagation(false);
	int _cleanup_close_ root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r < 0 || root < 0)
		return cloister_fail(err, r < 0 ? -r : errno, "overlay", place, "cannot place the layers");
	r = cloister_mount_attach(layers->lower, root);
	if (r == 0)
		r = cloister_mount_attach(layers->upper, root);
	return r < 0 ? cloister_fail(err, -r, "overlay", place, "cannot place the layers") : mount_layers(layers, err);
}

/* What was changed counts as much as the rootfs: the user, or code from an untrusted rootfs, may have been root over it
 * with another configuration. */
static int check_changes(const struct cloister_plan *plan, const struct cloister_row *row, struct cloister_error *err)
{
	if (!(row->flags & CLOISTER_ROW_TRUSTED) || *plan->state == '\0')
		return 0;
	int _cleanup_close_ state = cloister_state_open(plan->state, err);
	if (state < 0)
		return state;
	int _cleanup_close_ upper = openat(state, "upper", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (upper < 0)
		return errno == ENOENT ? 0 : cloister_fail(err, errno, "state", plan->state, "cannot open upper");
	return cloister_rootfs_trusted(upper, plan->state, err);
}

/* By whatever name (a bind mount, a link): root inside would be the owner of the host's secrets in it. */
static bool is_host_root(int rootfs)
{
	struct stat host, st;

	return stat("/", &host) < 0 || fstat(rootfs, &st) < 0 || (st.st_dev == host.st_dev && st.st_ino == host.st_ino);
}

int cloister_overlay_open(const struct cloister_plan *plan, const struct cloister_row *row,
                          const struct cloister_source_context *context, struct cloister_error *err)
{
	bool idmapped = (row->flags & CLOISTER_ROW_IDMAP) && context->user_namespace >= 0, unable = false;
	int _cleanup_close_ lower = -1, upper = -1;

	int r = check_changes(plan, row, err);
	if (r < 0)
		return r;
	/* Two overlays on one upper are undefined (Documentation/filesystems/overlayfs.rst): sessions share one
	 * instance. */
	if (context->shared_root >= 0) {
		int fd = fcntl(context->shared_root, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? cloister_fail(err, errno, "overlay", row->source, "no descriptor") : fd;
	}
	int _cleanup_close_ lower_fd = cloister_rootfs_open(plan, row, context, err);
	if (lower_fd < 0)
		return lower_fd;
	if (plan->root_inside && is_host_root(lower_fd))
		return cloister_fail(err, EPERM, "rootfs", row->source,
		                     "users = root needs a rootfs of its own, and this is the host's /");
	int _cleanup_close_ upper_fd = *plan->state != '\0' ? cloister_state_open(plan->state, err)
	                                                    : cloister_mount_new("tmpfs", row->data, 0);
	if (upper_fd < 0)
		return *plan->state != '\0' ? upper_fd
		                            : cloister_fail(err, -upper_fd, "overlay", "tmpfs", "cannot mount");
	r = make_layers(plan, upper_fd, lower_fd, err);
	if (r < 0)
		return r;
	r = open_layers(plan, row, context, lower_fd, upper_fd, idmapped ? context->user_namespace : -1, &lower, &upper,
	                &unable);
	if (unable && plan->root_inside)
		return cloister_fail(err, -r, "overlay", row->source,
		                     "users = root needs idmapped mounts, which the file system of the rootfs or of "
		                     "state cannot be");
	if (unable) {
		idmapped = false;
		r = open_layers(plan, row, context, lower_fd, upper_fd, -1, &lower, &upper, &unable);
	}
	if (r < 0)
		return cloister_fail(err, -r, "overlay", row->source, "cannot clone the layers");
	const struct layers layers = {plan, row, lower, upper, idmapped};
	r = mount_layers(&layers, err);
	if (r == -EINVAL)
		r = cloister_child_open(mount_attached_layers, &layers, plan->timeout, err);
	/* The overlay has copies of its own. */
	cloister_leftovers_add(context->leftovers, TAKE_FD(lower));
	cloister_leftovers_add(context->leftovers, TAKE_FD(upper));
	if (*plan->state == '\0')
		cloister_leftovers_add(context->leftovers, TAKE_FD(upper_fd));
	if (context->image != NULL)
		cloister_leftovers_add(context->leftovers, TAKE_FD(lower_fd));
	return r;
}

int cloister_overlay_check_place(const struct cloister_plan *plan, int directory, struct cloister_error *err)
{
	bool limited = plan->writable_max != 0 || plan->writable_files_max != 0;

	int r = check_upper_file_system(directory, plan->state, err);
	return r == 0 && limited ? cloister_project_quota_check(plan, directory, err) : r;
}
