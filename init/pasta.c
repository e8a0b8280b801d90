/* SPDX-License-Identifier: MIT */
/*
 * The helper of network = pasta, on the host: PID 1 of a pid namespace in which pasta is, so that pasta ends with it,
 * and it ends with the session's init. Its own network namespace is the session's, and pasta finds it by that: what
 * /proc shows of init is closed to pasta, which has given up CAP_SYS_PTRACE by the time it looks.
 */
#include "cloister/pasta.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/control.h"
#include "cloister/privileges.h"
#include "init.h"

#define ARGUMENTS_MAX 192
#define LOOK_AGAIN    5 /* milliseconds */
#define CAP(name)     (UINT64_C(1) << (name))
/* What pasta uses: to make its interface, to go into an empty root, to drop the rest. */
#define PASTA_KEEPS                                                                                              \
	(CAP(CAP_SETUID) | CAP(CAP_SETGID) | CAP(CAP_SETPCAP) | CAP(CAP_NET_BIND_SERVICE) | CAP(CAP_NET_ADMIN) | \
	 CAP(CAP_SYS_ADMIN) | CAP(CAP_SYS_PTRACE))

struct watched {
	const char *session;
	pid_t pasta;
	int children; /* a signalfd */
	int said;     /* what pasta writes to its standard error */
	char text[CLOISTER_ERROR_TEXT_MAX];
	size_t length;
};

/* Waits until its parent is in the session's network namespace, and is pasta from then on. */
static void __attribute__((noreturn)) become_pasta(char **arguments, int go, int said)
{
	char *argv[ARGUMENTS_MAX + 3], *const environment[] = {NULL};
	char path[40], self[16], byte;
	sigset_t none;
	size_t n = 0;

	if (read(go, self, sizeof(self)) != (ssize_t)sizeof(self) || read(go, &byte, 1) != 0)
		_exit(125);
	snprintf(path, sizeof(path), "/proc/%.15s/ns/net", self);
	while (n < ARGUMENTS_MAX && arguments[n] != NULL) {
		argv[n] = arguments[n];
		n++;
	}
	argv[n++] = (char *)(uintptr_t) "--netns";
	argv[n++] = path;
	argv[n] = NULL;
	/* What the login program ignores stays ignored over execve(2), and pasta of Debian 12 takes that of SIGPIPE for
	 * an error. */
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(said, 1) < 0 || dup2(said, 2) < 0 || fcntl(CLOISTER_PASTA_PROGRAM_FD, F_SETFD, FD_CLOEXEC) < 0 ||
	    close(CLOISTER_CONTROL_FD) < 0 || close(CLOISTER_PASTA_INIT_FD) < 0 ||
	    close(CLOISTER_PASTA_NETWORK_FD) < 0 || cloister_drop_bounding_set(PASTA_KEEPS) < 0)
		_exit(125);
	execveat(CLOISTER_PASTA_PROGRAM_FD, "", argv, environment, AT_EMPTY_PATH);
	fprintf(stderr, "cannot execute it: %s\n", strerror(errno));
	_exit(127);
}

/* Into the session's network, and without any right over it. Dumpable, for pasta to look at it. */
static int enter_session(void)
{
	if (setns(CLOISTER_PASTA_NETWORK_FD, CLONE_NEWNET) < 0)
		return -errno;
	int r = cloister_drop_bounding_set(0);
	if (r == 0)
		r = cloister_lock_securebits();
	if (r == 0)
		r = cloister_set_capabilities(0, false);
	if (r == 0 && prctl(PR_SET_DUMPABLE, 1) < 0)
		r = -errno;
	return r;
}

static int start(struct watched *watched, char **arguments, struct cloister_error *err)
{
	int go[2], said[2];
	char self[16] = "";

	/* The number by which the host's /proc knows this process. */
	if (readlink("/proc/self", self, sizeof(self) - 1) <= 0)
		return cloister_fail(err, errno, "network", "/proc/self", "cannot read");
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(said, O_CLOEXEC | O_NONBLOCK) < 0)
		return cloister_fail(err, errno, "network", NULL, "no pipe");
	int r = cloister_set_no_new_privs();
	if (r < 0)
		return cloister_fail(err, -r, "network", NULL, "cannot set no_new_privs");
	watched->pasta = fork();
	if (watched->pasta < 0)
		return cloister_fail(err, errno, "network", NULL, "cannot make a process for pasta");
	if (watched->pasta == 0) {
		close(go[1]);
		become_pasta(arguments, go[0], said[1]);
	}
	close(go[0]);
	close(said[1]);
	watched->said = said[0];
	close(CLOISTER_PASTA_PROGRAM_FD);
	r = enter_session();
	close(CLOISTER_PASTA_NETWORK_FD);
	if (r == 0 && write(go[1], self, sizeof(self)) != (ssize_t)sizeof(self))
		r = -EPIPE;
	close(go[1]);
	return r < 0 ? cloister_fail(err, -r, "network", NULL, "cannot enter the session's network") : 0;
}

