/* SPDX-License-Identifier: MIT */
/* Which login program this is. */
#include "program.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/terminal.h"

#define COMMAND_LINE_MAX 65536

static const struct cloister_program programs[] = {
	/* sshd's monitor forks the user's child after it opened the session, and opens ptys for it on request. */
	{"sshd", CLOISTER_TERMINAL_LOGIN_VIEW, true, false},
	{"sshd-session", CLOISTER_TERMINAL_LOGIN_VIEW, true, false},
	/* login(1) has the user's terminal, and its child reopens it by name. */
	{"login", CLOISTER_TERMINAL_BIND, false, false},
	/* The caller's terminal, root's as a rule, must not reach the user's programs (TIOCSTI, CVE-2016-2779). */
	{"su", CLOISTER_TERMINAL_RELAY, false, false},
	{"runuser", CLOISTER_TERMINAL_RELAY, false, false},
	/* sudo(8) forks once, with or without a pty of its own, and lets its command have the terminal it had. */
	{"sudo", CLOISTER_TERMINAL_RELAY, false, false},
	{"doas", CLOISTER_TERMINAL_RELAY, false, false},
	{"cron", CLOISTER_TERMINAL_NONE, false, false},
	{"atd", CLOISTER_TERMINAL_NONE, false, false},
};
static const struct {
	const char *service, *program;
} services[] = {{"sshd", "sshd"},  {"login", "login"},     {"remote", "login"},      {"su", "su"},
                {"su-l", "su"},    {"runuser", "runuser"}, {"runuser-l", "runuser"}, {"cron", "cron"},
                {"crond", "cron"}, {"atd", "atd"},         {"sudo", "sudo"},         {"sudo-i", "sudo"},
                {"doas", "doas"}};

static const struct cloister_program *find_name(const char *name)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		if (strcmp(programs[i].name, name) == 0)
			return &programs[i];
	}
	return NULL;
}

const struct cloister_program *cloister_program_find(const char *service)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n > 0) {
		path[n] = '\0';
		const char *slash = strrchr(path, '/');
		const struct cloister_program *program = find_name(slash != NULL ? slash + 1 : path);
		if (program != NULL)
			return program;
	}
	for (size_t i = 0; service != NULL && i < sizeof(services) / sizeof(*services); i++) {
		if (strcmp(services[i].service, service) == 0)
			return find_name(services[i].program);
	}
	return NULL;
}

/* Whether su(1) was called with -P or --pty: getopt_long's rules, as far as they are needed. */
static bool asked_for_pty(void)
{
	static const char with_value[] = "cgGswCT";
	char _cleanup_free_ *line = calloc(1, COMMAND_LINE_MAX);
	int _cleanup_close_ fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 || line == NULL ? -1 : read(fd, line, COMMAND_LINE_MAX - 1);

	if (n <= 0)
		return false;
	const char *argument = line + strlen(line) + 1;
	for (; argument < line + n; argument += strlen(argument) + 1) {
		if (strcmp(argument, "--") == 0)
			return false;
		if (strcmp(argument, "--pty") == 0)
			return true;
		if (argument[0] != '-' || argument[1] == '-')
			continue;
		const char *option = argument + 1;
		while (*option != '\0' && *option != 'P' && strchr(with_value, *option) == NULL)
			option++;
		if (*option == 'P')
			return true;
		if (*option != '\0' && option[1] == '\0')
			argument += strlen(argument) + 1;
	}
	return false;
}

enum cloister_terminal cloister_program_terminal(const struct cloister_program *program, char *path, size_t size)
{
	/* The pty that sudo made for this command is no more the caller's terminal than the one of a login. */
	if (strcmp(program->name, "sudo") == 0 && cloister_terminal_allocated(path, size) == 0)
		return CLOISTER_TERMINAL_BIND;
	/* It relays by itself, from a pty that it opens once it has the session. */
	if (strcmp(program->name, "su") == 0 && cloister_terminal_fds() != 0 && asked_for_pty())
		return CLOISTER_TERMINAL_LOGIN_VIEW;
	if (program->terminal != CLOISTER_TERMINAL_BIND || cloister_terminal_path(path, size) < 0)
		*path = '\0';
	return program->terminal;
}
