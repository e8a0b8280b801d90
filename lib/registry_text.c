/* SPDX-License-Identifier: MIT */
/* What a file of the registry, and /proc/PID/stat, say. Pure: whether it is true is asked elsewhere. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/cleanup.h"
#include "cloister/number.h"
#include "registry_entries.h"

void cloister_registry_text(const char *text, const char *key, char *value, size_t size)
{
	size_t length = strlen(key);

	*value = '\0';
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, key, length) == 0 && line[length] == '=') {
			snprintf(value, size, "%.*s", (int)strcspn(line + length + 1, "\n"), line + length + 1);
			return;
		}
	}
}

void cloister_registry_parse_session(const char *id, const char *text, int pidfd, struct cloister_registered *session)
{
	uint64_t number = 0;
	char scope[16];

	*session = (struct cloister_registered){.pidfd = pidfd};
	snprintf(session->id, sizeof(session->id), "%.*s", (int)sizeof(session->id) - 1, id);
	cloister_registry_text(text, "user", session->user, sizeof(session->user));
	cloister_registry_text(text, "rootfs", session->rootfs, sizeof(session->rootfs));
	cloister_registry_text(text, "network", session->network, sizeof(session->network));
	cloister_registry_text(text, "scope", scope, sizeof(scope));
	session->shared = strcmp(scope, "user") == 0;
	/* Confirmed: it is there, and a pid. */
	if (cloister_number_of_key(text, "pid", &number) == 0)
		session->init = (pid_t)number;
	session->uid = cloister_number_of_key(text, "uid", &number) == 0 && number < UINT32_MAX ? (uint32_t)number
	                                                                                        : UINT32_MAX;
	if (cloister_number_of_key(text, "since", &number) == 0)
		session->since = (int64_t)number;
}

static int parse_process(const char *text, pid_t *pid, uint64_t *start)
{
	uint64_t number = 0, ticks = 0;

	if (cloister_number_of_key(text, "pid", &number) < 0 || cloister_number_of_key(text, "start", &ticks) < 0 ||
	    number <= 1 || number > INT32_MAX)
		return -ESRCH;
	*pid = (pid_t)number;
	*start = ticks;
	return 0;
}

int cloister_registry_parse_init(const char *text, pid_t *pid, uint64_t *start, uint64_t *inode)
{
	return cloister_number_of_key(text, "mnt", inode) < 0 ? -ESRCH : parse_process(text, pid, start);
}

int cloister_registry_parse_login(const char *text, struct cloister_login *login, uint64_t *start)
{
	uint64_t since = 0;
	pid_t pid = 0;
	int r = parse_process(text, &pid, start);

	if (r < 0)
		return r;
	*login = (struct cloister_login){.pid = pid};
	if (cloister_number_of_key(text, "since", &since) == 0)
		login->since = (int64_t)since;
	cloister_registry_text(text, "service", login->service, sizeof(login->service));
	cloister_registry_text(text, "tty", login->tty, sizeof(login->tty));
	cloister_registry_text(text, "remote_host", login->remote_host, sizeof(login->remote_host));
	return 0;
}

/* The name in field 2 may hold anything: blanks and parentheses, too (proc(5)). */
int cloister_registry_parse_stat(const char *text, uint64_t *ticks)
{
	const char *at = strrchr(text, ')');

	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at != NULL && cloister_number_parse(at + 1, strcspn(at + 1, " "), ticks) == 0 ? 0 : -ESRCH;
}

int cloister_registry_same_overlay(const char *text, const char *wanted)
{
	size_t first_line = strcspn(wanted + 1, "\n") + 2;
	char _cleanup_free_ *state = strndup(wanted, first_line);

	if (state == NULL)
		return -ENOMEM;
	if (strstr(text, wanted) != NULL)
		return 1;
	return strstr(text, state) != NULL ? -EBUSY : 0;
}
