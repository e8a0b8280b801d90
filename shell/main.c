/* SPDX-License-Identifier: MIT */
/*
 * cloister-sh(1), the login shell. Inside a session it leads to the user's real shell. Outside it makes a session
 * with the user's own rights (or root's, when root runs it) and runs the shell there.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "cloister/account.h"
#include "cloister/audit.h"
#include "cloister/cleanup.h"
#include "cloister/config.h"
#include "cloister/file_transfer.h"
#include "cloister/image.h"
#include "cloister/launcher.h"
#include "cloister/namespace_limits.h"
#include "cloister/policy.h"
#include "cloister/run.h"
#include "cloister/session.h"
#include "cloister/terminal.h"

#define FAILED 125

static int find_policy(const struct cloister_account *account, const char *session_id, struct cloister_policy **policy,
                       struct cloister_error *err)
{
	struct cloister_config _cleanup_config_ *config = NULL;
	char host_name[HOST_NAME_MAX + 1];
	const struct cloister_tokens tokens = {.session_id = session_id, .host_name = host_name};

	int r = cloister_config_load(NULL, geteuid() == 0, &config, err);
	/* The passwd entry asks for a session; without a configuration it is the built-in one, and that is the
	 * strictest. */
	if (r == -ENOENT)
		config = calloc(1, sizeof(*config));
	else if (r < 0)
		return r;
	if (config == NULL)
		return cloister_fail(err, ENOMEM, "configuration", NULL, "no memory");
	r = cloister_host_name(host_name, sizeof(host_name), err);
	return r < 0 ? r : cloister_policy_find(config, account, &tokens, policy, err);
}

/* A name that the kernel gives, not the caller: argv[0] is the login program's. */
static int find_init(char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -errno;
	self[n] = '\0';
	return cloister_program_path("cloister-init", self, path, size);
}

static int make_plan(const struct cloister_policy *policy, const struct cloister_account *account,
                     const char *session_id, const char *init_path, struct cloister_plan **plan,
                     struct cloister_error *err)
{
	char terminal[PATH_MAX];
	struct cloister_plan_facts facts = {.privileged = geteuid() == 0,
	                                    .session_id = session_id,
	                                    .init_path = init_path,
	                                    .image = cloister_rootfs_is_file(policy->rootfs, geteuid() == 0),
	                                    .shell_check = true};

	struct cloister_mount_table _cleanup_mount_table_ *mounts = NULL;
	int r = cloister_id_range_find(policy, account, facts.privileged, &facts.range, err);
	if (r == 0 && strcmp(policy->rootfs, "/") == 0)
		r = cloister_mount_table_load(&mounts, err);
	if (r < 0)
		return r;
	facts.mounts = mounts;
	if (cloister_terminal_path(terminal, sizeof(terminal)) == 0) {
		facts.terminal = CLOISTER_TERMINAL_BIND;
		facts.terminal_path = terminal;
	}
	return cloister_plan_build(policy, account, &facts, plan, err);
}

/* `refuse`: for everything, or for everything but an SFTP server, which is then what runs. */
static int apply_refusal(struct cloister_policy *policy, char **argv, struct cloister_transfer *transfer,
                         struct cloister_error *err)
{
	if (policy->refuse == NULL)
		return 0;
	if (!policy->refuse_except_sftp || cloister_transfer_parse(argv, transfer) < 0)
		return cloister_fail(err, EACCES, CLOISTER_REFUSED, NULL, "%s", policy->refuse);
	cloister_policy_transfer_only(policy);
	return 1;
}

/* Closed again: the session's process is a fork of this one. */
static void tell(const struct cloister_audit *audit)
{
	char line[CLOISTER_AUDIT_LINE_MAX];

	openlog("cloister-sh", LOG_PID, LOG_AUTHPRIV);
	syslog(audit->event == CLOISTER_AUDIT_REFUSE ? LOG_ERR : LOG_INFO, "%s",
	       cloister_audit_line(audit, line, sizeof(line)));
	closelog();
}

