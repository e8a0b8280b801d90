/* SPDX-License-Identifier: MIT */
/* The rows of a plan; private to the planner. */
#ifndef CLOISTER_PLAN_ROWS_H
#define CLOISTER_PLAN_ROWS_H

#include "cloister/plan.h"

/* Whether a login shell is cloister-sh, wherever it is installed. */
bool cloister_plan_is_launcher(const char *shell);

/* users = root: whether it can be. Returns 0 or -errno. */
int cloister_plan_root_check(const struct cloister_policy *policy, const struct cloister_account *account,
                             const struct cloister_plan_facts *facts, struct cloister_error *err);
/* The maps of the inner user namespace, once those of the session's are there. */
int cloister_plan_root_ids(struct cloister_plan *plan, const struct cloister_plan_facts *facts,
                           struct cloister_error *err);
/* The maps of a user's own namespace in which they are 0. */
void cloister_plan_root_own_ids(struct cloister_plan *plan, const struct cloister_plan_facts *facts);
/* What root inside keeps. */
void cloister_plan_root_capabilities(struct cloister_plan *plan, const struct cloister_policy *policy);

/* Adds every row to a plan whose other members are complete. Returns 0 or -errno. */
int cloister_plan_add_rows(struct cloister_plan *plan, const struct cloister_policy *policy,
                           const struct cloister_account *account, const struct cloister_plan_facts *facts,
                           struct cloister_error *err);

#endif
