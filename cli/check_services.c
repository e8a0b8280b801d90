/* SPDX-License-Identifier: MIT */
/* Of `cloister check`: what runs a user's own commands on the host without anybody logging in. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "cloister/cleanup.h"

/* Deeper than any distribution nests them; a loop ends here. */
#define DEPTH_MAX 4

static const struct {
	const char *service;
	const char *what; /* "... on the host" */
} ways[] = {
	{"systemd-user", "at a login systemd starts the units in the user's home (~/.config/systemd/user)"},
	{"cron", "cron runs the user's crontab"},
	{"atd", "atd runs the user's jobs"},
};

static FILE *open_service(const char *service)
{
	static const char *const directories[] = {"/etc/pam.d", "/usr/lib/pam.d"};
	char path[160];

	for (size_t i = 0; strchr(service, '/') == NULL && i < sizeof(directories) / sizeof(*directories); i++) {
		snprintf(path, sizeof(path), "%s/%s", directories[i], service);
		FILE *file = fopen(path, "re");
		if (file != NULL)
			return file;
	}
	return NULL;
}

static bool has_line(const char *service, int depth)
{
	char line[1024], type[32], control[128], name[128];
	FILE _cleanup_fclose_ *file = open_service(service);

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, " @include %127s", name) == 1) {
			if (depth < DEPTH_MAX && has_line(name, depth + 1))
				return true;
			continue;
		}
		if ((sscanf(line, " %31s [%126[^]]] %127s", type, control, name) != 3 &&
		     sscanf(line, " %31s %127s %127s", type, control, name) != 3) ||
		    strcmp(type[0] == '-' ? type + 1 : type, "session") != 0)
			continue;
		if (strstr(name, "pam_cloister.so") != NULL)
			return true;
		if ((strcmp(control, "include") == 0 || strcmp(control, "substack") == 0) && depth < DEPTH_MAX &&
		    has_line(name, depth + 1))
			return true;
	}
	return false;
}

void cli_check_services(const char *user)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		FILE _cleanup_fclose_ *file = open_service(ways[i].service);

		if (file == NULL)
			continue;
		if (has_line(ways[i].service, 0))
			printf("ok: the PAM service %s has pam_cloister.so\n", ways[i].service);
		else
			printf("warning: the PAM service %s has no pam_cloister.so: %s, and as %s on the host\n",
			       ways[i].service, ways[i].what, user);
	}
}
