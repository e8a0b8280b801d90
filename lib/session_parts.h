/* SPDX-License-Identifier: MIT */
/* What the start of a session and the joining of one have in common; private to them. */
#ifndef CLOISTER_SESSION_PARTS_H
#define CLOISTER_SESSION_PARTS_H

#include "cloister/session.h"

/* A session of a plan, with nothing of the kernel's in it yet; NULL: no memory. */
struct cloister_session *cloister_session_new(const struct cloister_plan *plan, const char *id);

/* session->landlock, as the plan wants it. */
int cloister_prepare_landlock(const struct cloister_plan *plan, struct cloister_session *session,
                              struct cloister_error *err);

/* session->cgroup, of a session that has one. 0 or -errno. */
int cloister_session_hold_cgroup(struct cloister_session *session, struct cloister_error *err);

/* Init must be in none of the namespaces that it was to leave: said by the kernel, not by init. Which ones it is in,
 * and its root, are kept for those who enter (cloister_entry_verify). */
int cloister_verify_namespaces(const struct cloister_plan *plan, struct cloister_session *session,
                               struct cloister_error *err);

#endif
