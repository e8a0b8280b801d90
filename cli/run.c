/* SPDX-License-Identifier: MIT */
/* cloister run: a session by hand. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cloister/cleanup.h"
#include "cloister/run.h"

static const char usage[] =
	"usage: cloister run [--user USER] [--rootfs DIRECTORY] [--set KEY=VALUE]... [--config FILE] [-- COMMAND...]\n"
	"Starts a session and runs COMMAND, or the user's login shell, in it.\n"
	"Exit status: the command's own; 125 when the session could not be started.\n";

/* What login(1) would give: the outer environment is root's. */
static int login_environment(const struct cloister_plan *plan, const struct cloister_account *account,
                             char **environment, size_t size)
{
	const char *const kept[] = {"TERM", "LANG", "COLORTERM", "TZ"};
	size_t n = 0;

	if (asprintf(&environment[n++], "HOME=%s", account->home) < 0 ||
	    asprintf(&environment[n++], "USER=%s", account->name) < 0 ||
	    asprintf(&environment[n++], "LOGNAME=%s", account->name) < 0 ||
	    asprintf(&environment[n++], "SHELL=%s", plan->shell) < 0 ||
	    asprintf(&environment[n++], "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin") < 0)
		return -ENOMEM;
	const char *runtime = cloister_plan_runtime_directory(plan);
	if (runtime != NULL && asprintf(&environment[n++], "XDG_RUNTIME_DIR=%s", runtime) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept) && n + 1 < size; i++) {
		const char *value = getenv(kept[i]);

		if (value != NULL && asprintf(&environment[n++], "%s=%s", kept[i], value) < 0)
			return -ENOMEM;
	}
	environment[n] = NULL;
	return 0;
}

int cli_run_command(const struct cloister_run *what, char **command, int *status, struct cloister_error *err)
{
	const struct cloister_plan *plan = what->plan;
	char *environment[16] = {NULL};
	char _cleanup_free_ *name = NULL;
	const char *slash = strrchr(plan->shell, '/');
	char *shell_argv[] = {NULL, NULL};

	if (asprintf(&name, "-%s", slash != NULL ? slash + 1 : plan->shell) < 0)
		return cloister_fail(err, ENOMEM, "run", NULL, "no memory");
	shell_argv[0] = name;
	int r = login_environment(plan, what->account, environment, sizeof(environment) / sizeof(*environment));
	struct cloister_run run = *what;
	run.program = command[0] != NULL ? command[0] : plan->shell;
	run.argv = command[0] != NULL ? command : shell_argv;
	run.environment = environment;
	if (r == 0)
		r = setenv("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", 1);
	if (r == 0)
		r = cloister_run(&run, status, err);
	else
		r = cloister_fail(err, ENOMEM, "run", NULL, "no memory");
	for (size_t i = 0; environment[i] != NULL; i++)
		free(environment[i]);
	return r;
}

static void tell_refusal(const struct cli_subject *subject, const struct cloister_error *err)
{
	const struct cloister_login login = {.service = "cloister run"};
	const struct cloister_account *account = subject->account;
	struct cloister_audit audit;

	if (account == NULL)
		return;
	cloister_audit_begin(&audit, account->name, account->uid, &login);
	if (subject->plan != NULL)
		cloister_audit_add_plan(&audit, subject->plan);
	cloister_audit_refused(&audit, err);
	cli_tell(&audit);
}

int cli_run(int argc, char **argv)
{
	struct cli_subject subject = {0};
	struct cli_options options;
	struct cloister_error err = {0};
	int status = 0;

	int first = cli_options_parse(argc, argv, usage, false, &options);
	if (first < 0)
		return CLI_FAILED;
	int r = cli_subject_find(&options, &subject, &err);
	/* To try things with: it must not get into the way of the user's own session, nor that into its. */
	if (r == 0) {
		subject.policy->scope = CLOISTER_SCOPE_SESSION;
		/* What is refused is logins. */
		free(subject.policy->refuse);
		subject.policy->refuse = NULL;
	}
	if (r == 0)
		r = cli_subject_plan(&subject, argv[first] == NULL, &err);
	if (r == 0)
		r = cli_run_command(&(struct cloister_run){.plan = subject.plan,
		                                           .account = subject.account,
		                                           .init_path = subject.init_path,
		                                           .service = "cloister run",
		                                           .tell = cli_tell},
		                    argv + first, &status, &err);
	if (r < 0)
		tell_refusal(&subject, &err);
	cli_subject_clear(&subject);
	free(options.settings);
	if (r < 0)
		return cli_fail(&err);
	cloister_exit_like(status);
}
