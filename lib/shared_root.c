/* SPDX-License-Identifier: MIT */
/* The root mount of a session that is already there, for another login of the same user on the same overlay. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/descriptor.h"
#include "registry_entries.h"

/* In a child, since a mount namespace is joined for good. It resolves one path, "/", which is the root mount of that
 * namespace. */
static void __attribute__((noreturn)) fetch_root(int pidfd, int socket)
{
	int root = -1, code = 0;

	if (setns(pidfd, CLONE_NEWNS) < 0)
		code = errno;
	if (code == 0) {
		root = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (root < 0)
			code = errno;
	}
	_exit(cloister_descriptor_send(socket, root, code) < 0 ? 1 : 0);
}

int cloister_shared_root_open(int pidfd, struct cloister_error *err)
{
	int pair[2];
	/* No exit signal: the login program must not hear of this child, nor reap it. */
	struct clone_args args = {.exit_signal = 0};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cloister_fail(err, errno, "overlay", NULL, "no socketpair");
	int _cleanup_close_ ours = pair[0];
	int _cleanup_close_ theirs = pair[1];
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		fetch_root(pidfd, theirs);
	if (pid < 0)
		return cloister_fail(err, errno, "overlay", NULL, "cannot make a child");
	close(TAKE_FD(theirs));
	int fd = cloister_descriptor_receive(ours);
	while (waitpid((pid_t)pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return fd < 0 ? cloister_fail(err, -fd, "overlay", NULL, "cannot share the user's other session's root") : fd;
}
