/* SPDX-License-Identifier: MIT */
/* A network namespace, made by a child while its parent goes on. */
#include "cloister/network_child.h"

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/namespaces.h"

static int fail(int code, const char *text, struct cloister_error *err)
{
	return cloister_fail(err, code, "network", NULL, "%s", text);
}

/*
 * In its parent's memory, errno and all: raw calls alone. What fails here sets the parent's errno at any moment, which
 * does no harm, since the parent then fails as well, at the latest when it joins.
 */
static int make_namespace(void *argument)
{
	struct cloister_network_child *child = argument;
	char go;
	int code = 0;

	/* The parent's end of file must be seen. */
	syscall(SYS_close, child->socket);
	if (syscall(SYS_unshare, CLONE_NEWNET) < 0)
		code = errno;
	syscall(SYS_write, child->theirs, &code, sizeof(code));
	return (int)syscall(SYS_read, child->theirs, &go, 1);
}

int cloister_network_child_start(struct cloister_network_child *child, struct cloister_error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail(errno, "no socketpair", err);
	child->socket = pair[0];
	child->theirs = pair[1];
	/* No exit signal: it is waited for, and by nobody who waits for just any child. */
	int pid = clone(make_namespace, child->stack + sizeof(child->stack), CLONE_VM | CLONE_PIDFD, child,
	                &child->pidfd);
	int code = errno;
	close(pair[1]);
	if (pid >= 0)
		return 0;
	close(TAKE_FD(child->socket));
	return fail(code, "cannot make a child for the network namespace", err);
}

static int receive_answer(int socket, int *code)
{
	ssize_t n;

	do {
		n = recv(socket, code, sizeof(*code), 0);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*code) ? 0 : n < 0 ? -errno : -ECHILD;
}

int cloister_network_child_join(struct cloister_network_child *child, struct cloister_error *err)
{
	siginfo_t ended;
	int code = 0;

	if (child->pidfd < 0)
		return fail(EINVAL, "nobody makes the network namespace", err);
	int r = receive_answer(child->socket, &code);
	if (r < 0)
		return fail(-r, "the child that makes the network namespace has no answer", err);
	if (code != 0)
		return cloister_fail(err, code, "namespaces", NULL, "cannot make the session's network namespace%s",
		                     cloister_namespaces_hint(code));
	if (setns(child->pidfd, CLONE_NEWNET) < 0)
		return fail(errno, "cannot join the network namespace", err);
	close(TAKE_FD(child->socket));
	while (waitid(P_PIDFD, (id_t)child->pidfd, &ended, WEXITED | __WALL) < 0) {
		if (errno != EINTR)
			return fail(errno, "cannot wait for the child that made the network namespace", err);
	}
	close(TAKE_FD(child->pidfd));
	return 0;
}
