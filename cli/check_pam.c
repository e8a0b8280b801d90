/* SPDX-License-Identifier: MIT */
/* cloister check: the PAM stacks. */
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
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

/* A refusal of the module must be one of the stack. */
static bool refusal_counts(const struct pam_line *line)
{
	if (*line->control == '[')
		return strstr(line->control, "default=ignore") == NULL && strstr(line->control, "default=ok") == NULL &&
		       strstr(line->control, "system_err=ignore") == NULL;
	return strcasecmp(line->control, "required") == 0 || strcasecmp(line->control, "requisite") == 0;
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

static int check_line(const struct pam_stack *stack)
{
	char word[PAM_STACK_TEXT_MAX];
	const struct pam_line *line = &stack->line;
	const char *unknown = unknown_argument(line, word);
	int errors = 0;

	if (!module_is_there(line->module)) {
		printf("error: %s: %s is not there: %s\n", stack->file, line->module,
		       line->may_be_missing ? "the line begins with \"-\", and logins are not isolated"
		                            : "nobody can log in");
		errors++;
	}
	if (!refusal_counts(line)) {
		printf("error: %s: pam_cloister.so is \"%s\" and must be \"required\": a session that is refused would "
		       "be one on the host\n",
		       stack->file, line->control);
		errors++;
	}
	if (unknown != NULL) {
		printf("error: %s: pam_cloister.so knows conf=/FILE and debug, not %s: everybody but root is refused\n",
		       stack->file, unknown);
		errors++;
	}
	return errors;
}

/* What another line does to ours. */
static void check_place(const char *path, const struct pam_stack *stack)
{
	if (strcmp(strrchr(path, '/'), strrchr(stack->file, '/')) != 0)
		printf("warning: %s: pam_cloister.so stands in %s, and so it holds for each service that includes "
		       "that: it belongs into %s itself\n",
		       path, stack->file, path);
	if (*stack->before != '\0')
		printf("warning: %s: where %s succeeds the stack ends before pam_cloister.so, and logins are not "
		       "isolated\n",
		       path, stack->before);
	if (*stack->after != '\0')
		printf("warning: %s: pam_cloister.so should be the last session line, and %s follows\n", path,
		       stack->after);
}

int cli_check_pam(const char *service, bool needed)
{
	struct pam_stack stack;
	char path[64];

	snprintf(path, sizeof(path), "/etc/pam.d/%s", service);
	cli_pam_stack_read(service, &stack);
	if (!stack.exists)
		return 0;
	if (*stack.wrong_type != '\0')
		printf("warning: %s: pam_cloister.so stands in a line of type %s, where it does nothing: it must be "
		       "session\n",
		       path, stack.wrong_type);
	if (!stack.found) {
		printf("%s: %s has no pam_cloister.so line: logins through it are not isolated\n",
		       needed ? "warning" : "note", path);
		return 0;
	}
	int errors = check_line(&stack);
	check_place(path, &stack);
	if (errors == 0 && *stack.after == '\0' && *stack.before == '\0')
		printf("ok: %s ends with pam_cloister.so\n", path);
	return errors;
}

bool cli_pam_isolates(const char *service)
{
	struct pam_stack stack;

	cli_pam_stack_read(service, &stack);
	return stack.found;
}
