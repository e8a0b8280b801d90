/* SPDX-License-Identifier: MIT */
/* The terminal of a login that existed before the session, under /dev/console and under its own name. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cloister/cleanup.h"
#include "cloister/execute.h"
#include "cloister/mounts.h"
#include "cloister/path.h"

#define PTY_NUMBER_MAX 4095

/*
 * A name in a devpts exists only as long as its pty does: ptys of the session's instance are opened until the number is
 * reached, and the last one is held. login(1) reopens its terminal by name after it entered, and is lost without it.
 */
static int hold_number(struct cloister_execution *execution, unsigned long number)
{
	int below[64];
	size_t n_below = 0;
	int r = -ENOSPC;

	for (;;) {
		unsigned got;
		int _cleanup_close_ master =
			cloister_path_open_inside(execution->root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);

		if (master < 0) {
			r = master;
			break;
		}
		if (ioctl(master, TIOCGPTN, &got) < 0) {
			r = -errno;
			break;
		}
		if (got == number) {
			execution->held_terminal = TAKE_FD(master);
			r = 0;
			break;
		}
		if (got > number || n_below == sizeof(below) / sizeof(*below))
			break;
		below[n_below++] = TAKE_FD(master);
	}
	for (size_t i = 0; i < n_below; i++)
		close(below[i]);
	return r;
}

int cloister_carry_terminal(struct cloister_execution *execution, const struct cloister_row *row, int source,
                            struct cloister_error *err)
{
	static const char prefix[] = "/dev/pts/";

	if (strncmp(row->target, prefix, sizeof(prefix) - 1) == 0) {
		char *end = NULL;
		unsigned long number = strtoul(row->target + sizeof(prefix) - 1, &end, 10);

		if (*end != '\0' || number > PTY_NUMBER_MAX)
			return cloister_fail(err, EINVAL, "terminal", row->target, "not the name of a pty");
		int r = hold_number(execution, number);
		/* A high number only costs the name: the terminal is on /dev/console as well. */
		if (r == -ENOSPC)
			return 0;
		if (r < 0)
			return cloister_fail(err, -r, "terminal", row->target, "cannot make its name");
	}
	int _cleanup_close_ target = cloister_path_make_file(execution->root, row->target);
	if (target < 0)
		return cloister_fail(err, -target, "terminal", row->target, "no place to mount on");
	int r = cloister_mount_attach(source, target);
	return r < 0 ? cloister_fail(err, -r, "terminal", row->target, "cannot mount") : 0;
}
