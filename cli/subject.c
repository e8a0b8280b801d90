/* SPDX-License-Identifier: MIT */
/* From command line options to a policy and a plan. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cloister/cleanup.h"
#include "cloister/image.h"
#include "cloister/terminal.h"

int cli_fail(const struct cloister_error *err)
{
	char line[2048];

	fprintf(stderr, "cloister: %s\n", cloister_error_line(err, line, sizeof(line)));
	return CLI_FAILED;
}

int cli_program_path(const char *name, char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -errno;
	self[n] = '\0';
	return cloister_program_path(name, self, path, size);
}

/* The options as one more section of the user's own, after the files. */
static int apply_settings(const struct cli_options *options, struct cli_subject *subject, struct cloister_error *err)
{
	char _cleanup_free_ *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return cloister_fail(err, errno, "options", NULL, "no memory");
	fprintf(out, "[user:%s]\n", subject->account->name);
	if (options->rootfs != NULL)
		fprintf(out, "rootfs = %s\n", options->rootfs);
	for (int i = 0; i < options->n_settings; i++)
		fprintf(out, "%s\n", options->settings[i]);
	if (fclose(out) != 0)
		return cloister_fail(err, ENOMEM, "options", NULL, "no memory");
	if (options->rootfs == NULL && options->n_settings == 0)
		return 0;
	return cloister_config_parse(subject->config, text, size, "--set", err);
}

int cli_subject_find(const struct cli_options *options, struct cli_subject *subject, struct cloister_error *err)
{
	char host_name[HOST_NAME_MAX + 1];
	const struct cloister_tokens tokens = {.session_id = subject->session_id, .host_name = host_name};

	int r = cloister_config_load(options->configuration, geteuid() == 0, &subject->config, err);
	if (r == -ENOENT && options->configuration == NULL) {
		subject->config = calloc(1, sizeof(*subject->config));
		r = subject->config == NULL ? cloister_fail(err, ENOMEM, "configuration", NULL, "no memory") : 0;
	}
	if (r == 0)
		r = options->user != NULL ? cloister_account_by_name(options->user, &subject->account, err)
		                          : cloister_account_by_uid(getuid(), &subject->account, err);
	if (r == 0)
		r = cloister_session_new_id(subject->account->name, subject->session_id, err);
	if (r == 0)
		r = apply_settings(options, subject, err);
	if (r == 0)
		r = cloister_host_name(host_name, sizeof(host_name), err);
	return r < 0 ? r : cloister_policy_find(subject->config, subject->account, &tokens, &subject->policy, err);
}

int cli_subject_plan(struct cli_subject *subject, bool shell_check, struct cloister_error *err)
{
	char terminal[PATH_MAX];
	struct cloister_plan_facts facts = {.privileged = geteuid() == 0,
	                                    .session_id = subject->session_id,
	                                    .init_path = subject->init_path,
	                                    .image = cloister_rootfs_is_file(subject->policy->rootfs, geteuid() == 0),
	                                    .shell_check = shell_check};

	if (subject->policy->refuse != NULL && subject->policy->refuse_except_sftp)
		cloister_policy_transfer_only(subject->policy);
	int r = cli_program_path("cloister-init", subject->init_path, sizeof(subject->init_path));
	if (r < 0)
		return cloister_fail(err, -r, "init", NULL, "cannot tell where cloister-init is");
	struct cloister_mount_table _cleanup_mount_table_ *mounts = NULL;
	r = cloister_id_range_find(subject->policy, subject->account, facts.privileged, &facts.range, err);
	if (r == 0 && strcmp(subject->policy->rootfs, "/") == 0)
		r = cloister_mount_table_load(&mounts, err);
	if (r < 0)
		return r;
	facts.mounts = mounts;
	if (facts.privileged) {
		facts.terminal = CLOISTER_TERMINAL_RELAY;
	} else if (cloister_terminal_path(terminal, sizeof(terminal)) == 0) {
		facts.terminal = CLOISTER_TERMINAL_BIND;
		facts.terminal_path = terminal;
	}
	return cloister_plan_build(subject->policy, subject->account, &facts, &subject->plan, err);
}

void cli_subject_clear(struct cli_subject *subject)
{
	cloister_plan_free(subject->plan);
	cloister_policy_free(subject->policy);
	cloister_account_free(subject->account);
	cloister_config_free(subject->config);
	*subject = (struct cli_subject){0};
}

int cli_overlay_subject(const char *verb, struct cli_options *options, char **arguments, struct cli_subject *subject,
                        struct cloister_error *err)
{
	options->user = arguments[0];
	if (arguments[0] == NULL || arguments[1] != NULL)
		return cloister_fail(err, EINVAL, verb, NULL, "name one user");
	/* The layers are root's, and so is the plan that says where they are. */
	if (geteuid() != 0)
		return cloister_fail(err, EPERM, verb, NULL, "needs root");
	int r = cli_subject_find(options, subject, err);
	return r < 0 ? r : cli_subject_plan(subject, false, err);
}
