/* SPDX-License-Identifier: MIT */
/*
 * Joining a session, and leaving it. Each login has a control socket of its own, the other end of which init holds: the
 * number of logins is the number of those that the kernel has not closed, whatever became of a login process.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "cloister/cleanup.h"
#include "cloister/control.h"

#define BYE_MILLISECONDS 2000

static int fetch_door(int pidfd)
{
	int type = 0;
	socklen_t size = sizeof(type);
	/* init is not dumpable: it takes CAP_SYS_PTRACE over its user namespace, which nobody inside has. */
	int _cleanup_close_ door = (int)syscall(SYS_pidfd_getfd, pidfd, CLOISTER_DOOR_FD, 0);

	if (door < 0)
		return -errno;
	if (getsockopt(door, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)
		return -EBADF;
	return TAKE_FD(door);
}

static int send_through(int door, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ancillary = {0};
	char word = CLOISTER_WORD_JOINED;
	struct iovec vector = {.iov_base = &word, .iov_len = 1};
	struct msghdr header = {.msg_iov = &vector,
	                        .msg_iovlen = 1,
	                        .msg_control = ancillary.bytes,
	                        .msg_controllen = sizeof(ancillary.bytes)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	ssize_t n;
	do {
		n = sendmsg(door, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	/* As many wait for init as there is room for. */
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -ETIMEDOUT;
	return n < 0 ? -errno : 0;
}

/* One byte, or -errno: -EPIPE when the other end is closed, -ETIMEDOUT. */
static int hear(int control, int timeout)
{
	struct pollfd poller = {.fd = control, .events = POLLIN};
	char word = 0;
	int n;

	do {
		n = poll(&poller, 1, timeout);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -ETIMEDOUT;
	ssize_t size = recv(control, &word, 1, MSG_DONTWAIT);
	if (size < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return size == 1 ? word : -EPIPE;
}

static bool ended(int pidfd, int timeout)
{
	struct pollfd poller = {.fd = pidfd, .events = POLLIN};

	return poll(&poller, 1, timeout) > 0;
}

int cloister_control_join(int pidfd, int timeout, struct cloister_error *err)
{
	int pair[2];
	int _cleanup_close_ door = fetch_door(pidfd);

	if (door == -ESRCH || (door < 0 && ended(pidfd, 0)))
		return -ESRCH;
	if (door < 0)
		return cloister_fail(err, -door, "join", NULL, "cannot reach init's door");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cloister_fail(err, errno, "join", NULL, "no socketpair");
	int _cleanup_close_ control = pair[0];
	int r = send_through(door, pair[1]);
	close(pair[1]);
	if (r < 0)
		return ended(pidfd, timeout) ? -ESRCH : cloister_fail(err, -r, "join", NULL, "cannot ask init");
	/*
	 * Only init's own word counts. A message that it did not take before it went is thrown away with its queue, and
	 * our socket is closed: a session that ends at this very moment is never mistaken for one that was joined.
	 */
	r = hear(control, timeout);
	if (r == CLOISTER_WORD_JOINED)
		return TAKE_FD(control);
	if (r == -EPIPE)
		return ended(pidfd, timeout) ? -ESRCH
		                             : cloister_fail(err, EMFILE, "join", NULL,
		                                             "the session takes no more logins (limit of open files)");
	return cloister_fail(err, r < 0 ? -r : EPROTO, "join", NULL, "init did not answer");
}

bool cloister_control_bye(int control, int pidfd)
{
	char word = CLOISTER_WORD_BYE;
	/* init only counts, and answers at once; it is not its exit that is waited for. */
	int r = send(control, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? hear(control, BYE_MILLISECONDS) : -errno;

	if (r == CLOISTER_WORD_ENDS)
		return true;
	/* Closed: it was killed. Whatever else went wrong, the others may be in the session still. */
	return (r == -EPIPE || r == -ECONNRESET) && ended(pidfd, BYE_MILLISECONDS);
}
