/* SPDX-License-Identifier: MIT */
/* Making the user namespace in which the user is root, from the login process. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/descriptor.h"
#include "cloister/namespace_limits.h"
#include "cloister/root_users.h"
#include "held_signals.h"
#include "spawn.h"

/* No exit signal: neither the login program nor the writer is told of its child. */
static long make_child(void)
{
	struct clone_args args = {.exit_signal = 0};

	return syscall(SYS_clone3, &args, sizeof(args));
}

static void wait_for_child(long pid)
{
	while (waitpid((pid_t)pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

/*
 * Becomes the user, unshares, and sends the namespace once the maps are there. It is a copy of the login process, and
 * for a moment the user's by its id: not to be looked into, since setresuid(2) leaves it undumpable and its user
 * namespace is not the user's (ptrace(2), access mode checking).
 */
static void __attribute__((noreturn)) become_owner(const struct cloister_plan *plan, int writer, int result)
{
	char byte = 0;

	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, plan->gid, plan->gid, plan->gid) < 0 ||
	    syscall(SYS_setresuid, plan->uid, plan->uid, plan->uid) < 0 || unshare(CLONE_NEWUSER) < 0) {
		cloister_descriptor_send(result, -1, errno);
		_exit(1);
	}
	if (write(writer, &byte, 1) != 1 || read(writer, &byte, 1) != 1)
		_exit(1);
	int fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	_exit(cloister_descriptor_send(result, fd, fd < 0 ? errno : 0) < 0);
}

/*
 * In the session's user namespace, whose capabilities the maps of a child of it need; by the host's uid still, which
 * owns the child's /proc files. Its own death ends the owner: each holds the other's only socket.
 */
static void __attribute__((noreturn))
write_maps(int session_user_namespace, const struct cloister_plan *plan, int result)
{
	int pair[2], code = 0;
	char byte = 0;

	if (setns(session_user_namespace, CLONE_NEWUSER) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		cloister_descriptor_send(result, -1, errno);
		_exit(1);
	}
	long owner = make_child();
	if (owner == 0) {
		close(pair[0]);
		become_owner(plan, pair[1], result);
	}
	close(pair[1]);
	if (owner < 0) {
		code = errno;
	} else if (read(pair[0], &byte, 1) == 1) {
		code = -cloister_write_map_pair((pid_t)owner, &plan->root_uid_map, &plan->root_gid_map);
		if (code == 0 && write(pair[0], &byte, 1) != 1)
			code = errno;
	}
	if (code != 0)
		cloister_descriptor_send(result, -1, code);
	close(pair[0]);
	if (owner > 0)
		wait_for_child(owner);
	_exit(code);
}

static int fail_limit(int code, struct cloister_error *err)
{
	const char *limit = code == EPERM || code == ENOSPC ? cloister_namespace_limit() : NULL;

	return cloister_fail(err, code, "users", NULL, "cannot make the user namespace for users = root%s%s",
	                     limit != NULL ? ": " : "", limit != NULL ? limit : "");
}

int cloister_root_users_make(int session_user_namespace, const struct cloister_plan *plan, struct cloister_error *err)
{
	int pair[2];
	sigset_t before;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cloister_fail(err, errno, "users", NULL, "no socketpair");
	int _cleanup_close_ ours = pair[0];
	int _cleanup_close_ theirs = pair[1];
	/* No handler of the login program's may run in the children. */
	int r = cloister_signals_hold(&before);
	if (r < 0)
		return cloister_fail(err, -r, "users", NULL, "cannot hold signals back");
	long pid = make_child();
	if (pid == 0)
		write_maps(session_user_namespace, plan, theirs);
	int code = errno;
	r = cloister_signals_release(&before);
	if (pid < 0)
		return cloister_fail(err, code, "users", NULL, "cannot make a child");
	close(TAKE_FD(theirs));
	int _cleanup_close_ fd = cloister_descriptor_receive(ours);
	wait_for_child(pid);
	if (r < 0)
		return cloister_fail(err, -r, "users", NULL, "the signals that were held back stay so");
	return fd < 0 ? fail_limit(-fd, err) : TAKE_FD(fd);
}
