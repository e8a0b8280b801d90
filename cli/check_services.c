/* SPDX-License-Identifier: MIT */
/* Of `cloister check`: what runs a user's own commands on the host without anybody logging in. */
#include <stdio.h>

#include "findings.h"
#include "pam_stack.h"

static const struct {
	const char *service;
	const char *what; /* "... on the host" */
} ways[] = {
	{"systemd-user", "at a login systemd starts the units in the user's home (~/.config/systemd/user)"},
	{"cron", "cron runs the user's crontab"},
	{"atd", "atd runs the user's jobs"},
};

void cli_check_services(const char *user, struct cli_findings *findings)
{
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
		cli_find(findings, CLI_WARNING, "services", path,
		         "the PAM service %s has no pam_cloister.so: %s, and as %s on the host", ways[i].service,
		         ways[i].what, user);
		cli_find_advice(findings, CLI_PAM_ADVICE, path);
	}
}
