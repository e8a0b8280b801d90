/* SPDX-License-Identifier: MIT */
/* Reading /etc/pam.d. */
#include "pam_stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cloister/cleanup.h"

#define MODULE     "pam_cloister.so"
#define DEPTH_MAX  16 /* libpam's own is 32; a loop is a mistake anyway */
#define WHITESPACE " \t\n\r"

/* The next word, of which [ ... ] is one, "\]" no end of it. */
static const char *take_word(const char *at, char *word, size_t size)
{
	size_t length = 0;
	char before = '\0';

	at += strspn(at, WHITESPACE);
	bool bracketed = *at == '[', ended = false;
	for (; *at != '\0' && !ended && (bracketed || strchr(WHITESPACE, *at) == NULL); at++) {
		ended = bracketed && *at == ']' && before != '\\';
		before = *at;
		if (length + 1 < size)
			word[length++] = *at;
	}
	word[length] = '\0';
	return at;
}

bool cli_pam_line_parse(const char *text, struct pam_line *line)
{
	char type[PAM_STACK_TEXT_MAX];

	*line = (struct pam_line){.may_be_missing = false};
	const char *at = take_word(text, type, sizeof(type));
	if (*type == '\0' || *type == '#')
		return false;
	line->may_be_missing = *type == '-';
	snprintf(line->type, sizeof(line->type), "%.*s", (int)sizeof(line->type) - 1, type + line->may_be_missing);
	if (strcasecmp(line->type, "@include") != 0)
		at = take_word(at, line->control, sizeof(line->control));
	at = take_word(at, line->module, sizeof(line->module));
	at += strspn(at, WHITESPACE);
	snprintf(line->arguments, sizeof(line->arguments), "%.*s", (int)strcspn(at, "#\n"), at);
	return *line->module != '\0';
}

static bool is_ours(const struct pam_line *line)
{
	const char *slash = strrchr(line->module, '/');

	return strcmp(slash != NULL ? slash + 1 : line->module, MODULE) == 0;
}

/* The next VALUE=ACTION of a control in brackets, which may have blanks around "=" (pam.conf(5)). */
static const char *take_action(const char *at, char *value, char *action, size_t size)
{
	static const char blanks[] = "[ \t";
	size_t length;

	at += strspn(at, blanks);
	length = strcspn(at, "= \t]");
	snprintf(value, size, "%.*s", (int)length, at);
	at += length;
	at += strspn(at, blanks);
	if (*value == '\0' || *at != '=')
		return NULL;
	at++;
	at += strspn(at, blanks);
	length = strcspn(at, " \t]");
	snprintf(action, size, "%.*s", (int)length, at);
	return at + length;
}

bool cli_pam_refusal_counts(const struct pam_line *line)
{
	char value[32], action[32], of_default[32] = "ignore", of_ours[32] = "";
	const char *at = line->control;

	if (*at != '[')
		return strcasecmp(at, "required") == 0 || strcasecmp(at, "requisite") == 0;
	while ((at = take_action(at, value, action, sizeof(value))) != NULL) {
		if (strcasecmp(value, "default") == 0)
			snprintf(of_default, sizeof(of_default), "%s", action);
		else if (strcasecmp(value, "system_err") == 0)
			snprintf(of_ours, sizeof(of_ours), "%s", action);
	}
	const char *counts = *of_ours != '\0' ? of_ours : of_default;
	return strcasecmp(counts, "bad") == 0 || strcasecmp(counts, "die") == 0;
}

/* What comes after it is not asked when it succeeds. */
static bool ends_the_stack(const struct pam_line *line)
{
	char value[32], action[32];
	const char *at = line->control;

	if (*at != '[')
		return strcasecmp(at, "sufficient") == 0;
	while ((at = take_action(at, value, action, sizeof(value))) != NULL) {
		if (strcasecmp(action, "done") == 0)
			return true;
	}
	return false;
}

/* How many of the lines after it may be passed over. */
static unsigned long jump_of(const struct pam_line *line)
{
	char value[32], action[32];
	const char *at = line->control;
	unsigned long furthest = 0;

	if (*at != '[')
		return 0;
	while ((at = take_action(at, value, action, sizeof(value))) != NULL) {
		unsigned long jump = strtoul(action, NULL, 10);

		furthest = jump > furthest ? jump : furthest;
	}
	return furthest;
}

static void keep(char to[PAM_STACK_TEXT_MAX], const char *from)
{
	snprintf(to, PAM_STACK_TEXT_MAX, "%s", from);
}

/*
 * What services have after the file that they share: it sets limits and variables, of the login process or of PAM's,
 * writes records, or prints. It starts and mounts nothing, and names nothing of the host's to the user. Others belong
 * before ours.
 */
