/* SPDX-License-Identifier: MIT */
/* Of `cloister check`: what runs a user's own commands on the host without anybody logging in. */
#include <stdio.h>

#include "cli.h"
#include "pam_stack.h"

static const struct {
	const char *service;
	const char *what; /* "... on the host" */
} ways[] = {
	{"systemd-user", "at a login systemd starts the units in the user's home (~/.config/systemd/user)"},
	{"cron", "cron runs the user's crontab"},
	{"atd", "atd runs the user's jobs"},
};

void cli_check_services(const char *user)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct pam_stack stack;

		cli_pam_stack_read(ways[i].service, &stack);
		if (!stack.exists)
			continue;
		if (stack.found)
			printf("ok: the PAM service %s has pam_cloister.so\n", ways[i].service);
		else
			printf("warning: the PAM service %s has no pam_cloister.so: %s, and as %s on the host\n",
			       ways[i].service, ways[i].what, user);
	}
}
