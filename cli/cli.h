/* SPDX-License-Identifier: MIT */
/* The verbs of cloister(8): each takes the arguments from its own name on and returns an exit status. */
#ifndef CLOISTER_CLI_H
#define CLOISTER_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "cloister/account.h"
#include "cloister/config.h"
#include "cloister/error.h"
#include "cloister/plan.h"
#include "cloister/policy.h"
#include "cloister/run.h"
#include "cloister/session.h"

#define CLI_FAILED 125

struct json_object;

/* What verbs are given besides their own arguments. */
struct cli_options {
	const char *configuration; /* --config or CLOISTER_CONF; NULL: the standard places */
	const char *user;
	const char *rootfs;
	char **settings; /* --set key=value */
	int n_settings;
	bool json;
	bool prometheus;
	bool force;
	bool quiet;
};

int cli_run(int argc, char **argv);
int cli_plan(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_ls(int argc, char **argv);
int cli_enter(int argc, char **argv);
int cli_kill(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_diff(int argc, char **argv);
int cli_reset(int argc, char **argv);
int cli_image(int argc, char **argv);

/* Prints "cloister: LINE" and returns CLI_FAILED. */
int cli_fail(const struct cloister_error *err);

/*
 * Parses a verb's options: those that its usage names, and no other, so that --help leaves none out. anywhere: also
 * after other arguments; else what follows is a command's. Returns the index of the first other argument, -1 after
 * printing what is wrong; --help ends the program. options->settings is the caller's to free.
 */
int cli_options_parse(int argc, char **argv, const char *usage, bool anywhere, struct cli_options *options);

/* The path of another program of ours ("cloister-init"). */
int cli_program_path(const char *name, char *path, size_t size);

/*
 * Runs a command (a NULL-terminated list), or the user's login shell when it is empty, in the session that `what` says
 * (plan, account, init_path, live), with the environment of a new login. *status as of waitpid(2).
 */
int cli_run_command(const struct cloister_run *what, char **command, int *status, struct cloister_error *err);

/* One line of syslog for an event of a session that is made by hand, and by root an audit record. */
void cli_tell(const struct cloister_audit *audit);

/* Everything that leads to a plan; the members are the caller's (cli_subject_clear). */
struct cli_subject {
	struct cloister_config *config;
	struct cloister_account *account;
	struct cloister_policy *policy;
	struct cloister_plan *plan;
	char session_id[CLOISTER_SESSION_ID_MAX];
	char init_path[4096];
};

/* Loads configuration, account (by name, or the caller's when NULL) and policy with the options applied. */
int cli_subject_find(const struct cli_options *options, struct cli_subject *subject, struct cloister_error *err);
/* Adds the plan, for a session that `cloister run` or a PAM login would make. */
int cli_subject_plan(struct cli_subject *subject, bool shell_check, struct cloister_error *err);
void cli_subject_clear(struct cli_subject *subject);
/* Both for a verb about one user's overlay: the one argument names the user, and root is needed. */
int cli_overlay_subject(const char *verb, struct cli_options *options, char **arguments, struct cli_subject *subject,
                        struct cloister_error *err);

/* Prints text with everything escaped (\\xNN) that a terminal could take for a command. */
void cli_print_escaped(FILE *out, const char *text);
/* A string of JSON, which is text: bytes that are none become U+FFFD, and *is_text is false. NULL: no memory. */
struct json_object *cli_json_text(const char *bytes, bool *is_text);

#endif
