/* SPDX-License-Identifier: MIT */
/* What the tests of the plan have in common: an account, a policy and facts, and plans of them. */
#ifndef PLAN_OF_ALICE_H
#define PLAN_OF_ALICE_H

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cloister/plan.h"

static gid_t groups[] = {1000, 27, 2000};
static char primary[] = "alice", sudo[] = "sudo", project[] = "project";
static char *group_names[] = {primary, sudo, project};
static char name[] = "alice", gecos[] = "Alice", home[] = "/home/alice", shell[] = "/bin/bash";
static char root[] = "/", tree[] = "/srv/alpine", state[] = "/var/lib/cloister/users/1000", host[] = "cell";
static char tmp[] = "/tmp", run[] = "/run";
static struct cloister_tmpfs tmpfs[] = {{.path = tmp}, {.path = run, .size = 1024}};

static inline struct cloister_account account(void)
{
	return (struct cloister_account){.name = name,
	                                 .uid = 1000,
	                                 .gid = 1000,
	                                 .gecos = gecos,
	                                 .home = home,
	                                 .shell = shell,
	                                 .groups = groups,
	                                 .group_names = group_names,
	                                 .n_groups = 3};
}

static inline struct cloister_policy policy(void)
{
	return (struct cloister_policy){.isolate = true,
	                                .rootfs = root,
	                                .state = state,
	                                .tmpfs = tmpfs,
	                                .n_tmpfs = 2,
	                                .hostname = host,
	                                .no_new_privs = true,
	                                .seccomp = true,
	                                .timeout = 10};
}

static inline struct cloister_plan_facts facts(void)
{
	return (struct cloister_plan_facts){.privileged = true,
	                                    .session_id = "alice-01234567",
	                                    .range = {100000, 200000, 65536},
	                                    .init_path = "/usr/libexec/cloister/cloister-init",
	                                    .shell_check = true};
}

static inline struct cloister_plan *build(const struct cloister_policy *p, const struct cloister_plan_facts *f)
{
	struct cloister_account a = account();
	struct cloister_plan *plan = NULL;
	struct cloister_error err = {0};

	if (cloister_plan_build(p, &a, f, &plan, &err) != 0)
		fail_msg("%s: %s", err.step, err.text);
	return plan;
}

static inline int refusal(const struct cloister_policy *p, struct cloister_error *err)
{
	struct cloister_account a = account();
	struct cloister_plan_facts f = facts();
	struct cloister_plan *plan = NULL;
	int r = cloister_plan_build(p, &a, &f, &plan, err);

	assert_null(plan);
	return r;
}

static inline size_t find(const struct cloister_plan *plan, enum cloister_row_kind kind, const char *target)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		if (plan->rows[i].kind == kind && strcmp(plan->rows[i].target, target) == 0)
			return i;
	}
	return SIZE_MAX;
}

#endif
