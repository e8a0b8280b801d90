/* SPDX-License-Identifier: MIT */
/*
 * users = root: a user namespace inside the session's, owned by the user, in which the user is 0. sshd, login and su
 * check in their child that they have become the user, and internal-sftp never executes anything: so a login program
 * and all that it does itself stay in the session's namespace under the user's own id, which is the same id on the host
 * as root's inside, and what the login program executes joins.
 */
#ifndef CLOISTER_ROOT_USERS_H
#define CLOISTER_ROOT_USERS_H

#include "cloister/error.h"
#include "cloister/execute.h"
#include "cloister/launcher.h"
#include "cloister/plan.h"

/*
 * Makes the inner user namespace of a plan as a child of the session's, a descriptor. In two short-lived children that
 * nobody else is told of: one becomes the user and unshares, since the owner of a user namespace is who made it; the
 * other, with the session namespace's capabilities, writes the maps. Returns a descriptor or -errno.
 */
int cloister_root_users_make(int session_user_namespace, const struct cloister_plan *plan, struct cloister_error *err);

/*
 * Joins it, in the session, as the user: the calling process, which must have one thread, is uid 0 afterwards, with the
 * groups and no capability but those of inside (cloister_launcher_inside), in the directory tree without the doors,
 * with the same working directory and terminal where they are there. Returns 0, or -errno with *step.
 */
int cloister_root_users_join(const struct cloister_inside *inside, const char **step);

/* In init, at the end: the file that leads there is that of a user namespace that the user owns, a child of init's. */
int cloister_root_users_verify(const struct cloister_plan *plan, struct cloister_error *err);

/* Carriers of its rows. */
cloister_carry_function cloister_carry_owner;
cloister_carry_function cloister_carry_seal;
cloister_carry_function cloister_carry_tree;
cloister_carry_function cloister_carry_doors;

#endif
