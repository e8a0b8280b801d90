/* SPDX-License-Identifier: MIT */
/* cloister enter: a command in a session that is there, as its user and with its restrictions. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cloister/cleanup.h"
#include "sessions.h"

static const char usage[] = "usage: cloister enter SESSION|USER [-- COMMAND...]\n"
			    "Runs COMMAND, or the user's login shell, in a session that is there. For root alone.\n"
			    "Exit status: the command's own; 125 when it could not be run.\n";

/* The one session that is meant. */
static int find_one(const char *name, struct cli_sessions *sessions, struct cloister_error *err)
{
	int r = cli_sessions_find(name, sessions, err);

	if (r < 0)
		return r;
	if (sessions->n == 0)
		return cloister_fail(err, ESRCH, "enter", NULL, "there is no session, nor a user with one, called %s",
		                     name);
	if (sessions->n == 1)
		return 0;
	for (size_t i = 0; i < sessions->n; i++)
		fprintf(stderr, "%s\n", sessions->list[i].registered.id);
	return cloister_fail(err, EINVAL, "enter", NULL, "%s has %zu sessions: name one of them", name, sessions->n);
}

/* *account stays NULL where the user was deleted while the session is there, or is somebody else by now. */
static int find_account(const struct cloister_registered *registered, struct cloister_account **account,
                        struct cloister_error *err)
{
	struct cloister_account _cleanup_account_ *found = NULL;
	int r = cloister_account_by_name(registered->user, &found, err);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && found->uid == registered->uid) {
		*account = TAKE_PTR(found);
		return 0;
	}
	fprintf(stderr,
	        "cloister: note: there is no user %s with the uid %u any more: entering with the session's own ids\n",
	        registered->user, registered->uid);
	return 0;
}

/* Of what the session was made with; init keeps it, sealed. */
static int account_of_session(const struct cloister_plan *plan, struct cloister_account **out,
                              struct cloister_error *err)
{
	struct cloister_account _cleanup_account_ *account = calloc(1, sizeof(*account));

	if (account != NULL) {
		account->uid = plan->uid;
		account->gid = plan->gid;
		account->name = strdup(plan->user);
		account->home = strdup(plan->home);
	}
	if (account == NULL || account->name == NULL || account->home == NULL)
		return cloister_fail(err, ENOMEM, "enter", NULL, "no memory");
	*out = TAKE_PTR(account);
	return 0;
}

static int enter(const struct cloister_registered *registered, char **command, int *status, struct cloister_error *err)
{
	struct cloister_account _cleanup_account_ *account = NULL;
	struct cloister_plan _cleanup_plan_ *plan = NULL;
	struct cloister_session *session = NULL;
	char init_path[4096];

	int r = find_account(registered, &account, err);
	if (r == 0)
		r = cloister_session_attach(registered->id, registered->init, registered->pidfd, account, &plan,
		                            &session, err);
	if (r == -ESRCH)
		return cloister_fail(err, ESRCH, "enter", NULL, "session %s has ended", registered->id);
	if (r < 0)
		return r;
	/* The caller's terminal, root's, stays outside. */
	plan->terminal = CLOISTER_TERMINAL_RELAY;
	r = cli_program_path("cloister-init", init_path, sizeof(init_path));
	if (r < 0)
		r = cloister_fail(err, -r, "init", NULL, "cannot tell where cloister-init is");
	else if (account == NULL)
		r = account_of_session(plan, &account, err);
	if (r == 0)
		r = cli_run_command(&(struct cloister_run){.plan = plan,
		                                           .account = account,
		                                           .init_path = init_path,
		                                           .live = session,
		                                           .service = "cloister enter",
		                                           .tell = cli_tell},
		                    command, status, err);
	cloister_session_free(session);
	return r;
}

int cli_enter(int argc, char **argv)
{
	struct cli_sessions sessions = {0};
	struct cloister_error err = {0};
	int status = 0;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc < 2 || argv[1][0] == '-' || (argc > 2 && strcmp(argv[2], "--") != 0)) {
		fputs(usage, stderr);
		return CLI_FAILED;
	}
	int r = geteuid() != 0 ? cloister_fail(&err, EPERM, "enter", NULL, "only root may") : 0;
	if (r == 0)
		r = find_one(argv[1], &sessions, &err);
	if (r == 0)
		r = enter(&sessions.list[0].registered, argv + (argc > 2 ? 3 : 2), &status, &err);
	cli_sessions_clear(&sessions);
	if (r < 0)
		return cli_fail(&err);
	cloister_exit_like(status);
}
