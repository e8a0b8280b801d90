/* SPDX-License-Identifier: MIT */
/* cloister check: the PAM stacks. */
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "findings.h"
#include "pam_stack.h"

/* libpam looks in its own directory for a module without a path; which one that is differs. */
static bool module_is_there(const char *module)
{
	static const char *const directories[] = {"/lib/security",     "/lib64/security",     "/lib/*/security",
	                                          "/usr/lib/security", "/usr/lib64/security", "/usr/lib/*/security"};
	bool found = false;

	if (*module == '/')
		return access(module, R_OK) == 0;
	for (size_t i = 0; !found && i < sizeof(directories) / sizeof(*directories); i++) {
		char pattern[PAM_STACK_TEXT_MAX + 32];
		glob_t paths;

		snprintf(pattern, sizeof(pattern), "%s/%s", directories[i], module);
		found = glob(pattern, 0, NULL, &paths) == 0;
		if (found)
			globfree(&paths);
	}
	return found;
}

/* The module refuses everybody but root when it does not understand an argument. */
static const char *unknown_argument(const struct pam_line *line, char word[PAM_STACK_TEXT_MAX])
{
	const char *at = line->arguments;
	int length = 0;

	while (sscanf(at, "%255s%n", word, &length) == 1) {
		if (strncmp(word, "conf=/", 6) != 0 && strcmp(word, "debug") != 0)
			return word;
		at += length;
	}
	return NULL;
}

static bool line_is_good(const struct pam_stack *stack, struct cli_findings *findings)
{
	char word[PAM_STACK_TEXT_MAX];
	const struct pam_line *line = &stack->line;
	const char *unknown = unknown_argument(line, word);
	unsigned before = findings->n[CLI_ERROR];

	if (!module_is_there(line->module))
		cli_find(findings, CLI_ERROR, "pam", stack->file, "%s: %s is not there: %s", stack->file, line->module,
		         line->may_be_missing ? "the line begins with \"-\", and logins are not isolated"
		                              : "nobody can log in");
	if (!cli_pam_refusal_counts(line))
		cli_find(findings, CLI_ERROR, "pam", stack->file,
		         "%s: pam_cloister.so is \"%s\" and must be \"required\": a session that is refused would be "
		         "one "
		         "on the host",
		         stack->file, line->control);
	if (unknown != NULL)
		cli_find(findings, CLI_ERROR, "pam", stack->file,
		         "%s: pam_cloister.so knows conf=/FILE and debug, not %s: everybody but root is refused",
		         stack->file, unknown);
	return findings->n[CLI_ERROR] == before;
}

/* What other lines do to ours, and ours to them. */
static void check_place(const char *path, const struct pam_stack *stack, struct cli_findings *findings)
{
	if (*stack->before != '\0') {
		cli_find(findings, CLI_WARNING, "pam", path,
		         "%s: where %s succeeds the stack ends before pam_cloister.so, and logins are not isolated",
		         path, stack->before);
		cli_find_advice(findings,
		                "the line of %s belongs after that of pam_cloister.so, or gets another control",
		                stack->before);
	}
	if (*stack->jumper != '\0') {
		cli_find(findings, CLI_WARNING, "pam", path,
		         "%s: %s may pass over pam_cloister.so, and those for whom it does are not isolated", path,
		         stack->jumper);
		cli_find_advice(findings, "whom to isolate is said in cloister.conf, by user or group");
	}
	if (*stack->after != '\0') {
		cli_find(
			findings, CLI_WARNING, "pam", path,
			"%s: %s follows pam_cloister.so: what it starts, mounts or sets may be missing in the session, "
			"or be the host's",
			path, stack->after);
		cli_find_advice(findings, "the line of %s belongs before that of pam_cloister.so", stack->after);
	}
	if (stack->updates_motd && access("/etc/update-motd.d", F_OK) == 0)
		cli_find(findings, CLI_NOTE, "pam", path,
		         "%s: pam_motd.so follows pam_cloister.so: logins of isolated users show the message of the "
		         "day, "
		         "and do not renew it by /etc/update-motd.d",
		         path);
	if (stack->twice)
		cli_find(findings, CLI_NOTE, "pam", path,
		         "%s: pam_cloister.so stands twice in the stack: the second line does nothing", path);
}

/* One that stands in a file which others include holds for those, too, and is meant to: common-session of Debian. */
static void tell_place(const char *path, const struct pam_stack *stack, struct cli_findings *findings)
{
	if (strcmp(strrchr(path, '/'), strrchr(stack->file, '/')) == 0)
		cli_find(findings, CLI_OK, "pam", path, "%s has pam_cloister.so", path);
	else
		cli_find(findings, CLI_OK, "pam", path,
		         "%s has pam_cloister.so, by way of %s, as every service that includes that", path,
		         stack->file);
}

void cli_check_pam(const char *service, bool needed, struct cli_findings *findings)
{
	struct pam_stack stack;
	char path[64];

	snprintf(path, sizeof(path), "/etc/pam.d/%s", service);
	cli_pam_stack_read(service, &stack);
	if (!stack.exists && !(needed && stack.is_other))
		return;
	if (!stack.exists)
		cli_find(findings, CLI_WARNING, "pam", path, "%s is not there: libpam takes /etc/pam.d/other", path);
	if (*stack.missing != '\0')
		cli_find(findings, CLI_ERROR, "pam", path,
		         "%s includes %s, which is not there or includes itself: "
		         "everybody is refused",
		         path, stack.missing);
	if (*stack.wrong_type != '\0')
		cli_find(findings, CLI_WARNING, "pam", path,
		         "%s: pam_cloister.so stands in a line of type %s, where it does nothing: it must be session",
		         path, stack.wrong_type);
	if (!stack.found) {
		cli_find(findings, needed ? CLI_WARNING : CLI_NOTE, "pam", path,
		         "%s has no pam_cloister.so line: logins through it are not isolated", path);
		cli_find_advice(findings, CLI_PAM_ADVICE, path);
		return;
	}
	bool good = line_is_good(&stack, findings);
	check_place(path, &stack, findings);
	if (good && *stack.after == '\0' && *stack.before == '\0' && *stack.jumper == '\0' && *stack.missing == '\0')
		tell_place(path, &stack, findings);
}

bool cli_pam_isolates(const char *service)
{
	struct pam_stack stack;

	cli_pam_stack_read(service, &stack);
	return stack.found;
}
