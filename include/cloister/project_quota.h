/* SPDX-License-Identifier: MIT */
/*
 * Limits on what a user may have in an overlay's layers: a project quota (quotactl_fd(2), FS_IOC_FSSETXATTR) of the
 * file system that the state directory is on.
 */
#ifndef CLOISTER_PROJECT_QUOTA_H
#define CLOISTER_PROJECT_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "cloister/error.h"
#include "cloister/plan.h"

/* The project of a user is this and the uid: away from the small numbers that administrators give. */
#define CLOISTER_PROJECT_BASE 1073741824U

/*
 * Puts upper and work into the user's project, and all that is in upper the first time, and sets the project's limits
 * to the plan's. A plan without limits lifts those that were set before. -EOPNOTSUPP, with a text that says how to
 * switch project quotas on, where the file system does not enforce them.
 */
int cloister_project_quota_set(const struct cloister_plan *plan, int upper, int work, struct cloister_error *err);

/* Whether limits could be set for a directory of this file system. Changes nothing. */
int cloister_project_quota_check(const struct cloister_plan *plan, int directory, struct cloister_error *err);

#endif
