/* SPDX-License-Identifier: MIT */
/* A policy to act on: what only computes is in policy.c. */
#include <limits.h>

#include "cloister/account.h"
#include "cloister/cleanup.h"
#include "cloister/config.h"
#include "cloister/policy.h"
#include "cloister/session.h"

int cloister_policy_find(const struct cloister_config *config, const struct cloister_account *account,
                         const struct cloister_tokens *tokens, struct cloister_policy **out, struct cloister_error *err)
{
	int r = cloister_account_confirm_groups(account, config, err);

	return r < 0 ? r : cloister_policy_for_user(config, account, tokens, out, err);
}

int cloister_policy_for_login(const char *configuration, const struct cloister_account *account, const char *session_id,
                              struct cloister_policy **out, struct cloister_error *err)
{
	struct cloister_config _cleanup_config_ *config = NULL;
	char host_name[HOST_NAME_MAX + 1];
	const struct cloister_tokens tokens = {.session_id = session_id, .host_name = host_name};

	int r = cloister_config_load(configuration, true, &config, err);
	if (r == 0)
		r = cloister_host_name(host_name, sizeof(host_name), err);
	if (r < 0)
		return account->uid == 0 ? 0 : r;
	return cloister_policy_find(config, account, &tokens, out, err);
}
