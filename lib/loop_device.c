/* SPDX-License-Identifier: MIT */
/*
 * Loop devices. The kernel's own state is all the state there is: a device of ours is known by its backing inode and by
 * the name that it was given, and goes by itself (LO_FLAGS_AUTOCLEAR) when nobody uses it.
 */
#include "cloister/loop_device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"

#define CONTROL       "/dev/loop-control"
#define CONTROL_MINOR 237 /* Documentation/admin-guide/devices.txt */
#define OUR_FLAGS     (LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR)
#define TRIES         64

/* What is being made into a device. */
struct backing {
	int file;
	const struct stat *st;
	const char *mark;
	uint32_t flags;
};

static int open_dev(struct cloister_error *err)
{
	int _cleanup_close_ path = cloister_path_open_host("/dev", O_DIRECTORY, CLOISTER_PATH_ROOT_OWNED, err);

	if (path < 0)
		return path;
	int fd = openat(path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? cloister_fail(err, errno, "loop", "/dev", "cannot read") : fd;
}

/* Opens a node for real only after its kind and number were looked at: another one may do anything when it is opened.
 */
static int open_node(int dev, const char *name, mode_t kind, unsigned node_major)
{
	struct stat st;
	char path[40];
	int _cleanup_close_ node = openat(dev, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (node < 0)
		return -errno;
	if (fstat(node, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != kind || major(st.st_rdev) != node_major ||
	    (kind == S_IFCHR && minor(st.st_rdev) != CONTROL_MINOR))
		return -ENODEV;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", node);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* While the descriptor is open the device cannot be cleared and become another file's: what is read stays true. */
static bool is_of(int device, const struct backing *backing)
{
	struct loop_info64 info = {0};

	return ioctl(device, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == backing->st->st_dev &&
	       info.lo_inode == backing->st->st_ino && info.lo_offset == 0 && info.lo_sizelimit == 0 &&
	       (info.lo_flags & OUR_FLAGS) == OUR_FLAGS && info.lo_encrypt_type == 0 &&
	       strncmp((const char *)info.lo_file_name, backing->mark, sizeof(info.lo_file_name)) == 0;
}

static int find(int dev, const struct backing *backing)
{
	int copy = fcntl(dev, F_DUPFD_CLOEXEC, 3);
	DIR *directory = copy < 0 ? NULL : fdopendir(copy);

	if (directory == NULL) {
		int code = errno;

		if (copy >= 0)
			close(copy);
		return -code;
	}
	int found = -ENOENT;
	for (struct dirent *entry; found < 0 && (entry = readdir(directory)) != NULL;) {
		const char *number = entry->d_name + strlen("loop");

		if (strncmp(entry->d_name, "loop", strlen("loop")) != 0 || *number == '\0' ||
		    number[strspn(number, "0123456789")] != '\0')
			continue;
		int _cleanup_close_ device = open_node(dev, entry->d_name, S_IFBLK, LOOP_MAJOR);
		if (device >= 0 && is_of(device, backing))
			found = TAKE_FD(device);
	}
	closedir(directory);
	return found;
}

/* One call binds the file and says that the device is to go with its last user: there is no moment at which it could
 * stay behind. */
static int configure(int device, const struct backing *backing)
{
	struct loop_config config = {.fd = (unsigned)backing->file, .info.lo_flags = backing->flags};

	snprintf((char *)config.info.lo_file_name, sizeof(config.info.lo_file_name), "%s", backing->mark);
	return ioctl(device, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

static int make(int dev, const struct backing *backing, const char *path, struct cloister_error *err)
{
	int _cleanup_close_ control = open_node(dev, "loop-control", S_IFCHR, MISC_MAJOR);

	if (control < 0)
		return cloister_fail(err, -control, "loop", CONTROL, "cannot open: has the kernel loop devices?");
	/* Between "this one is free" and taking it another program may be faster. */
	for (int tries = 0; tries < TRIES; tries++) {
		char name[32];
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		if (number < 0)
			return cloister_fail(err, errno, "loop", CONTROL, "no free loop device");
		snprintf(name, sizeof(name), "loop%d", number);
		int _cleanup_close_ device = open_node(dev, name, S_IFBLK, LOOP_MAJOR);
		if (device < 0)
			return cloister_fail(err, -device, "loop", path, "cannot open /dev/%s", name);
		int r = configure(device, backing);
		if (r == 0)
			return TAKE_FD(device);
		if (r != -EBUSY)
			return cloister_fail(err, -r, "loop", path, "cannot make /dev/%s of it", name);
	}
	return cloister_fail(err, EBUSY, "loop", path, "other programs take every free loop device");
}

int cloister_loop_device_open(int file, const struct stat *st, const char *mark, bool direct, const char *path,
                              struct cloister_error *err)
{
	const struct backing backing = {.file = file,
	                                .st = st,
	                                .mark = mark,
	                                .flags = OUR_FLAGS | (direct ? LO_FLAGS_DIRECT_IO : 0)};
	int _cleanup_close_ dev = open_dev(err);

	if (dev < 0)
		return dev;
	int found = find(dev, &backing);
	return found >= 0 ? found : make(dev, &backing, path, err);
}
