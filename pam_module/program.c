/* SPDX-License-Identifier: MIT */
/* Which login program this is. */
#include "program.h"

#include <string.h>
#include <unistd.h>

static const struct cloister_program programs[] = {
	/* sshd's monitor forks the user's child after it opened the session, and opens ptys for it on request. */
	{"sshd", CLOISTER_TERMINAL_LOGIN_VIEW, true},
	{"sshd-session", CLOISTER_TERMINAL_LOGIN_VIEW, true},
	/* login(1) has the user's terminal, and its child reopens it by name. */
	{"login", CLOISTER_TERMINAL_BIND, false},
	/* The caller's terminal, root's as a rule, must not reach the user's programs (TIOCSTI, CVE-2016-2779). */
	{"su", CLOISTER_TERMINAL_RELAY, false},
	{"runuser", CLOISTER_TERMINAL_RELAY, false},
	{"cron", CLOISTER_TERMINAL_NONE, false},
};
static const struct {
	const char *service, *program;
} services[] = {{"sshd", "sshd"},       {"login", "login"},       {"remote", "login"}, {"su", "su"},     {"su-l", "su"},
                {"runuser", "runuser"}, {"runuser-l", "runuser"}, {"cron", "cron"},    {"crond", "cron"}};

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
