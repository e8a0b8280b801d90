/* SPDX-License-Identifier: MIT */
/* One superblock for an image, however many sessions are on it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "cloister/cleanup.h"
#include "cloister/control.h"
#include "cloister/image.h"
#include "cloister/lock.h"
#include "cloister/loop_device.h"
#include "cloister/mounts.h"
#include "cloister/path.h"
#include "registry_entries.h"

#define ATTRIBUTES (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
/* How long a session waits for the first one on its image: then it makes a superblock of its own, which costs memory
 * and nothing else. */
#define LOCK_WAIT_MILLIS 1000

/* What the driver wrote into its context's log, as " (text; text)"; "" when it wrote nothing. Each read(2) is one
 * message, "e " before it is its level. */
static void read_messages(int context, char *text, size_t size)
{
	size_t used = 0;
	char message[256];

	*text = '\0';
	for (ssize_t n; (n = read(context, message, sizeof(message) - 1)) > 0;) {
		message[n] = '\0';
		message[strcspn(message, "\n")] = '\0';
		int printed = snprintf(text + used, size - used, "%s%s", used == 0 ? " (" : "; ",
		                       n > 2 && message[1] == ' ' ? message + 2 : message);
		if (printed < 0 || (size_t)printed >= size - used)
			return;
		used += (size_t)printed;
	}
	if (used > 0 && used + 1 < size)
		snprintf(text + used, size - used, ")");
}

static int fail_mount(const char *type, const char *path, int code, const char *messages, struct cloister_error *err)
{
	if (code == ENODEV)
		return cloister_fail(err, code, "image", path, "this kernel has no %s, nor a module of it", type);
	if (code == EPERM || code == EACCES)
		return cloister_fail(err, code, "image", path, "the kernel does not let us mount %s%s", type, messages);
	return cloister_fail(
		err, code, "image", path,
		"the kernel refuses it as %s%s: it is damaged, or has what this kernel does not know; make it "
		"anew, or see the kernel's log",
		type, messages);
}

/*
 * A detached mount of source, a regular file or a block device. The kernel resolves the name of our own descriptor: no
 * path of the host's is looked at a second time. For a block device that is mounted already the kernel gives the same
 * superblock again.
 */
static int mount_source(const char *type, int source, const char *path, struct cloister_error *err)
{
	char name[40], messages[200];
	/* Of root: a type that is not there is asked of modprobe(8) by the kernel, as "fs-" and the type. */
	int _cleanup_close_ context = fsopen(type, FSOPEN_CLOEXEC);

	if (context < 0)
		return fail_mount(type, path, errno, "", err);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", source);
	if (fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "source", name, 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		int code = errno;

		read_messages(context, messages, sizeof(messages));
		return fail_mount(type, path, code, messages, err);
	}
	int mount = fsmount(context, FSMOUNT_CLOEXEC, ATTRIBUTES);
	return mount < 0 ? fail_mount(type, path, errno, "", err) : mount;
}

/*
 * The superblock of a file that is mounted without a device can be reached through a mount of it alone. One that is
 * detached can be cloned from Linux 6.15 on (and from any mount namespace, being fsmount(2)'s own); on others, and
 * where the file's own file system cannot (ENOTBLK: tmpfs, overlay; a kernel before 6.12), a loop device does it.
 */
static int mount_file(struct cloister_image *image, const char *path, struct cloister_error *err)
{
	int _cleanup_close_ mount = mount_source(image->type, image->file, path, err);

	if (mount < 0)
		return mount;
	int _cleanup_close_ clone = cloister_mount_clone(mount, false);
	if (clone < 0)
		return -ENOTBLK;
	image->mount = TAKE_FD(mount);
	return 0;
}