/* *audit is begun, with as much as is known when it fails. */
static int run_session(char **argv, int *status, struct cloister_audit *audit, struct cloister_error *err)
{
	const struct cloister_login login = {.service = "cloister-sh"};
	struct cloister_account _cleanup_account_ *account = NULL;
	struct cloister_policy _cleanup_policy_ *policy = NULL;
	struct cloister_plan _cleanup_plan_ *plan = NULL;
	struct cloister_transfer transfer = {0};
	int transfers = 0;
	char session_id[CLOISTER_SESSION_ID_MAX], init_path[PATH_MAX], name[NAME_MAX + 2];

	cloister_audit_begin(audit, "an unknown user", getuid(), &login);
	int r = cloister_account_by_uid(getuid(), &account, err);
	if (r == 0)
		cloister_audit_begin(audit, account->name, account->uid, &login);
	if (r == 0)
		r = cloister_session_new_id(account->name, session_id, err);
	if (r == 0)
		r = find_policy(account, session_id, &policy, err);
	if (r == 0) {
		transfers = apply_refusal(policy, argv, &transfer, err);
		r = transfers < 0 ? transfers : 0;
	}
	if (r == 0)
		r = find_init(init_path, sizeof(init_path));
	if (r == 0)
		r = make_plan(policy, account, session_id, init_path, &plan, err);
	if (r < 0)
		return r;
	cloister_audit_add_plan(audit, plan);
	const char *slash = strrchr(plan->shell, '/');
	char *fallback[] = {name, NULL};
	struct cloister_run run = {.plan = plan,
	                           .account = account,
	                           .init_path = init_path,
	                           .program = plan->shell,
	                           .argv = argv[0] != NULL ? argv : fallback,
	                           .service = login.service,
	                           .tell = tell};
	snprintf(name, sizeof(name), "%s%.*s", argv[0] != NULL && argv[0][0] == '-' ? "-" : "", NAME_MAX,
	         slash != NULL ? slash + 1 : plan->shell);
	run.argv[0] = name;
	if (transfers > 0) {
		run.program = transfer.argv[0];
		run.argv = transfer.argv;
	}
	setenv("SHELL", plan->shell, 1);
	if (cloister_plan_runtime_directory(plan) != NULL)
		setenv("XDG_RUNTIME_DIR", cloister_plan_runtime_directory(plan), 1);
	else
		unsetenv("XDG_RUNTIME_DIR");
	/* setenv(3) moves it for a new variable. */
	run.environment = environ;
	return cloister_run(&run, status, err);
}

static int show_help(void)
{
	puts("usage: cloister-sh [-c COMMAND | ARGUMENT...]\n"
	     "       cloister-sh --help\n"
	     "       cloister-sh --version\n"
	     "A login shell that puts the session into a container and runs the user's shell there.\n"
	     "Its arguments are the inner shell's. See cloister-sh(1).\n"
	     "Exit status: the shell's own; 125 when the session could not be started, 127 when the shell could not.");
	return 0;
}

int main(int argc, char **argv)
{
	struct cloister_error err = {0};
	struct cloister_inside inside;
	struct cloister_audit audit;
	char line[2048];
	int status = 0;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return show_help();
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("cloister-sh " CLOISTER_VERSION);
		return 0;
	}
	/* Whoever ignores it passes that on, and then nobody is waited for (wait(2)). */
	signal(SIGCHLD, SIG_DFL);
	cloister_launcher_clean_environment(environ);
	if (cloister_launcher_inside(&inside)) {
		cloister_launcher_exec(&inside, argv, environ, &err);
		if (strcmp(err.step, CLOISTER_REFUSED) == 0) {
			fprintf(stderr, "%s\n", err.text);
			return FAILED;
		}
		fprintf(stderr, "cloister-sh: %s\n", cloister_error_line(&err, line, sizeof(line)));
		return 127;
	}
	if (run_session(argv, &status, &audit, &err) < 0) {
		cloister_error_line(&err, line, sizeof(line));
		cloister_audit_refused(&audit, &err);
		tell(&audit);
		if (strcmp(err.step, CLOISTER_REFUSED) == 0) {
			fprintf(stderr, "%s\n", err.text);
			return FAILED;
		}
		fprintf(stderr, "cloister-sh: your session could not be started: %s\n", line);
		const char *limit = geteuid() == 0 ? NULL : cloister_namespace_limit();
		if (limit != NULL) {
			openlog("cloister-sh", LOG_PID, LOG_AUTHPRIV);
			syslog(LOG_ERR, "%s", limit);
			fprintf(stderr, "cloister-sh: for the administrator: %s\n", limit);
		}
		return FAILED;
	}
	cloister_exit_like(status);
}
