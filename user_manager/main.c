/* SPDX-License-Identifier: MIT */
/*
 * cloister-not-isolated UID: whether systemd may start a manager for this user on the host. conf/user-manager.conf asks
 * it by ExecCondition=, which leaves a unit alone at 1, and calls it failed at 255 (systemd.service(5)).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cloister/account.h"
#include "cloister/error.h"
#include "cloister/number.h"
#include "cloister/plan.h"
#include "cloister/policy.h"
#include "cloister/session.h"

#define ISOLATED 1
#define UNKNOWN  255

static const char usage[] =
	"usage: cloister-not-isolated [--config FILE] UID\n"
	"Says by its exit status whether a user's programs may run on the host: for systemd, see pam_cloister(8).\n"
	"Exit status: 0 the user is not isolated, 1 is, 255 it cannot be told.\n";

static int find_account(const char *text, struct cloister_account **account, struct cloister_error *err)
{
	uint64_t uid;

	if (cloister_number_parse(text, strlen(text), &uid) < 0 || uid >= UINT32_MAX)
		return cloister_fail(err, EINVAL, "arguments", text, "no uid");
	return cloister_account_by_uid((uid_t)uid, account, err);
}

int main(int argc, char **argv)
{
	struct cloister_account _cleanup_account_ *account = NULL;
	struct cloister_policy _cleanup_policy_ *policy = NULL;
	struct cloister_error err = {0};
	const char *configuration = NULL;
	char id[CLOISTER_SESSION_ID_MAX], line[2048];

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "--config") == 0)
		configuration = argv[2];
	else if (argc != 2) {
		fputs(usage, stderr);
		return UNKNOWN;
	}
	int r = find_account(argv[argc - 1], &account, &err);
	/* As a login has one: a value with %s may be none without. */
	if (r == 0)
		r = cloister_session_new_id(account->name, id, &err);
	if (r == 0)
		r = cloister_policy_for_login(configuration, account, id, &policy, &err);
	if (r < 0) {
		fprintf(stderr, "cloister-not-isolated: %s\n", cloister_error_line(&err, line, sizeof(line)));
		return UNKNOWN;
	}
	/* The login shell makes a session without a PAM line. */
	return (policy != NULL && policy->isolate) || cloister_plan_is_launcher(account->shell) ? ISOLATED : 0;
}
