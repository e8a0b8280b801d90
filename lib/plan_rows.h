/* SPDX-License-Identifier: MIT */
/* The rows of a plan; private to the planner. */
#ifndef CLOISTER_PLAN_ROWS_H
#define CLOISTER_PLAN_ROWS_H

#include <sys/mount.h>

#include "cloister/plan.h"

/* What every mount of a session has at least. */
#define CLOISTER_SAFE ((uint64_t)(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV))

/* Collects rows; after the first failure nothing more is added, and the failure is what counts. */
struct cloister_row_list {
	struct cloister_plan *plan;
	struct cloister_row nowhere; /* what a caller fills in vain after a failure */
	int error;
};

/* Adds a row and returns it for what else it says. */
struct cloister_row *cloister_row_add(struct cloister_row_list *list, enum cloister_row_kind kind, const char *source,
                                      const char *target, const char *data);

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

/* With rootfs = /: file systems of the host that are shown, and places that are hidden (plan_host.c). */
void cloister_plan_add_host(struct cloister_row_list *list, const struct cloister_policy *policy,
                            const struct cloister_account *account, const struct cloister_plan_facts *facts);

/* The session's file, and what stands at the path of the user's login shell (plan_session_files.c, as the next two). */
void cloister_plan_add_session_files(struct cloister_row_list *list, const struct cloister_policy *policy,
                                     const struct cloister_account *account, const struct cloister_plan_facts *facts);
/* users = root: what the login program executes leads to the launcher, and a second tree in which that is not so. */
void cloister_plan_add_doors(struct cloister_row_list *list, const struct cloister_policy *policy,
                             const struct cloister_account *account);
/* The user in passwd(5) and group(5). */
void cloister_plan_add_account_lines(struct cloister_row_list *list, const struct cloister_account *account);

/*
 * Puts the rows from first on, which the configuration asked for, into order: parents before what lies below them.
 * Refuses (plan_places.c) two on one place (-EEXIST), and one on a place that Cloister itself needs (-EINVAL).
 */
int cloister_plan_order_content(struct cloister_plan *plan, size_t first, struct cloister_error *err);

/* Makes a mask an empty directory in which mount points can be made. Returns 0 or -ENOMEM. */
int cloister_row_make_room(struct cloister_row *row);

/* Whether a network can be had (plan_network.c), its texts in the plan, and its rows: of files, and of the network. */
int cloister_plan_network_check(const struct cloister_policy *policy, const struct cloister_plan_facts *facts,
                                struct cloister_error *err);
int cloister_plan_network_texts(struct cloister_plan *plan, const struct cloister_policy *policy);
void cloister_plan_add_resolver(struct cloister_row_list *list);
void cloister_plan_add_network_namespace(struct cloister_row_list *list);
void cloister_plan_add_network(struct cloister_row_list *list);

#endif
