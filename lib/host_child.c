/* SPDX-License-Identifier: MIT */
/* A child that opens something on the host and sends the descriptor back. */
#include "host_child.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/clock.h"

#define KILLED_WAIT_MILLIS 1000

struct answer {
	int code;
	struct cloister_error err;
};

union descriptor_message {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static int send_answer(int socket, struct answer *answer, int fd)
{
	union descriptor_message ancillary = {0};
	struct iovec vector = {.iov_base = answer, .iov_len = sizeof(*answer)};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};

	if (fd >= 0) {
		header.msg_control = ancillary.bytes;
		header.msg_controllen = sizeof(ancillary.bytes);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	return sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_answer(int socket, struct cloister_error *err)
{
	union descriptor_message ancillary = {0};
	struct answer answer = {.code = EIO};
	struct iovec vector = {.iov_base = &answer, .iov_len = sizeof(answer)};
	struct msghdr header = {.msg_iov = &vector,
	                        .msg_iovlen = 1,
	                        .msg_control = ancillary.bytes,
	                        .msg_controllen = sizeof(ancillary.bytes)};
	int fd = -1;

	if (recvmsg(socket, &header, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(answer))
		return cloister_fail(err, EIO, "child", NULL, "it ended without an answer");
	if (answer.code != 0) {
		if (err != NULL)
			*err = answer.err;
		return -answer.code;
	}
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
	if (cmsg == NULL || cmsg->cmsg_type != SCM_RIGHTS)
		return cloister_fail(err, EMFILE, "child", NULL, "no room for its descriptor");
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static void __attribute__((noreturn)) run_child(cloister_child_function *function, const void *argument, int socket)
{
	struct answer answer = {0};
	sigset_t all;

	/* The handlers are the login program's. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = function(argument, &answer.err);
	answer.code = fd < 0 ? -fd : 0;
	_exit(send_answer(socket, &answer, fd) < 0 ? 1 : 0);
}

/* Whether there is an answer, or the end of the child, within the time. */
static bool wait_for_answer(int socket, unsigned seconds)
{
	struct pollfd poller = {.fd = socket, .events = POLLIN};
	int64_t end = cloister_clock_milliseconds(CLOCK_MONOTONIC) + seconds * 1000LL;

	for (;;) {
		int64_t left = end - cloister_clock_milliseconds(CLOCK_MONOTONIC);
		int n = left > 0 ? poll(&poller, 1, (int)left) : 0;

		if (n >= 0 || errno != EINTR)
			return n > 0;
	}
}

/* A child that hangs in the kernel (a server that does not answer) is left to the login process's end. */
static void end_child(int pidfd)
{
	struct pollfd poller = {.fd = pidfd, .events = POLLIN};

	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	poll(&poller, 1, KILLED_WAIT_MILLIS);
	waitid(P_PIDFD, (id_t)pidfd, NULL, WEXITED | WNOHANG | __WALL);
}

int cloister_child_open(cloister_child_function *function, const void *argument, unsigned seconds,
                        struct cloister_error *err)
{
	int pair[2], pidfd_number = -1;
	struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd_number, .exit_signal = 0};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cloister_fail(err, errno, "child", NULL, "no socketpair");
	int _cleanup_close_ ours = pair[0];
	int _cleanup_close_ theirs = pair[1];
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		run_child(function, argument, theirs);
	if (pid < 0)
		return cloister_fail(err, errno, "child", NULL, "cannot make a child");
	int _cleanup_close_ pidfd = pidfd_number;
	close(TAKE_FD(theirs));
	int fd = wait_for_answer(ours, seconds) ? receive_answer(ours, err)
	                                        : cloister_fail(err, ETIMEDOUT, "child", NULL, "no answer");
	end_child(pidfd);
	return fd;
}

int cloister_child_become_user(const struct cloister_plan *plan)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	/* By raw calls: glibc's would look for the threads of a process that this is not. */
	if (syscall(SYS_setgroups, plan->n_host_groups, plan->host_groups) < 0 ||
	    syscall(SYS_setresgid, plan->gid, plan->gid, plan->gid) < 0 ||
	    syscall(SYS_setresuid, plan->uid, plan->uid, plan->uid) < 0 || syscall(SYS_capset, &header, none) < 0)
		return -errno;
	/* Not dumpable: it has the login program's memory, and the user's ids. */
	/* A change of ids takes the parent's-death signal away (prctl(2)). */
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}
