/* SPDX-License-Identifier: MIT */
/* Opening and closing, in order. */
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/mounts.h"
#include "cloister/registry.h"

/* Milliseconds for the processes of a killed session to leave its cgroup. Zombies do not count, and so the login
 * program is not waited for. */
#define CGROUP_WAIT 2000

/* The session's ptys, where the login process has a part in them; -1 when it has none. */
static int prepare_terminal(const struct cloister_plan *plan, struct cloister_open *open, int *devpts,
                            struct cloister_error *err)
{
	if (plan->terminal == CLOISTER_TERMINAL_LOGIN_VIEW) {
		int fd = cloister_login_view_enter(plan, -1, &open->view, err);
		if (fd < 0)
			return fd;
		*devpts = fd;
	}
	if (plan->terminal == CLOISTER_TERMINAL_RELAY && cloister_terminal_fds() != 0) {
		int fd = cloister_devpts_new(plan);
		if (fd < 0)
			return cloister_fail(err, -fd, "devpts", NULL, "cannot make the session's devpts");
		*devpts = fd;
		return cloister_pty_open(fd, plan, &open->pty, err);
	}
	return 0;
}

/* The ptys of a session that is there already: of the instance that all its logins have in common. */
static int prepare_shared_terminal(const struct cloister_plan *plan, struct cloister_open *open,
                                   struct cloister_error *err)
{
	bool view = plan->terminal == CLOISTER_TERMINAL_LOGIN_VIEW;
	bool relay = plan->terminal == CLOISTER_TERMINAL_RELAY && cloister_terminal_fds() != 0;
	bool own = plan->terminal == CLOISTER_TERMINAL_BIND && plan->terminal_path != NULL;

	if (!view && !relay && !own)
		return 0;
	int _cleanup_close_ devpts = cloister_shared_devpts_open(open->session->pidfd, err);
	if (devpts < 0)
		return devpts;
	if (own)
		return cloister_own_terminal_open(plan->terminal_path, devpts, &open->terminal, err);
	if (relay)
		return cloister_pty_open(devpts, plan, &open->pty, err);
	int _cleanup_close_ mounted = cloister_login_view_enter(plan, devpts, &open->view, err);
	return mounted < 0 ? mounted : 0;
}

static int start_or_join(const struct cloister_plan *plan, const char *init_path, struct cloister_open *open,
                         struct cloister_error *err)
{
	int _cleanup_close_ devpts = -1;

	if (plan->shared) {
		int r = cloister_session_share(plan, init_path, &open->session, &open->joined, open->changed,
		                               sizeof(open->changed), err);
		return r < 0 ? r : prepare_shared_terminal(plan, open, err);
	}
	int r = prepare_terminal(plan, open, &devpts, err);
	return r < 0 ? r : cloister_session_start_registered(plan, init_path, devpts, &open->session, err);
}

static int prepare_entry(pam_handle_t *pamh, const struct cloister_plan *plan, struct cloister_open *open,
                         struct cloister_error *err)
{
	struct cloister_armed *armed = &open->armed;

