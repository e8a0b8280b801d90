/* SPDX-License-Identifier: MIT */
/* cloister check [USER]: what would fail, before anybody is locked out. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "cloister/cgroup.h"
#include "cloister/cleanup.h"
#include "cloister/image.h"
#include "cloister/path.h"
#include "cloister/source.h"

static const char usage[] = "usage: cloister check [--config FILE] [USER]\n"
			    "Checks the configuration, the user's rootfs and plan, the PAM stacks and sshd_config.\n"
			    "Exit status: 0 when nothing would fail, 1 when something would.\n";

struct findings {
	int errors;
};

static void __attribute__((format(printf, 2, 3))) report_error(struct findings *findings, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("error: ", stdout);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	findings->errors++;
}

static void check_faults(const struct cloister_config *config, struct findings *findings)
{
	for (size_t i = 0; i < config->n_faults; i++) {
		const struct cloister_config_fault *fault = &config->faults[i];

		report_error(findings, "%s:%u: %s", fault->file, fault->line, fault->text);
	}
	for (size_t i = 0; i < config->n_entries; i++) {
		const struct cloister_config_entry *entry = &config->entries[i];
		struct cloister_error err = {0};

		if (cloister_policy_check_value(entry->key, entry->value, &err) < 0)
			report_error(findings, "%s:%u: %s = %s: %s", entry->file, entry->line, entry->key, entry->value,
			             err.text);
	}
}

static void report(struct findings *findings, const struct cloister_row *row, const struct cloister_error *err,
                   const char *more)
{
	char line[2048];

	report_error(findings, "%s: %s%s", cloister_row_name(row->kind), cloister_error_line(err, line, sizeof(line)),
	             more);
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
                        struct findings *findings)
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
		printf("warning: shell: %s is not there, or cannot be executed; without it in %s's layer the login is "
		       "refused\n",
		       plan->shell, plan->user);
	else
		report_error(findings, "shell: %s is not in the rootfs %s, or cannot be executed", plan->shell,
		             row->source);
}

/* Opens the rootfs as a session would, an image by mounting it for as long as it takes to look into it. */
static void check_root(const struct cloister_plan *plan, const struct cloister_row *row, struct findings *findings)
{
	struct cloister_image _cleanup_image_ image = CLOISTER_IMAGE_NONE;
	struct cloister_source_context context = {.user_namespace = -1, .devpts = -1, .shared_root = -1};
	struct cloister_error err = {0};
	char line[2048];
	int _cleanup_close_ root = cloister_image_prepare(plan, false, &image, &err);

	if (cloister_plan_image(plan) != NULL)
		context.image = &image;
	if (root == 0)
		root = cloister_rootfs_open(plan, row, &context, &err);
	if (root < 0) {
		report_error(findings, "%s", cloister_error_line(&err, line, sizeof(line)));
		return;
	}
	if (context.image != NULL)
		printf("ok: %s is %s image, mounted %s\n", row->source,
		       strcmp(image.type, "erofs") == 0 ? "an erofs" : "a squashfs",
		       image.mount >= 0 ? "as a file" : "by a loop device");
	check_shell(plan, row, root, findings);
}

/* Homes and binds as a session would open them; a private home that is not there yet is made at the first login. */
static void check_bind(const struct cloister_plan *plan, const struct cloister_row *row, struct findings *findings)
{
	enum cloister_path_trust trust = CLOISTER_PATH_OWN_RIGHTS;
	struct cloister_error err = {0};

	if (plan->privileged)
		trust = row->flags & CLOISTER_ROW_ROOT_ONLY ? CLOISTER_PATH_ROOT_OWNED : CLOISTER_PATH_NO_PLANTED_LINKS;
	int _cleanup_close_ fd = row->kind == CLOISTER_ROW_HOME ? cloister_private_home_find(plan, row, &err)
	                                                        : cloister_bind_source_open(plan, row, trust, &err);
	if (fd < 0 && !(row->kind == CLOISTER_ROW_HOME && fd == -ENOENT))
		report(findings, row, &err, "");
}

/* Opens, as a session would, what the plan takes from the host. */
static void check_sources(const struct cloister_plan *plan, struct findings *findings)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];

		if (row->kind == CLOISTER_ROW_ROOT || row->kind == CLOISTER_ROW_OVERLAY)
			check_root(plan, row, findings);
		else if (row->kind == CLOISTER_ROW_BIND || row->kind == CLOISTER_ROW_HOME)
			check_bind(plan, row, findings);
	}
}

static void check_user(const struct cli_options *options, struct findings *findings)
{
	struct cli_subject subject = {0};
	struct cloister_error err = {0};
	char line[2048];

	int r = cli_subject_find(options, &subject, &err);
	if (r == 0)
		r = cli_subject_plan(&subject, true, &err);
	if (r < 0) {
		report_error(findings, "%s: %s", options->user, cloister_error_line(&err, line, sizeof(line)));
	} else {
		printf("%s: %s is %sisolated\n", subject.policy->isolate ? "ok" : "note", options->user,
		       subject.policy->isolate ? "" : "not ");
		if (subject.policy->refuse != NULL && subject.policy->isolate)
			printf("note: logins of %s are refused%s: %s\n", options->user,
			       subject.policy->refuse_except_sftp ? ", but for the transfer of files" : "",
			       subject.policy->refuse);
		else if (subject.policy->refuse != NULL)
			printf("note: refuse has no effect for %s, who is not isolated\n", options->user);
		if (subject.policy->linger != 0 && subject.policy->scope == CLOISTER_SCOPE_SESSION)
			printf("warning: linger has no effect for %s: it is for scope = user\n", options->user);
		check_sources(subject.plan, findings);
		if (cloister_cgroup_check(subject.plan, &err) < 0)
			report_error(findings, "limits: %s", cloister_error_line(&err, line, sizeof(line)));
		findings->errors += cli_check_overlay(subject.plan);
		findings->errors += cli_check_network(subject.plan);
		findings->errors += cli_check_sshd(subject.account, subject.policy->isolate);
		if (subject.policy->isolate)
			cli_check_services(options->user);
	}
	if (*subject.init_path != '\0') {
		int _cleanup_close_ fd =
			cloister_path_open_host(subject.init_path, 0,
		                                geteuid() == 0 ? CLOISTER_PATH_ROOT_OWNED : CLOISTER_PATH_OWN_RIGHTS,
		                                &err);
		if (fd < 0)
			report_error(findings, "init: %s", cloister_error_line(&err, line, sizeof(line)));
	}
	cli_subject_clear(&subject);
}

int cli_check(int argc, char **argv)
{
	struct cloister_config _cleanup_config_ *config = NULL;
	struct cli_options options;
	struct findings findings = {0};
	struct cloister_error err = {0};
	char line[2048];

	int first = cli_options_parse(argc, argv, usage, true, &options);
	if (first < 0)
		return CLI_FAILED;
	if (cloister_config_load(options.configuration, geteuid() == 0, &config, &err) < 0)
		report_error(&findings, "configuration: %s", cloister_error_line(&err, line, sizeof(line)));
	else
		check_faults(config, &findings);
	if (argv[first] != NULL) {
		options.user = argv[first];
		check_user(&options, &findings);
	}
	findings.errors += cli_check_pam("sshd", true);
	findings.errors += cli_check_pam("login", false);
	findings.errors += cli_check_pam("su", false);
	free(options.settings);
	printf("%d error%s\n", findings.errors, findings.errors == 1 ? "" : "s");
	return findings.errors == 0 ? 0 : 1;
}