static bool may_follow(const char *module)
{
	static const char *const harmless[] = {"pam_env.so",    "pam_keyinit.so",  "pam_lastlog.so", "pam_lastlog2.so",
	                                       "pam_limits.so", "pam_loginuid.so", "pam_mail.so",    "pam_motd.so",
	                                       "pam_permit.so", "pam_selinux.so",  "pam_umask.so",   "pam_unix.so"};

	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++) {
		if (strcmp(module, harmless[i]) == 0)
			return true;
	}
	return false;
}

static void add_follower(const struct pam_line *line, struct pam_stack *stack)
{
	if (!may_follow(line->module) && *stack->after == '\0')
		keep(stack->after, line->module);
	if (strcmp(line->module, "pam_motd.so") == 0 && strstr(line->arguments, "noupdate") == NULL)
		stack->updates_motd = true;
}

static void add_line(const struct pam_line *line, const char *file, struct pam_stack *stack)
{
	bool session = strcasecmp(line->type, "session") == 0;

	if (is_ours(line) && !session) {
		keep(stack->wrong_type, line->type);
	} else if (is_ours(line) && stack->found) {
		stack->twice = true;
	} else if (is_ours(line)) {
		if (stack->passed_over == 0)
			*stack->jumper = '\0';
		stack->found = true;
		stack->line = *line;
		keep(stack->file, file);
	} else if (session && stack->found) {
		add_follower(line, stack);
	} else if (session) {
		unsigned long jump = jump_of(line);

		if (ends_the_stack(line))
			keep(stack->before, line->module);
		if (stack->passed_over > 0)
			stack->passed_over--;
		if (jump > stack->passed_over) {
			stack->passed_over = jump;
			keep(stack->jumper, line->module);
		}
	}
}

static FILE *open_service(const char *name, char *path, size_t size)
{
	static const char *const directories[] = {"/etc/pam.d", "/usr/lib/pam.d"};
	FILE *file = NULL;

	if (*name == '/') {
		snprintf(path, size, "%s", name);
		return fopen(path, "re");
	}
	for (size_t i = 0; file == NULL && i < sizeof(directories) / sizeof(*directories); i++) {
		snprintf(path, size, "%s/%s", directories[i], name);
		file = fopen(path, "re");
	}
	return file;
}

/* Up to a comment, and without blanks at its end. True: a backslash was there, which is a blank now. */
static bool goes_on(char *line)
{
	size_t length = strcspn(line, "#\n");

	while (length > 0 && strchr(WHITESPACE, line[length - 1]) != NULL)
		length--;
	line[length] = '\0';
	if (length == 0 || line[length - 1] != '\\')
		return false;
	line[length - 1] = ' ';
	return true;
}

/* A line, with those that it goes on in, as libpam puts them together. */
static bool read_line(FILE *file, char **text)
{
	char _cleanup_free_ *line = NULL;
	size_t room = 0;
	bool more = true, any = false;

	free(*text);
	*text = strdup("");
	while (more && *text != NULL && getline(&line, &room, file) > 0) {
		char *joined = NULL;

		any = true;
		more = goes_on(line);
		if (asprintf(&joined, "%s%s", *text, line) < 0)
			return false;
		free(*text);
		*text = joined;
	}
	return any && *text != NULL;
}

/* Only what is included for sessions, or as a whole. */
static bool includes(const struct pam_line *line)
{
	return strcasecmp(line->type, "@include") == 0 ||
	       (strcasecmp(line->type, "session") == 0 &&
	        (strcasecmp(line->control, "include") == 0 || strcasecmp(line->control, "substack") == 0));
}

/* only_session: of a file that a line of that type includes, the others do not count. */
static bool read_file(const char *name, bool only_session, unsigned depth, struct pam_stack *stack)
{
	char path[PAM_STACK_TEXT_MAX];
	char _cleanup_free_ *text = NULL;
	FILE _cleanup_fclose_ *file = depth < DEPTH_MAX ? open_service(name, path, sizeof(path)) : NULL;

	if (file == NULL)
		return false;
	while (read_line(file, &text)) {
		struct pam_line line;

		if (!cli_pam_line_parse(text, &line))
			continue;
		if (includes(&line)) {
			if (!read_file(line.module, only_session || *line.type != '@', depth + 1, stack))
				keep(stack->missing, line.module);
		} else if (!only_session || strcasecmp(line.type, "session") == 0) {
			add_line(&line, path, stack);
		}
	}
	return true;
}

void cli_pam_stack_read(const char *service, struct pam_stack *stack)
{
	*stack = (struct pam_stack){.exists = false};
	stack->exists = read_file(service, false, 0, stack);
	if (!stack->exists)
		stack->is_other = read_file("other", false, 0, stack);
}
