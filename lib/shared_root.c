/* SPDX-License-Identifier: MIT */
/* Mounts of a session that is already there: its root, for another session of the user on the same overlay, and its
 * devpts. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/descriptor.h"
#include "cloister/mounts.h"
#include "cloister/path.h"
#include "held_signals.h"
#include "registry_entries.h"

/* What takes a millisecond. */
#define FETCH_SECONDS 20

/*
 * In a child, since a mount namespace is joined for good. It resolves one path there, "/", which is the root mount of
 * that namespace, or "/dev/pts", through no link.
 */
static void __attribute__((noreturn)) fetch_mount(int pidfd, const char *path, int socket)
{
	int place = -1, mount = -1, code = 0;

	if (setns(pidfd, CLONE_NEWNS) < 0)
		code = errno;
	if (code == 0) {
		place = cloister_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0,
		                         RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
		mount = place < 0 ? place : cloister_mount_clone(place, false);
		code = mount < 0 ? -mount : 0;
	}
	_exit(cloister_descriptor_send(socket, mount, code) < 0 ? 1 : 0);
}

static int open_mount(int pidfd, const char *path, const char *step, struct cloister_error *err)
{
	int pair[2];
	/* No exit signal: the login program must not hear of this child, nor reap it. */
	struct clone_args args = {.exit_signal = 0};
	const struct timeval limit = {.tv_sec = FETCH_SECONDS};
	sigset_t before;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cloister_fail(err, errno, step, NULL, "no socketpair");
	int _cleanup_close_ ours = pair[0];
	int _cleanup_close_ theirs = pair[1];
	/* A handler of the login program's must not run in the child. */
	int r = cloister_signals_hold(&before);
	if (r < 0)
		return cloister_fail(err, -r, step, NULL, "cannot hold signals back");
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		fetch_mount(pidfd, path, theirs);
	int code = errno;
	r = cloister_signals_release(&before);
	if (pid < 0)
		return cloister_fail(err, code, step, NULL, "cannot make a child");
	close(TAKE_FD(theirs));
	if (r == 0 && setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		r = -errno;
	int fd = r < 0 ? r : cloister_descriptor_receive(ours);
	/* su(1)'s caller may stop it: it has their real uid. */
	if (fd < 0)
		kill((pid_t)pid, SIGKILL);
	while (waitpid((pid_t)pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return fd < 0 ? cloister_fail(err, -fd, step, NULL, "cannot share the mount of a live session") : fd;
}

int cloister_shared_root_open(int pidfd, struct cloister_error *err)
{
	return open_mount(pidfd, "/", "overlay", err);
}

int cloister_shared_devpts_open(int pidfd, struct cloister_error *err)
{
	struct statfs filesystem;
	struct stat st;
	int _cleanup_close_ devpts = open_mount(pidfd, "/dev/pts", "devpts", err);

	if (devpts < 0)
		return devpts;
	/* The login process is about to allocate ptys in it: nothing else will do. */
	if (fstatfs(devpts, &filesystem) < 0 || fstat(devpts, &st) < 0)
		return cloister_fail(err, errno, "devpts", NULL, "cannot look at the session's devpts");
	if (filesystem.f_type != DEVPTS_SUPER_MAGIC || st.st_ino != 1)
		return cloister_fail(err, EPERM, "devpts", NULL, "/dev/pts of the session is no devpts");
	return TAKE_FD(devpts);
}