/* Of a table of /proc/self/net: whether pasta's interface has a default route. */
static bool has_route(const char *path, const char *prefix)
{
	char line[512], name[64];
	FILE _cleanup_fclose_ *file = fopen(path, "re");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		bool four = *prefix == '\0';

		if (four && sscanf(line, "%63s 00000000 ", name) == 1 && strstr(line, "\t00000000\t") != NULL &&
		    strcmp(name, CLOISTER_PASTA_INTERFACE) == 0)
			return true;
		if (!four && strncmp(line, prefix, strlen(prefix)) == 0 &&
		    strstr(line, " " CLOISTER_PASTA_INTERFACE "\n"))
			return true;
	}
	return false;
}

static bool is_up(void)
{
	return has_route("/proc/self/net/route", "") ||
	       has_route("/proc/self/net/ipv6_route", "00000000000000000000000000000000 00 ");
}

static void listen_to(struct watched *watched)
{
	char rest[256];
	ssize_t n;

	while (watched->length < sizeof(watched->text) - 1) {
		n = read(watched->said, watched->text + watched->length, sizeof(watched->text) - 1 - watched->length);
		if (n <= 0)
			return;
		watched->length += (size_t)n;
	}
	while (read(watched->said, rest, sizeof(rest)) > 0)
		;
}

/* The last line that pasta said is why it ended. */
static const char *last_words(struct watched *watched)
{
	listen_to(watched);
	watched->text[watched->length] = '\0';
	while (watched->length > 0 && watched->text[watched->length - 1] == '\n')
		watched->text[--watched->length] = '\0';
	const char *line = strrchr(watched->text, '\n');
	line = line != NULL ? line + 1 : watched->text;
	return *line != '\0' ? line : "no reason is given";
}

/* False when pasta has ended. */
static bool pasta_lives(const struct watched *watched)
{
	struct signalfd_siginfo info;
	pid_t pid;

	while (read(watched->children, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		if (pid == watched->pasta)
			return false;
	}
	return true;
}

/* Until the session's init or pasta ends, or, before `ready`, the network is up. True: it is. */
static bool watch(struct watched *watched, bool ready)
{
	struct pollfd pollers[] = {{.fd = CLOISTER_PASTA_INIT_FD, .events = POLLIN},
	                           {.fd = watched->children, .events = POLLIN},
	                           {.fd = watched->said, .events = POLLIN}};

	for (;;) {
		if (poll(pollers, 3, ready ? -1 : LOOK_AGAIN) < 0 && errno != EINTR)
			return false;
		if (pollers[0].revents != 0)
			_exit(0);
		if (pollers[2].revents & POLLIN)
			listen_to(watched);
		else if (pollers[2].revents != 0)
			pollers[2].fd = -1;
		if (!pasta_lives(watched))
			return false;
		if (!ready && is_up())
			return true;
	}
}

int cloister_pasta_main(char **argv)
{
	struct watched watched = {.said = -1};
	struct cloister_error err = {0};
	sigset_t all, child;

	if (argv[1] == NULL || argv[2] == NULL)
		return 125;
	watched.session = argv[1];
	prctl(PR_SET_NAME, CLOISTER_PASTA_HELPER);
	/* Of a login program that ignores it there would be no word of pasta's end. */
	signal(SIGCHLD, SIG_DFL);
	for (int fd = CLOISTER_CONTROL_FD; fd <= CLOISTER_PASTA_NETWORK_FD; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	watched.children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	int r = watched.children < 0 ? cloister_fail(&err, errno, "network", NULL, "no signalfd")
	                             : start(&watched, argv + 2, &err);
	if (r == 0 && !watch(&watched, false))
		r = cloister_fail(&err, ENETUNREACH, "network", "pasta", "%s", last_words(&watched));
	if (cloister_control_answer(CLOISTER_CONTROL_FD, &err) < 0 || r < 0)
		return 125;
	close(CLOISTER_CONTROL_FD);
	watch(&watched, true);
	openlog("cloister", 0, LOG_AUTHPRIV);
	syslog(LOG_ERR, "session %s has no network any more: pasta has ended: %s", watched.session,
	       last_words(&watched));
	return 1;
}