	armed->pamh = pamh;
	armed->session = open->session;
	armed->pty_control = open->pty.control;
	armed->pty_master = TAKE_FD(open->pty.master);
	armed->view = &open->view;
	armed->terminal = &open->terminal;
	armed->entry = (struct cloister_entry){.session = open->session,
	                                       .login_program = true,
	                                       .reopens_terminal = plan->terminal == CLOISTER_TERMINAL_BIND,
	                                       .terminal = open->terminal.mount >= 0 ? &open->terminal : NULL,
	                                       .terminal_is_anothers = plan->terminal == CLOISTER_TERMINAL_RELAY ||
	                                                               plan->terminal == CLOISTER_TERMINAL_NONE,
	                                       .pty = open->pty.number,
	                                       .pty_fds = open->pty.fds};
	armed->own_pid_namespace = openat(AT_FDCWD, "/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (armed->own_pid_namespace < 0)
		return cloister_fail(err, errno, "entry", "/proc/self/ns/pid", "cannot open");
	if (pipe2(armed->report, O_CLOEXEC | O_NONBLOCK) < 0)
		return cloister_fail(err, errno, "entry", NULL, "no pipe");
	return 0;
}

static int arm(struct cloister_armed *armed, struct cloister_error *err)
{
	armed->closed_pid_namespace = cloister_entry_closed_namespace();
	if (armed->closed_pid_namespace < 0)
		return cloister_fail(err, -armed->closed_pid_namespace, "entry", NULL,
		                     "cannot make a pid namespace that is closed to children");
	int r = cloister_fork_arm(armed);
	return r < 0 ? cloister_fail(err, -r, "entry", NULL, "cannot register for the login program's fork") : 0;
}

int cloister_open_start(pam_handle_t *pamh, const struct cloister_plan *plan, const struct cloister_program *program,
                        const char *init_path, const struct cloister_login *login, struct cloister_open **out,
                        struct cloister_error *err)
{
	struct cloister_open *open = calloc(1, sizeof(*open));

	if (open == NULL)
		return cloister_fail(err, ENOMEM, "session", NULL, "no memory");
	open->told = true;
	open->view = (struct cloister_login_view){-1, -1, -1};
	open->terminal = (struct cloister_own_terminal){.mount = -1, .held = -1};
	open->pty = (struct cloister_pty){.number = -1, .master = -1, .control = -1};
	open->armed = (struct cloister_armed){.own_pid_namespace = -1,
	                                      .closed_pid_namespace = -1,
	                                      .pty_control = -1,
	                                      .pty_master = -1,
	                                      .report = {-1, -1}};

	int r = start_or_join(plan, init_path, open, err);
	if (r == 0)
		r = cloister_registry_add_login(open->session->id, login, err);
	/* In the login process's own pid namespace: it has nothing to do with the session's processes. */
	if (r == 0 && open->pty.number >= 0)
		r = cloister_pty_relay(&open->pty, init_path, err);
	if (r == 0)
		r = prepare_entry(pamh, plan, open, err);
	if (r == 0 && !program->moves)
		r = arm(&open->armed, err);
	if (r < 0) {
		cloister_open_close(open, NULL);
		cloister_open_free(open);
		return r;
	}
	/* Only from here on is there a pty that could be named after the end. */
	if (program->keeps_view)
		cloister_login_view_forget(&open->view);
	*out = open;
	return 0;
}

static void close_and_forget(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int cloister_open_close(struct cloister_open *open, struct cloister_error *err)
{
	struct cloister_armed *armed = &open->armed;
	int r = cloister_fork_disarm(armed, err);

	close_and_forget(&armed->own_pid_namespace);
	close_and_forget(&armed->closed_pid_namespace);
	close_and_forget(&armed->report[0]);
	close_and_forget(&armed->report[1]);
	close_and_forget(&armed->pty_master);
	if (open->session != NULL) {
		/* A second time, from the cleanup, it has been left already. */
		if (!open->told)
			cloister_audit_ending(&open->audit, open->session);
		open->ended = cloister_session_leave(open->session) || open->ended;
		if (open->ended)
			cloister_registry_remove(open->session->id);
		cloister_registry_remove_login(open->session->id);
	}
	cloister_own_terminal_close(&open->terminal);
	cloister_pty_close(&open->pty);
	cloister_login_view_leave(&open->view);
	if (open->session != NULL)
		cloister_session_reap(open->session, 0);
	if (open->session != NULL && open->ended)
		cloister_session_drop_cgroup(open->session, CGROUP_WAIT);
	return r;
}

void cloister_open_free(struct cloister_open *open)
{
	if (open == NULL)
		return;
	if (open->session != NULL && open->session->owner == getpid()) {
		cloister_session_reap(open->session, 0);
		/* The login program has reaped its own children by now. */
		if (open->ended)
			cloister_session_drop_cgroup(open->session, 0);
	}
	cloister_session_free(open->session);
	free(open);
}
