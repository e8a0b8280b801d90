/* SPDX-License-Identifier: MIT */
/*
 * A libaudit for LD_PRELOAD that writes what it is given to /run/audit-records: what the kernel's audit would have got.
 * AUDIT_FAILS=open|log makes that call fail, with AUDIT_ERRNO.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(const char *call)
{
	const char *which = getenv("AUDIT_FAILS"), *code = getenv("AUDIT_ERRNO");

	if (which == NULL || strcmp(which, call) != 0)
		return 0;
	errno = code != NULL ? atoi(code) : EIO;
	return 1;
}

static void note(const char *line)
{
	int fd = open("/run/audit-records", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	dprintf(fd, "%s\n", line);
	close(fd);
}

int audit_open(void)
{
	if (fails("open"))
		return -1;
	note("open");
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

void audit_close(int fd)
{
	note("close");
	close(fd);
}

/* libpam's own records: not ours, and it would take a failure for one of the login's. */
int audit_log_acct_message(int fd, int type, const char *program, const char *operation, const char *name,
                           unsigned int id, const char *host, const char *address, const char *terminal, int result)
{
	(void)fd, (void)type, (void)program, (void)operation, (void)name;
	(void)id, (void)host, (void)address, (void)terminal, (void)result;
	return 1;
}

int audit_log_user_message(int fd, int type, const char *message, const char *host, const char *address,
                           const char *terminal, int result)
{
	char line[8192];

	(void)fd;
	(void)terminal;
	if (fails("log"))
		return -1;
	snprintf(line, sizeof(line), "%d %s%s%s res=%d", type, message, host != NULL ? host : "",
	         address != NULL ? address : "", result);
	note(line);
	return 1;
}
