/* SPDX-License-Identifier: MIT */
/* Of `cloister check`: what runs a user's own commands on the host without anybody logging in. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "findings.h"
#include "pam_stack.h"

#define MANAGER_SERVICE "systemd-user"
#define MANAGER_DROP_IN "user@.service.d/50-cloister.conf"

static const struct {
	const char *service;
	const char *what; /* "... on the host" */
} ways[] = {
	{MANAGER_SERVICE, "at a login systemd starts the units in the user's home (~/.config/systemd/user)"},
	{"cron", "cron runs the user's crontab"},
	{"atd", "atd runs the user's jobs"},
};

/* Whether systemd asks before it starts a manager. systemd.unit(5): of files of one name the first counts, and one that
 * is empty, or /dev/null, takes the others away. */
static bool managers_are_asked_for(void)
{
	static const char *const places[] = {"/etc/systemd/system", "/run/systemd/system",
	                                     "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
	                                     "/lib/systemd/system"};
	char path[128], line[512];
	bool asks = false;
	FILE *file = NULL;

	for (size_t i = 0; file == NULL && i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%s/" MANAGER_DROP_IN, places[i]);
		file = fopen(path, "re");
	}
	if (file == NULL)
		return false;
	while (fgets(line, sizeof(line), file) != NULL)
		asks = asks ||
		       (strncmp(line, "ExecCondition=+/", 16) == 0 && strstr(line, "/cloister-not-isolated ") != NULL);
	fclose(file);
	return asks;
}

static void check_managers(const char *user, bool asked, struct cli_findings *findings)
{
	if (asked)
		cli_find(findings, CLI_OK, "services", MANAGER_DROP_IN, "systemd starts no user manager for %s", user);
	else if (access("/run/systemd/system", F_OK) == 0)
		cli_find(findings, CLI_NOTE, "services", MANAGER_DROP_IN,
		         "the drop-in " MANAGER_DROP_IN
		         " is not there or is overridden: at logins of %s systemd tries to "
		         "start a user manager, and where that is refused it is \"degraded\"",
		         user);
}

void cli_check_services(const char *user, struct cli_findings *findings)
{
	const bool asked = managers_are_asked_for();

	check_managers(user, asked, findings);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct pam_stack stack;
		char path[64];

		cli_pam_stack_read(ways[i].service, &stack);
		if (!stack.exists)
			continue;
		if (stack.found) {
			cli_find(findings, CLI_OK, "services", stack.file, "the PAM service %s has pam_cloister.so",
			         ways[i].service);
			continue;
		}
		snprintf(path, sizeof(path), "/etc/pam.d/%s", ways[i].service);
		if (asked && strcmp(ways[i].service, MANAGER_SERVICE) == 0)
			cli_find(findings, CLI_NOTE, "services", path,
			         "the PAM service %s has no pam_cloister.so: that %s's units do not run on the host is "
			         "the drop-in's doing alone",
			         ways[i].service, user);
		else
			cli_find(findings, CLI_WARNING, "services", path,
			         "the PAM service %s has no pam_cloister.so: %s, and as %s on the host",
			         ways[i].service, ways[i].what, user);
		cli_find_advice(findings, CLI_PAM_ADVICE, path);
	}
}
