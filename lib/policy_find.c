/* SPDX-License-Identifier: MIT */
/* A policy to act on: what only computes is in policy.c. */
#include "cloister/account.h"
#include "cloister/policy.h"

int cloister_policy_find(const struct cloister_config *config, const struct cloister_account *account,
                         const struct cloister_tokens *tokens, struct cloister_policy **out, struct cloister_error *err)
{
	int r = cloister_account_confirm_groups(account, config, err);

	return r < 0 ? r : cloister_policy_for_user(config, account, tokens, out, err);
}
