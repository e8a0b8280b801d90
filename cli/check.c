/* SPDX-License-Identifier: MIT */
/* cloister check [USER]: what would fail, before anybody is locked out. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cli.h"
#include "cloister/cgroup.h"
#include "cloister/cleanup.h"
#include "cloister/image.h"
#include "cloister/path.h"
#include "cloister/source.h"
#include "findings.h"

static const char usage[] =
	"usage: cloister check [--json] [--config FILE] [USER...]\n"
	"Checks the configuration, the users' rootfs and plan, the PAM stacks and sshd_config.\n"
	"Exit status: 0 when nothing would fail, 1 when something would, 125 when Cloister itself failed.\n";

static void check_faults(const struct cloister_config *config, struct cli_findings *findings)
{
	char where[PATH_MAX + 16];

	for (size_t i = 0; i < config->n_faults; i++) {
		const struct cloister_config_fault *fault = &config->faults[i];

		snprintf(where, sizeof(where), "%s:%u", fault->file, fault->line);
		cli_find(findings, CLI_ERROR, "configuration", where, "%s: %s", where, fault->text);
	}
	for (size_t i = 0; i < config->n_entries; i++) {
		const struct cloister_config_entry *entry = &config->entries[i];
		struct cloister_error err = {0};

		snprintf(where, sizeof(where), "%s:%u", entry->file, entry->line);
		if (cloister_policy_check_value(entry->key, entry->value, &err) < 0)
			cli_find(findings, CLI_ERROR, "configuration", where, "%s: %s = %s: %s", where, entry->key,
			         entry->value, err.text);
	}
}

/* What a place of the configuration shows is not the rootfs'. */
static bool is_covered(const struct cloister_plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];
		size_t length = strlen(row->target);

		if (*row->origin != '\0' && length > 1 && strncmp(path, row->target, length) == 0 &&
		    (path[length] == '/' || path[length] == '\0'))
			return true;
	}
	return false;
}

static void check_shell(const struct cloister_plan *plan, const struct cloister_row *row, int root,
                        struct cli_findings *findings)
{
	bool host = strcmp(row->source, "/") == 0;
	/* Of the machine's own files, file systems of their own (/usr) are shown, too. */
	int _cleanup_close_ shell =
		host ? open(plan->shell, O_PATH | O_CLOEXEC) : cloister_path_open_inside(root, plan->shell, O_PATH);
	struct stat st;

	if (is_covered(plan, plan->shell))
		return;
	if (shell >= 0 && fstat(shell, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0)
		return;
	/* The user's layer may have it. */
	if (*plan->state != '\0' && host)
		cli_find(findings, CLI_WARNING, "shell", plan->shell,
		         "shell: %s is not there, or cannot be executed; without it in %s's layer the login is refused",
		         plan->shell, plan->user);
	else
		cli_find(findings, CLI_ERROR, "shell", plan->shell,
		         "shell: %s is not in the rootfs %s, or cannot be executed", plan->shell, row->source);
}

/* Opens the rootfs as a session would, an image by mounting it for as long as it takes to look into it. */
static void check_root(const struct cloister_plan *plan, const struct cloister_row *row, struct cli_findings *findings)
{
	struct cloister_image _cleanup_image_ image = CLOISTER_IMAGE_NONE;
	struct cloister_source_context context = {.user_namespace = -1, .devpts = -1, .shared_root = -1};
	struct cloister_error err = {0};
	int _cleanup_close_ root = cloister_image_prepare(plan, false, &image, &err);

	if (cloister_plan_image(plan) != NULL)
		context.image = &image;
	if (root == 0)
		root = cloister_rootfs_open(plan, row, &context, &err);
	if (root < 0) {
		cli_find_error(findings, "rootfs", &err);
		return;
	}
	if (context.image != NULL)
		cli_find(findings, CLI_OK, "rootfs", row->source, "%s is %s image, mounted %s", row->source,
		         strcmp(image.type, "erofs") == 0 ? "an erofs" : "a squashfs",
		         image.mount >= 0 ? "as a file" : "by a loop device");
	check_shell(plan, row, root, findings);
	cli_check_places(plan, row, root, context.image, findings);
}

/* Homes and binds as a session would open them; a private home that is not there yet is made at the first login. */
static void check_bind(const struct cloister_plan *plan, const struct cloister_row *row, struct cli_findings *findings)
{
	enum cloister_path_trust trust = CLOISTER_PATH_OWN_RIGHTS;
	struct cloister_error err = {0};

	if (plan->privileged)
		trust = row->flags & CLOISTER_ROW_ROOT_ONLY ? CLOISTER_PATH_ROOT_OWNED : CLOISTER_PATH_NO_PLANTED_LINKS;
	int _cleanup_close_ fd = row->kind == CLOISTER_ROW_HOME ? cloister_private_home_find(plan, row, &err)
	                                                        : cloister_bind_source_open(plan, row, trust, &err);
	if (fd < 0 && !(row->kind == CLOISTER_ROW_HOME && fd == -ENOENT))
		cli_find_error(findings, cloister_row_name(row->kind), &err);
}

/* Opens, as a session would, what the plan takes from the host. */
static void check_sources(const struct cloister_plan *plan, struct cli_findings *findings)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];

		if (row->kind == CLOISTER_ROW_ROOT || row->kind == CLOISTER_ROW_OVERLAY)
			check_root(plan, row, findings);
		else if (row->kind == CLOISTER_ROW_BIND || row->kind == CLOISTER_ROW_HOME)
			check_bind(plan, row, findings);
	}
}

