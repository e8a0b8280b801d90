/* SPDX-License-Identifier: MIT */
/* The terminal that one login to a shared session brought along. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/mounts.h"
#include "cloister/number.h"
#include "cloister/path.h"
#include "cloister/terminal.h"

#define PTY_NUMBER_MAX 4095
#define BELOW_MAX      512

/*
 * A name in a devpts exists only as long as its pty does: ptys of the session's instance are opened until the number is
 * reached, and the last one is held. Where another login has that very number its pty is hidden by ours, to us.
 */
static int hold_number(int devpts, uint64_t number, int *held)
{
	int below[BELOW_MAX];
	size_t n_below = 0;
	char name[24];
	int r = 0;

	snprintf(name, sizeof(name), "%llu", (unsigned long long)number);
	while (r == 0 && faccessat(devpts, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		int master =
			n_below < BELOW_MAX ? openat(devpts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC) : -1;

		if (master >= 0)
			below[n_below++] = master;
		else
			r = n_below < BELOW_MAX ? -errno : -ENOSPC;
	}
	if (r == 0 && n_below > 0)
		*held = below[--n_below];
	while (n_below > 0)
		close(below[--n_below]);
	return r;
}

int cloister_own_terminal_open(const char *path, int devpts, struct cloister_own_terminal *terminal,
                               struct cloister_error *err)
{
	static const char prefix[] = "/dev/pts/";
	uint64_t number;
	struct stat st;
	int held = -1;

	if (strlen(path) >= sizeof(terminal->path) || strncmp(path, "/dev/", 5) != 0)
		return cloister_fail(err, EINVAL, "terminal", path, "not a terminal below /dev");
	int _cleanup_close_ found = cloister_path_open_host(path, 0, CLOISTER_PATH_NO_PLANTED_LINKS, err);
	if (found < 0)
		return found;
	if (fstat(found, &st) < 0 || !S_ISCHR(st.st_mode))
		return cloister_fail(err, ENODEV, "terminal", path, "not a terminal");
	int _cleanup_close_ mount = cloister_mount_clone(found, false);
	if (mount < 0)
		return cloister_fail(err, -mount, "terminal", path, "cannot clone the mount");
	int r = cloister_mount_restrict(mount, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false);
	if (r < 0)
		return cloister_fail(err, -r, "terminal", path, "cannot restrict the mount");
	if (strncmp(path, prefix, sizeof(prefix) - 1) == 0) {
		const char *digits = path + sizeof(prefix) - 1;

		if (cloister_number_parse(digits, strlen(digits), &number) < 0 || number > PTY_NUMBER_MAX)
			return cloister_fail(err, EINVAL, "terminal", path, "not the name of a pty");
		r = hold_number(devpts, number, &held);
		if (r < 0)
			return cloister_fail(err, -r, "terminal", path, "cannot make its name in the session");
	}
	*terminal = (struct cloister_own_terminal){.mount = TAKE_FD(mount), .held = held};
	snprintf(terminal->path, sizeof(terminal->path), "%s", path);
	return 0;
}

void cloister_own_terminal_close(struct cloister_own_terminal *terminal)
{
	if (terminal->mount >= 0)
		close(terminal->mount);
	if (terminal->held >= 0)
		close(terminal->held);
	*terminal = (struct cloister_own_terminal){.mount = -1, .held = -1};
}

int cloister_own_terminal_enter(const struct cloister_own_terminal *terminal)
{
	/* Made by the session's root, so that nothing in it is locked; private, so that nothing of it gets out. */
	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	int r = cloister_mount_propagation(false);
	if (r < 0)
		return r;
	int place = open(terminal->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0 && errno == ENOENT) {
		/* Of a console: an empty file that nobody can open remains in the session's /dev. */
		int fd = open(terminal->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0);

		if (fd >= 0)
			close(fd);
		place = open(terminal->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (place < 0)
		return -errno;
	r = cloister_mount_attach(terminal->mount, place);
	close(place);
	return r;
}
