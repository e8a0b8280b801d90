/* SPDX-License-Identifier: MIT */
/*
 * What PID 1 does once the session is ready: it reaps, counts the logins, and keeps the time of `linger`. Each login
 * process holds the other end of a socket; how it ends, kill -9 included, is the end of file here. When init exits the
 * kernel kills what is left in the pid namespace. SIGTERM from outside ends the session: systemd sends it to every
 * process of a cgroup that it stops, at a shutdown say, and waits for them all.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cloister/cleanup.h"
#include "cloister/clock.h"
#include "cloister/control.h"
#include "cloister/privileges.h"
#include "init.h"

enum { SIGNALS, DOOR, FIRST_LOGIN };

/* Milliseconds for the session's processes to end by the SIGTERM that they were sent, too; and between two looks. */
#define LAST_WORDS     5000
#define LOOK_AGAIN     100

#define REAPED_AT_ONCE 64

struct watch {
	struct pollfd *pollers; /* SIGNALS, DOOR, then one for each login */
	size_t n, room;
	int64_t ends;    /* milliseconds of CLOCK_BOOTTIME: the session lingers until then; 0: somebody is logged in */
	bool unreaped;   /* there may be more children to reap: no signal is left that would say so */
	bool terminated; /* it ends at `ends`, whoever is logged in, or before that when nobody is left */
	const struct cloister_plan *plan;
};

static int64_t now(void)
{
	return cloister_clock_milliseconds(CLOCK_BOOTTIME);
}

static int add(struct watch *watch, int fd)
{
	if (watch->n == watch->room) {
		size_t room = watch->room + 16;
		struct pollfd *grown = reallocarray(watch->pollers, room, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		watch->pollers = grown;
		watch->room = room;
	}
	watch->pollers[watch->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
	return 0;
}

static size_t logins(const struct watch *watch)
{
	return watch->n - FIRST_LOGIN;
}

/* Takes one control socket from the door. False when there is none; one that there is no room for is closed, and its
 * owner sees that. */
static bool let_in(struct watch *watch)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ancillary;
	char word = 0;
	struct iovec vector = {.iov_base = &word, .iov_len = 1};
	struct msghdr header = {.msg_iov = &vector,
	                        .msg_iovlen = 1,
	                        .msg_control = ancillary.bytes,
	                        .msg_controllen = sizeof(ancillary.bytes)};
	int fd = -1;

	ssize_t n = recvmsg(CLOISTER_DOOR_INNER_FD, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR;
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
	if (cmsg == NULL || cmsg->cmsg_type != SCM_RIGHTS || cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
		return true;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	word = CLOISTER_WORD_JOINED;
	if (add(watch, fd) < 0) {
		close(fd);
	} else if (send(fd, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
		/* Gone before it was in. */
		watch->n--;
		close(fd);
	} else {
		watch->ends = 0;
	}
	return true;
}

static void let_all_in(struct watch *watch)
{
	while (watch->plan->shared && !watch->terminated && let_in(watch))
		;
}

/* The last login has gone. True when the session ends with it. */
static bool emptied(struct watch *watch)
{
	/* Whoever knocked before this has joined; whoever comes later finds the door shut with init's exit. */
	let_all_in(watch);
	if (logins(watch) > 0)
		return false;
	if (watch->plan->linger == 0 || watch->terminated)
		return true;
	watch->ends = watch->plan->linger == CLOISTER_PLAN_LINGER_FOREVER ? INT64_MAX
	                                                                  : now() + watch->plan->linger * INT64_C(1000);
	return false;
}

static void forget(struct watch *watch, size_t i)
{
	watch->pollers[i] = watch->pollers[--watch->n];
}

/* A login that says goodbye, or is gone. True when the session ends with it. */
static bool serve_login(struct watch *watch, size_t i)
{
	int fd = watch->pollers[i].fd;
	char word = 0;
	ssize_t n = recv(fd, &word, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* Not taken, the descriptors with it are closed by the kernel. */
	if (n == 1 && word == CLOISTER_WORD_LEAVE)
		return false;
	forget(watch, i);
	bool end = logins(watch) == 0 && emptied(watch);
	if (n == 1 && word == CLOISTER_WORD_BYE) {
		word = end ? CLOISTER_WORD_ENDS : CLOISTER_WORD_STAYS;
		(void)!send(fd, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	close(fd);
	return end;
}

/* So many and no more at a time: who makes zombies faster than they are reaped is not to keep logins from ending. */
static void reap(struct watch *watch)
{
	int n = 0;

	while (n < REAPED_AT_ONCE && waitpid(-1, NULL, WNOHANG) > 0)
		n++;
	watch->unreaped = n == REAPED_AT_ONCE;
}

static bool serve_signal(struct watch *watch)
{
	struct signalfd_siginfo info = {0};

	if (read(watch->pollers[SIGNALS].fd, &info, sizeof(info)) < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	reap(watch);
	/* A sender inside has a number here, and one that queues another number (rt_sigqueueinfo(2)) is not SI_USER. */
	if (info.ssi_signo == SIGTERM && info.ssi_code == SI_USER && info.ssi_pid == 0 && !watch->terminated) {
		watch->terminated = true;
		watch->pollers[DOOR].fd = -1;
		watch->ends = now() + LAST_WORDS;
	}
	return true;
}

/* Whether the time of the session is over. */
static bool over(const struct watch *watch)
{
	if (watch->ends == 0)
		return false;
	return now() >= watch->ends || (watch->terminated && kill(-1, 0) < 0 && errno == ESRCH);
}

static int time_left(const struct watch *watch)
{
	if (watch->unreaped)
		return 0;
	if (watch->ends == 0 || watch->ends == INT64_MAX)
		return -1;
	if (watch->terminated)
		return LOOK_AGAIN;
	int64_t left = watch->ends - now();
	return left <= 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

static void serve(struct watch *watch)
{
	for (;;) {
		if (poll(watch->pollers, watch->n, time_left(watch)) < 0 && errno != EINTR)
			return;
		if ((watch->unreaped || watch->pollers[SIGNALS].revents != 0) && !serve_signal(watch))
			return;
		/* From the end, since the last one takes the place of one that is forgotten. */
		for (size_t i = watch->n; i-- > FIRST_LOGIN;) {
			if (watch->pollers[i].revents != 0 && serve_login(watch, i))
				return;
		}
		let_all_in(watch);
		if (over(watch))
			return;
	}
}

void cloister_init_watch(int signals, const struct cloister_plan *plan)
{
	struct watch watch = {.plan = plan};

	/* One for each login of a shared session. */
	cloister_raise_descriptor_limit();
	if (add(&watch, signals) == 0 && add(&watch, plan->shared ? CLOISTER_DOOR_INNER_FD : -1) == 0 &&
	    add(&watch, CLOISTER_CONTROL_FD) == 0)
		serve(&watch);
	free(watch.pollers);
}
