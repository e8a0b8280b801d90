/* SPDX-License-Identifier: MIT */
/* The login program's next fork is the user's child: pthread_atfork(3) handlers that move it into the session. */
#ifndef CLOISTER_FORK_HANDLER_H
#define CLOISTER_FORK_HANDLER_H

#include <security/pam_modules.h>

#include "cloister/entry.h"
#include "cloister/terminal.h"

/* What the child, and the login process at the end, must close; in memory that outlives the session's open. */
struct cloister_armed {
	pam_handle_t *pamh;
	struct cloister_session *session;
	struct cloister_entry entry;
	int own_pid_namespace;
	int closed_pid_namespace; /* between forks: the opening thread cannot make a child but through the handlers */
	int pty_control;          /* the relay's; -1: none */
	int pty_master;
	struct cloister_login_view *view; /* the opener's, as the terminal is; NULL: none */
	struct cloister_own_terminal *terminal;
	int report[2]; /* a failing entry says in it what failed */
};

/* What a child that could not enter, or did, says through the pipe. code 0: it is inside. */
struct cloister_entry_report {
	int code;
	char step[32];
};

/* Async-signal-safe. */
void cloister_entry_report_fill(struct cloister_entry_report *report, int code, const char *step);

/*
 * In a forked child: closes its copies of what the login process holds, the control socket above all, since init ends
 * when the last one is closed; the session is not this process's from then on, whatever its pid is inside. Every one of
 * them, since a child that does not execute anything at once (sshd's) loads name services of the rootfs, which are the
 * user's to write: with a descriptor of the host's root they would be out.
 */
void cloister_armed_disown(struct cloister_armed *armed);

/* Whether this process has a session open. */
bool cloister_fork_is_armed(void);

/*
 * Registers the handlers (once for a process) and arms them; every child of the calling thread that does not come by
 * fork(3) is impossible from then on (ENOMEM). armed stays the caller's and must outlive cloister_fork_disarm.
 */
int cloister_fork_arm(struct cloister_armed *armed);

/* Disarms: forks are the login program's own business again. What a failed entry reported, if any, is in *err, returned
 * as -errno. */
int cloister_fork_disarm(struct cloister_armed *armed, struct cloister_error *err);

#endif
