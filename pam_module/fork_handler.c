/* SPDX-License-Identifier: MIT */
/*
 * Between open_session and close_session every fork(2) of the login process passes here. A fork that the application
 * makes is the user's child and goes into the session, or dies. A fork that another PAM module makes (pam_exec's
 * helper) stays where it is: libpam itself tells the two apart, since pam_get_data(3) answers PAM_SYSTEM_ERR to an
 * application, and to it alone.
 */
#include "fork_handler.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "cloister/privileges.h"

#define REFUSED 254

struct entry_report {
	int code;
	char step[32];
};

static struct cloister_armed *current;
static bool registered;
static bool helper;     /* the fork under way is a module's */
static bool unprepared; /* the fork under way could not be sent into the session's pid namespace */
static uint64_t effective_before;

static bool called_by_application(pam_handle_t *pamh)
{
	const void *data;

	return pam_get_data(pamh, "cloister", &data) == PAM_SYSTEM_ERR;
}

static void before_fork(void)
{
	if (current == NULL || getpid() != current->session->owner)
		return;
	helper = !called_by_application(current->pamh);
	/* atd forks under the effective id of daemon: its privileges are there, but asleep. */
	if (cloister_raise_permitted(&effective_before) < 0)
		effective_before = UINT64_MAX;
	/* The pid namespace for children is the thread's, and this may be another thread than the one that opened the
	 * session. */
	if (helper)
		unprepared = cloister_entry_take_back(current->own_pid_namespace) < 0;
	else
		unprepared = cloister_entry_prepare(current->session) < 0;
}

static void after_fork_in_parent(void)
{
	if (current == NULL || getpid() != current->session->owner)
		return;
	/* A login program that forks by other means than fork(2) still makes children in the session's pid namespace.
	 */
	if (helper)
		cloister_entry_prepare(current->session);
	cloister_lower_effective(effective_before);
}

static void close_and_forget(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The child's copies: the control socket above all, since init ends when the last one is closed. */
static void close_ours(struct cloister_armed *armed)
{
	close_and_forget(&armed->session->control);
	close_and_forget(&armed->session->pidfd);
	close_and_forget(&armed->session->landlock);
	close_and_forget(&armed->own_pid_namespace);
	close_and_forget(&armed->pty_control);
	close_and_forget(&armed->pty_master);
	close_and_forget(&armed->report[0]);
	close_and_forget(&armed->report[1]);
}

static void after_fork_in_child(void)
{
	struct cloister_armed *armed = current;
	struct entry_report report = {.code = 0};
	const char *step = "pid namespace";

	/* Whatever this child forks in turn is where it is. */
	current = NULL;
	if (armed == NULL)
		return;
	if (helper) {
		close_ours(armed);
		cloister_lower_effective(effective_before);
		return;
	}
	int r = unprepared ? -ESRCH : cloister_entry_enter(&armed->entry, &step);
	if (r < 0) {
		report.code = -r;
		strncpy(report.step, step, sizeof(report.step) - 1);
		(void)!write(armed->report[1], &report, sizeof(report));
		_exit(REFUSED);
	}
	close_ours(armed);
}

int cloister_fork_arm(struct cloister_armed *armed)
{
	if (current != NULL)
		return -EBUSY;
	if (!registered) {
		/* glibc forgets the handlers when this module is unloaded. */
		int r = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
		if (r != 0)
			return -r;
		registered = true;
	}
	current = armed;
	return 0;
}

int cloister_fork_disarm(struct cloister_armed *armed, struct cloister_error *err)
{
	struct entry_report report;

	if (current == armed)
		current = NULL;
	if (armed->report[0] < 0 || read(armed->report[0], &report, sizeof(report)) != (ssize_t)sizeof(report))
		return 0;
	report.step[sizeof(report.step) - 1] = '\0';
	return cloister_fail(err, report.code, "entry", NULL, "the user's process could not enter the session: %s",
	                     report.step);
}