static int mount_device(struct cloister_image *image, const char *path, struct cloister_error *err)
{
	char mark[64];
	/* Of erofs the kernel keeps the files' pages, and needs no second copy of the image's; squashfs reads its small
	 * blocks of metadata over and over, and what is kept of the image saves that. */
	bool direct = strcmp(image->type, "erofs") == 0;

	snprintf(mark, sizeof(mark), "cloister:%s", strchr(strchr(image->identity, ':') + 1, ':') + 1);
	image->device = cloister_loop_device_open(image->file, &image->st, mark, direct, path, err);
	if (image->device < 0)
		return image->device;
	/* Now, so that what is wrong with it is told before anything else is done. */
	int _cleanup_close_ mount = mount_source(image->type, image->device, path, err);
	return mount < 0 ? mount : 0;
}

/* The mount that a live session's init holds. Init is not believed: what it gives must be the root of the very file
 * system that the registry, which is root's, names. */
static int find_held(struct cloister_image *image)
{
	struct cloister_registry_image entry;
	struct statfs fs;
	struct stat st;
	int _cleanup_close_ pidfd = cloister_registry_find_image(image->identity, &entry);

	if (pidfd < 0)
		return -ENOENT;
	int _cleanup_close_ mount = (int)syscall(SYS_pidfd_getfd, pidfd, CLOISTER_IMAGE_FD, 0);
	if (mount < 0 || fstat(mount, &st) < 0 || fstatfs(mount, &fs) < 0 || fs.f_type != EROFS_SUPER_MAGIC_V1 ||
	    st.st_dev != entry.device || st.st_ino != entry.inode)
		return -ENOENT;
	int _cleanup_close_ clone = cloister_mount_clone(mount, false);
	if (clone < 0)
		return -ENOENT;
	image->mount = TAKE_FD(mount);
	return 0;
}

/* A directory that nobody but root can open, so that nobody else can lock it. */
static int lock_images(struct cloister_error *err)
{
	int _cleanup_close_ lock = cloister_registry_open("images", 0700, err);

	if (lock < 0)
		return lock;
	(void)cloister_lock_wait(lock, LOCK_EX, LOCK_WAIT_MILLIS);
	return TAKE_FD(lock);
}

static int mount_new(struct cloister_image *image, const char *path, struct cloister_error *err)
{
	int r = strcmp(image->type, "erofs") == 0 ? mount_file(image, path, err) : -ENOTBLK;

	return r == -ENOTBLK ? mount_device(image, path, err) : r;
}

int cloister_image_prepare(const struct cloister_plan *plan, bool found_only, struct cloister_image *image,
                           struct cloister_error *err)
{
	const struct cloister_row *row = cloister_plan_image(plan);
	struct cloister_error ignored;

	if (row == NULL)
		return 0;
	int r = cloister_image_open(row->source, image, found_only ? &ignored : err);
	if (found_only) {
		if (r == 0)
			find_held(image);
		return 0;
	}
	if (r < 0)
		return r;
	image->lock = lock_images(err);
	if (image->lock < 0)
		return image->lock;
	if (strcmp(image->type, "erofs") != 0 || find_held(image) < 0) {
		r = mount_new(image, row->source, err);
		/* Others find a device at once, and a file-backed mount when its session is registered. */
		if (r == 0 && image->mount >= 0)
			return 0;
	}
	close(TAKE_FD(image->lock));
	return r;
}

void cloister_image_describe(const struct cloister_image *image, char *text, size_t size)
{
	struct stat st;

	*text = '\0';
	if (image != NULL && image->mount >= 0 && fstat(image->mount, &st) == 0)
		snprintf(text, size, "image=%s\nimage_device=%ju\nimage_inode=%ju\n", image->identity,
		         (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
}

int cloister_image_lower(const struct cloister_image *image, const char *path, struct cloister_error *err)
{
	if (image->mount < 0)
		return mount_source(image->type, image->device, path, err);
	int mount = cloister_mount_clone(image->mount, false);
	return mount < 0 ? cloister_fail(err, -mount, "image", path, "cannot clone its mount") : mount;
}
