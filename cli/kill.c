/* SPDX-License-Identifier: MIT */
/* cloister kill: the end of a session, seen through. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "cloister/cgroup.h"
#include "cloister/cleanup.h"
#include "cloister/privileges.h"
#include "sessions.h"

#define WAIT_MILLISECONDS 10000
#define LOOK_MILLISECONDS 20

static const char usage[] = "usage: cloister kill SESSION|USER\n"
			    "Ends a session, or all sessions of a user, and waits until no process of it is left.\n"
			    "For root alone.\n"
			    "Exit status: 0 when all are gone, else 125.\n";

/* Whether its last process is gone: init becomes a zombie only after the kernel has reaped all the others. */
static bool is_gone(const struct cli_session *session)
{
	const struct timespec pause = {.tv_nsec = LOOK_MILLISECONDS * 1000000L};
	struct pollfd poller = {.fd = session->registered.pidfd, .events = POLLIN};

	if (poll(&poller, 1, WAIT_MILLISECONDS) <= 0)
		return false;
	/* Seen, not believed. */
	for (int waited = 0; waited < WAIT_MILLISECONDS; waited += LOOK_MILLISECONDS) {
		if (session->pid_namespace == 0 || cli_processes_in(session->pid_namespace) == 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static int end(const struct cli_session *session, struct cloister_error *err)
{
	const char *id = session->registered.id;

	cloister_registry_note_kill(id);
	/* The kernel kills every process of a pid namespace with its init. By pidfd: the number may be another's by
	 * now. */
	if (syscall(SYS_pidfd_send_signal, session->registered.pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return cloister_fail(err, errno, "kill", NULL, "cannot end session %s", id);
	if (!is_gone(session))
		return cloister_fail(err, ETIMEDOUT, "kill", NULL, "session %s: %zu processes are left after %d s", id,
		                     cli_processes_in(session->pid_namespace), WAIT_MILLISECONDS / 1000);
	cloister_registry_remove(id);
	cloister_cgroup_remove(id, LOOK_MILLISECONDS);
	return 0;
}

int cli_kill(int argc, char **argv)
{
	struct cli_sessions sessions = {0};
	struct cloister_error err = {0};
	int failed = 0;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc != 2 || argv[1][0] == '-') {
		fputs(usage, stderr);
		return CLI_FAILED;
	}
	/* A descriptor for each session of a user, who may have started more than the usual 1,024. No child inherits
	 * this. */
	cloister_raise_descriptor_limit();
	int r = geteuid() != 0 ? cloister_fail(&err, EPERM, "kill", NULL, "only root may") : 0;
	if (r == 0)
		r = cli_sessions_find(argv[1], &sessions, &err);
	if (r == 0 && sessions.n == 0)
		r = cloister_fail(&err, ESRCH, "kill", NULL, "there is no session, nor a user with one, called %s",
		                  argv[1]);
	for (size_t i = 0; r == 0 && i < sessions.n; i++) {
		if (end(&sessions.list[i], &err) < 0)
			failed = cli_fail(&err);
	}
	cli_sessions_clear(&sessions);
	return r < 0 ? cli_fail(&err) : failed;
}
