/* SPDX-License-Identifier: MIT */
/* A session started by hand: cloister-sh outside a session, and `cloister run`. */
#ifndef CLOISTER_RUN_H
#define CLOISTER_RUN_H

#include "cloister/account.h"
#include "cloister/audit.h"
#include "cloister/error.h"
#include "cloister/plan.h"

struct cloister_run {
	const struct cloister_plan *plan;
	const struct cloister_account *account;
	const char *init_path;
	struct cloister_session *live; /* a session that is there (cloister_session_attach), which is entered and left;
	                                  NULL: one is started and ended */
	const char *program;           /* a path inside, or a name that is looked for in PATH inside */
	char **argv;
	char **environment;
	/* In seconds; then it is killed. With a limit it has /dev/null for standard input, output and error, and no
	 * terminal: it may be anything of the user's. 0: none. */
	unsigned limit;
	const char *service; /* what the registry and the logs call the caller, "cloister run" */
	/* Told of the start, once it is there, and of the end; NULL: nobody is. */
	void (*tell)(const struct cloister_audit *audit);
};

/*
 * Starts the session (or takes the live one), forks the child that enters it and executes program, and waits for it.
 * While it waits, the caller's SIGINT and SIGQUIT are ignored: they are the child's. Afterwards nothing of a session
 * that was started is left. *status is the child's wait status (waitpid(2)). Returns 0, or -errno when nothing of the
 * user's ran.
 */
int cloister_run(const struct cloister_run *run, int *status, struct cloister_error *err);

/* Ends the calling process the way the child ended: its exit status, or the same signal (without a core file). */
void cloister_exit_like(int status) __attribute__((noreturn));

#endif
