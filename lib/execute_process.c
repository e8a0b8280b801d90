/* SPDX-License-Identifier: MIT */
/* What init gives up, and gets, as a process: host name, keyring, core dumps, capabilities, the system call filter. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cloister/execute.h"
#include "cloister/privileges.h"
#include "cloister/seccomp_filter.h"

static int fail(const struct cloister_row *row, int code, const char *text, struct cloister_error *err)
{
	return cloister_fail(err, code < 0 ? -code : code, cloister_row_name(row->kind), row->target, "%s", text);
}

int cloister_carry_hostname(struct cloister_execution *execution, const struct cloister_row *row, int source,
                            struct cloister_error *err)
{
	(void)execution;
	(void)source;
	return sethostname(row->data, strlen(row->data)) < 0 ? fail(row, errno, "cannot set the host name", err) : 0;
}

int cloister_carry_keyring(struct cloister_execution *execution, const struct cloister_row *row, int source,
                           struct cloister_error *err)
{
	(void)source;
	/* Init has come with a new one: made before it gave up its ids, since those have a small quota. */
	if (execution->plan->privileged)
		return 0;
	int r = cloister_new_session_keyring();
	return r < 0 ? fail(row, r, "cannot join a new session keyring", err) : 0;
}

int cloister_carry_no_core(struct cloister_execution *execution, const struct cloister_row *row, int source,
                           struct cloister_error *err)
{
	(void)execution;
	(void)source;
	int r = cloister_no_core();
	return r < 0 ? fail(row, r, "cannot set RLIMIT_CORE", err) : 0;
}

int cloister_carry_capabilities(struct cloister_execution *execution, const struct cloister_row *row, int source,
                                struct cloister_error *err)
{
	(void)execution;
	(void)source;
	int r = cloister_drop_bounding_set(0);
	if (r == 0)
		r = cloister_lock_securebits();
	if (r == 0)
		r = cloister_set_capabilities(0, false);
	return r < 0 ? fail(row, r, "init cannot drop its capabilities", err) : 0;
}

int cloister_carry_no_new_privs(struct cloister_execution *execution, const struct cloister_row *row, int source,
                                struct cloister_error *err)
{
	(void)execution;
	(void)source;
	int r = cloister_set_no_new_privs();
	return r < 0 ? fail(row, r, "cannot set no_new_privs", err) : 0;
}

int cloister_carry_seccomp(struct cloister_execution *execution, const struct cloister_row *row, int source,
                           struct cloister_error *err)
{
	(void)source;
	int r = cloister_seccomp_load(execution->seccomp, execution->seccomp_length);
	return r < 0 ? fail(row, r, "cannot load the filter", err) : 0;
}