static void check_policy(const struct cloister_policy *policy, const char *user, struct cli_findings *findings)
{
	cli_find(findings, policy->isolate ? CLI_OK : CLI_NOTE, "user", NULL, "%s is %sisolated", user,
	         policy->isolate ? "" : "not ");
	if (policy->refuse != NULL && policy->isolate)
		cli_find(findings, CLI_NOTE, "configuration", NULL, "logins of %s are refused%s: %s", user,
		         policy->refuse_except_sftp ? ", but for the transfer of files" : "", policy->refuse);
	else if (policy->refuse != NULL)
		cli_find(findings, CLI_NOTE, "configuration", NULL, "refuse has no effect for %s, who is not isolated",
		         user);
	if (policy->linger != 0 && policy->scope == CLOISTER_SCOPE_SESSION)
		cli_find(findings, CLI_WARNING, "configuration", NULL,
		         "linger has no effect for %s: it is for scope = user", user);
}

static void check_plan(const struct cli_subject *subject, struct cli_findings *findings)
{
	struct cloister_error err = {0};

	check_sources(subject->plan, findings);
	if (cloister_cgroup_check(subject->plan, &err) < 0)
		cli_find_error(findings, "limits", &err);
	cli_check_ids(subject->plan, findings);
	cli_check_overlay(subject->plan, findings);
	cli_check_network(subject->plan, findings);
	cli_check_sshd(subject->account, subject->policy->isolate, findings);
	if (subject->policy->isolate)
		cli_check_services(subject->account->name, findings);
}

static void check_user(const struct cli_options *options, struct cli_findings *findings)
{
	struct cli_subject subject = {0};
	struct cloister_error err = {0};
	char line[2048];

	int r = cli_subject_find(options, &subject, &err);
	if (r == 0)
		r = cli_subject_plan(&subject, true, &err);
	if (r < 0) {
		cli_find(findings, CLI_ERROR, "user", err.path, "%s: %s", options->user,
		         cloister_error_line(&err, line, sizeof(line)));
	} else {
		check_policy(subject.policy, options->user, findings);
		check_plan(&subject, findings);
	}
	if (*subject.init_path != '\0') {
		int _cleanup_close_ fd =
			cloister_path_open_host(subject.init_path, 0,
		                                geteuid() == 0 ? CLOISTER_PATH_ROOT_OWNED : CLOISTER_PATH_OWN_RIGHTS,
		                                &err);
		if (fd < 0)
			cli_find_error(findings, "init", &err);
	}
	cli_subject_clear(&subject);
}

static json_object *json_users(char **users)
{
	json_object *array = json_object_new_array();
	bool is_text;

	for (; *users != NULL; users++)
		json_object_array_add(array, cli_json_text(*users, &is_text));
	return array;
}

/* Returns the exit status. */
static int end(struct cli_findings *findings, char **users)
{
	unsigned errors = findings->n[CLI_ERROR];

	if (findings->list == NULL) {
		printf("%u error%s\n", errors, errors == 1 ? "" : "s");
	} else {
		json_object *object = json_object_new_object();

		json_object_object_add(object, "users", json_users(users));
		json_object_object_add(object, "errors", json_object_new_uint64(errors));
		json_object_object_add(object, "warnings", json_object_new_uint64(findings->n[CLI_WARNING]));
		json_object_object_add(object, "findings", findings->list);
		puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(object);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		struct cloister_error err = {0};

		cloister_fail(&err, EIO, "check", NULL, "cannot print");
		return cli_fail(&err);
	}
	return errors == 0 ? 0 : 1;
}

int cli_check(int argc, char **argv)
{
	struct cloister_config _cleanup_config_ *config = NULL;
	struct cli_options options;
	struct cli_findings findings = {0};
	struct cloister_error err = {0};

	int first = cli_options_parse(argc, argv, usage, true, &options);
	if (first < 0)
		return CLI_FAILED;
	if (options.json)
		findings.list = json_object_new_array();
	if (cloister_config_load(options.configuration, geteuid() == 0, &config, &err) < 0) {
		cli_find_error(&findings, "configuration", &err);
	} else {
		check_faults(config, &findings);
		cli_check_names(config, &findings);
	}
	for (char **user = argv + first; *user != NULL; user++) {
		options.user = *user;
		findings.user = *user;
		check_user(&options, &findings);
	}
	findings.user = NULL;
	cli_check_pam("sshd", true, &findings);
	cli_check_pam("login", false, &findings);
	cli_check_pam("su", false, &findings);
	free(options.settings);
	return end(&findings, argv + first);
}
