/* SPDX-License-Identifier: MIT */
/* cloister check [USER]: what would fail, before anybody is locked out. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cloister/cgroup.h"
#include "cloister/cleanup.h"
#include "cloister/image.h"
#include "cloister/namespace_limits.h"
#include "cloister/path.h"
#include "cloister/source.h"
#include "cloister/sshd_config.h"

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
	/* An overlay may add it. */
	int _cleanup_close_ shell = cloister_path_open_inside(root, plan->shell, O_PATH);
	if (shell < 0 && strcmp(row->source, "/") != 0)
		report_error(findings, "shell: %s is not in the rootfs %s", plan->shell, row->source);
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

/* The words of a pam.d line: type, control and module; false for a comment or another type. */
static bool is_session_line(const char *line, char *module, size_t size)
{
	char type[32], control[128], name[128];

	if (*line == '-')
		line++;
	if (sscanf(line, "%31s [%126[^]]] %127s", type, control, name) != 3 &&
	    sscanf(line, "%31s %127s %127s", type, control, name) != 3)
		return false;
	snprintf(module, size, "%s", name);
	return strcmp(type, "session") == 0;
}

static void check_pam_stack(const char *service, bool needed, struct findings *findings)
{
	char path[64], text[1024], module[128], after[128] = "";
	bool found = false;

	snprintf(path, sizeof(path), "/etc/pam.d/%s", service);
	FILE _cleanup_fclose_ *file = fopen(path, "re");
	if (file == NULL)
		return;
	while (fgets(text, sizeof(text), file) != NULL) {
		if (!is_session_line(text, module, sizeof(module)))
			continue;
		if (strstr(module, "pam_cloister.so") != NULL) {
			found = true;
			*after = '\0';
		} else if (found && *after == '\0') {
			snprintf(after, sizeof(after), "%s", module);
		}
	}
	if (!found)
		printf("%s: %s has no pam_cloister.so line: logins through it are not isolated\n",
		       needed ? "warning" : "note", path);
	else if (*after != '\0')
		printf("warning: %s: pam_cloister.so should be the last session line, and %s follows\n", path, after);
	else
		printf("ok: %s ends with pam_cloister.so\n", path);
	(void)findings;
}

static bool pam_stack_isolates(const char *service)
{
	char path[64], text[1024], module[128];
	bool found = false;

	snprintf(path, sizeof(path), "/etc/pam.d/%s", service);
	FILE _cleanup_fclose_ *file = fopen(path, "re");
	while (file != NULL && fgets(text, sizeof(text), file) != NULL) {
		if (is_session_line(text, module, sizeof(module)) && strstr(module, "pam_cloister.so") != NULL)
			found = true;
	}
	return found;
}

static bool sshd_says(const struct cloister_account *account, const char *keyword, const char *expected)
{
	char value[1024];

	return cloister_sshd_value(account->name, NULL, keyword, value, sizeof(value)) == 0 &&
	       strcmp(value, expected) == 0;
}

/* What a login shell alone cannot contain: it is never asked for a forward or for internal-sftp. */
static void check_login_shell(const struct cloister_account *account)
{
	const char *slash = strrchr(account->shell, '/');

	if (slash == NULL || strcmp(slash + 1, "cloister-sh") != 0 || pam_stack_isolates("sshd"))
		return;
	const char *limit = cloister_namespace_limit();
	if (limit != NULL)
		printf("warning: the login shell of %s is cloister-sh, which works as the user: %s\n", account->name,
		       limit);
	/* What sshd cannot be asked counts as open. */
	bool sftp_closed = sshd_says(account, "subsystem", "sftp /usr/lib/openssh/sftp-server");
	bool forwards_closed = sshd_says(account, "disableforwarding", "yes");
	if (sftp_closed && forwards_closed) {
		printf("ok: the login shell of %s is cloister-sh, and sshd's own sftp and forwards are closed\n",
		       account->name);
		return;
	}
	printf("warning: the login shell of %s is cloister-sh, and /etc/pam.d/sshd has no pam_cloister.so: sshd itself "
	       "serves\n"
	       "      %s%s%s, outside of any session. In sshd_config:\n",
	       account->name, sftp_closed ? "" : "internal-sftp", sftp_closed || forwards_closed ? "" : " and ",
	       forwards_closed ? "" : "forwards (-L, -R, -D, -A, -X)");
	if (!sftp_closed)
		printf("        Subsystem sftp /usr/lib/openssh/sftp-server\n");
	if (!forwards_closed)
		printf("        Match User %s\n"
		       "            DisableForwarding yes\n",
		       account->name);
}

static void check_chroot(const struct cloister_account *account, struct findings *findings)
{
	char directory[PATH_MAX];

	if (cloister_sshd_mentions("ChrootDirectory") &&
	    cloister_sshd_value(account->name, NULL, "chrootdirectory", directory, sizeof(directory)) == 0 &&
	    strcmp(directory, "none") != 0)
		report_error(findings,
		             "sshd_config: ChrootDirectory %s holds for %s, who is isolated: sshd cannot do that "
		             "inside a session, and ssh logins are refused",
		             directory, account->name);
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
		check_login_shell(subject.account);
		if (subject.policy->isolate) {
			check_chroot(subject.account, findings);
			cli_check_services(options->user);
		}
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
	check_pam_stack("sshd", true, &findings);
	check_pam_stack("login", false, &findings);
	check_pam_stack("su", false, &findings);
	free(options.settings);
	printf("%d error%s\n", findings.errors, findings.errors == 1 ? "" : "s");
	return findings.errors == 0 ? 0 : 1;
}
