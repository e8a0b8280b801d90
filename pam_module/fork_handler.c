/* SPDX-License-Identifier: MIT */
/*
 * Between open_session and close_session every fork(2) of the login process passes here. A fork that the application
 * makes is the user's child and goes into the session, or dies. A fork that another PAM module makes (pam_exec's
 * helper) stays where it is: libpam itself tells the two apart, since pam_get_data(3) answers PAM_SYSTEM_ERR to an
 * application, and to it alone. What makes a child without passing here (posix_spawn(3), vfork(2), clone(2)) can make
 * none: between forks the opening thread's pid namespace for children is one whose init is dead.
 */
#include "fork_handler.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/privileges.h"

#define REFUSED 254

static struct cloister_armed *current;
static bool registered;
static bool helper;    /* the fork under way is a module's */
static int unprepared; /* the fork under way could not be sent into the session's pid namespace: -errno */
static int unclosed;   /* after a fork this process could not be closed to other children again: -errno */
static bool passed;    /* a fork of the application's went through here */
static uint64_t effective_before;
static _Thread_local bool closed_here; /* this thread can make children only through here */

static bool called_by_application(pam_handle_t *pamh)
{
	const void *data;

	return pam_get_data(pamh, "cloister", &data) == PAM_SYSTEM_ERR;
}

/* The session was closed from another thread than the one that opened it. */
static void reopen_here(void)
{
	int _cleanup_close_ own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

	if (own >= 0 && cloister_entry_children_in(own) == 0)
		closed_here = false;
}

static void before_fork(void)
{
	if (current == NULL || getpid() != current->session->owner) {
		if (closed_here)
			reopen_here();
		return;
	}
	helper = !called_by_application(current->pamh);
	/* atd forks under the effective id of daemon: its privileges are there, but asleep. */
	if (cloister_raise_permitted(&effective_before) < 0)
		effective_before = UINT64_MAX;
	/* The pid namespace for children is the thread's, and this may be another thread than the one that opened the
	 * session. */
	if (helper)
		unprepared = cloister_entry_children_in(current->own_pid_namespace);
	else
		unprepared = cloister_entry_prepare(current->session);
	passed = passed || !helper;
}

static void close_and_forget(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/*
 * Where it cannot be closed again, a child that does not pass here would run outside. The session ends, then: in a pid
 * namespace whose init is dead nothing can be made, either.
 */
static void close_again(void)
{
	int r = cloister_entry_children_in(current->closed_pid_namespace);

	if (r == 0)
		return;
	unclosed = r;
	cloister_entry_prepare(current->session);
	cloister_session_end(current->session);
}

static void after_fork_in_parent(void)
{
	if (current == NULL || getpid() != current->session->owner)
		return;
	/* Another thread than the opener may make threads, and nobody would take its namespace back at the end. */
	if (closed_here)
		close_again();
	else
		cloister_entry_children_in(current->own_pid_namespace);
	/* From here on the relay's is the only one: when the outer terminal hangs up, the relay ends, and the session's
	 * terminal hangs up too (tty_ioctl(4)). */
	if (!helper)
		close_and_forget(&current->pty_master);
	cloister_lower_effective(effective_before);
}

void cloister_armed_disown(struct cloister_armed *armed)
{
	armed->session->owner = -1;
	close_and_forget(&armed->session->control);
	close_and_forget(&armed->session->pidfd);
	close_and_forget(&armed->session->landlock);
	close_and_forget(&armed->session->cgroup);
	close_and_forget(&armed->own_pid_namespace);
	close_and_forget(&armed->closed_pid_namespace);
	close_and_forget(&armed->pty_control);
	close_and_forget(&armed->pty_master);
	close_and_forget(&armed->report[0]);
	close_and_forget(&armed->report[1]);
	if (armed->view != NULL)
		cloister_login_view_forget(armed->view);
	if (armed->terminal != NULL)
		cloister_own_terminal_close(armed->terminal);
}

static void after_fork_in_child(void)
{
	struct cloister_armed *armed = current;
	struct cloister_entry_report report = {.code = 0};
	const char *step = "pid namespace";

	/* Whatever this child forks in turn is where it is. */
	current = NULL;
	closed_here = false;
	if (armed == NULL)
		return;
	if (helper) {
		cloister_armed_disown(armed);
		cloister_lower_effective(effective_before);
		return;
	}
	int r = unprepared < 0 ? unprepared : cloister_entry_enter(&armed->entry, &step);
	if (r < 0) {
		cloister_entry_report_fill(&report, -r, step);
		(void)!write(armed->report[1], &report, sizeof(report));
		_exit(REFUSED);
	}
	cloister_armed_disown(armed);
}

void cloister_entry_report_fill(struct cloister_entry_report *report, int code, const char *step)
{
	report->code = code;
	strncpy(report->step, step, sizeof(report->step) - 1);
}

bool cloister_fork_is_armed(void)
{
	return current != NULL && current->session->owner == getpid();
}

int cloister_fork_arm(struct cloister_armed *armed)
{
	if (current != NULL)
		return -EBUSY;
	if (!registered) {
		/* glibc forgets the handlers when this module is unloaded. */
		if (pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0)
			return -ENOMEM;
		registered = true;
	}
	int r = cloister_entry_children_in(armed->closed_pid_namespace);
	if (r < 0)
		return r;
	closed_here = true;
	passed = false;
	unprepared = 0;
	unclosed = 0;
	current = armed;
	return 0;
}

/* What the failed entry of a child wrote. */
static int reported(const struct cloister_armed *armed, struct cloister_error *err)
{
	struct cloister_entry_report report;

	if (armed->report[0] < 0 || read(armed->report[0], &report, sizeof(report)) != (ssize_t)sizeof(report))
		return 0;
	report.step[sizeof(report.step) - 1] = '\0';
	return cloister_fail(err, report.code, "entry", NULL, "the user's process could not enter the session: %s",
	                     report.step);
}

/* The thread that opened finds its way back when it forks next, which needs the handlers. */
static void stay_loaded(void)
{
	Dl_info info;

	if (dladdr(&registered, &info) != 0 && info.dli_fname != NULL)
		(void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

int cloister_fork_disarm(struct cloister_armed *armed, struct cloister_error *err)
{
	int r = reported(armed, err);

	if (current != armed)
		return r;
	current = NULL;
	if (!closed_here)
		stay_loaded();
	else if (cloister_entry_children_in(armed->own_pid_namespace) == 0)
		closed_here = false;
	/* The kernel has let that fork fail, in a pid namespace that is closed. */
	if (r == 0 && unprepared < 0)
		r = cloister_fail(err, -unprepared, "entry", NULL,
		                  "the login program's child could not be sent into the session's pid namespace");
	if (r == 0 && unclosed < 0)
		r = cloister_fail(err, -unclosed, "entry", NULL,
		                  "the login process could not be closed to other children: the session was ended");
	if (r == 0 && !passed)
		r = cloister_fail(err, ECHILD, "entry", NULL,
		                  "no child came by fork(3), and by posix_spawn(3), vfork(2) or clone(2) none can");
	return r;
}
