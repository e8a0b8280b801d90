/* SPDX-License-Identifier: MIT */
/* Mounts by descriptor. */
#include "cloister/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "cloister/cleanup.h"

int cloister_mount_clone(int fd, bool recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;

	if (recursive)
		flags |= AT_RECURSIVE;
	int mount = open_tree(fd, "", flags);
	return mount < 0 ? -errno : mount;
}

int cloister_mount_restrict(int mount, uint64_t attributes, bool recursive)
{
	struct mount_attr attr = {.attr_set = attributes, .propagation = MS_PRIVATE};

	if (mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

int cloister_mount_idmap(int mount, int user_namespace)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)user_namespace};

	if (mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

static int set_option(int context, char *option)
{
	char *value = strchr(option, '=');

	if (value == NULL)
		return fsconfig(context, FSCONFIG_SET_FLAG, option, NULL, 0);
	*value = '\0';
	return fsconfig(context, FSCONFIG_SET_STRING, option, value + 1, 0);
}

int cloister_mount_new(const char *filesystem, const char *options, uint64_t attributes)
{
	int _cleanup_close_ context = fsopen(filesystem, FSOPEN_CLOEXEC);
	if (context < 0)
		return -errno;

	if (options != NULL && *options != '\0') {
		char _cleanup_free_ *copy = strdup(options);
		char *rest = NULL;

		if (copy == NULL)
			return -ENOMEM;
		for (char *option = strtok_r(copy, ",", &rest); option != NULL; option = strtok_r(NULL, ",", &rest)) {
			if (set_option(context, option) < 0)
				return -errno;
		}
	}
	/* What /proc/mounts shows in its first column. */
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", filesystem, 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	int mount = fsmount(context, FSMOUNT_CLOEXEC, (unsigned)attributes);
	return mount < 0 ? -errno : mount;
}

int cloister_mount_attach(int mount, int target)
{
	if (move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

int cloister_mount_propagation(bool slave)
{
	struct mount_attr attr = {.propagation = slave ? MS_SLAVE : MS_PRIVATE};

	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	return 0;
}

size_t cloister_mount_says(int context, char *text, size_t size)
{
	char message[256];
	size_t used = 0;

	*text = '\0';
	/* One message a read(2), "e overlay: TEXT\n"; ENODATA after the last. */
	for (;;) {
		ssize_t n = read(context, message, sizeof(message) - 1);

		if (n <= 0)
			return used;
		message[n] = '\0';
		message[strcspn(message, "\n")] = '\0';
		const char *what = n > 2 && message[1] == ' ' ? message + 2 : message;
		int length = snprintf(text + used, size - used, "%s%s", used > 0 ? "; " : "", what);
		if (length < 0 || (size_t)length >= size - used)
			return strlen(text);
		used += (size_t)length;
	}
}
