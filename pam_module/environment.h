/* SPDX-License-Identifier: MIT */
/* The PAM environment of a session: the login program gives it to the user's process. */
#ifndef CLOISTER_ENVIRONMENT_H
#define CLOISTER_ENVIRONMENT_H

#include <security/pam_modules.h>

#include "cloister/plan.h"

/*
 * Sets XDG_RUNTIME_DIR to the session's own, and takes out what other modules set that leads nowhere inside: the
 * host's logind session, and sockets and files of the host that plan does not show. Returns 0 or -errno.
 */
int cloister_environment_fit(pam_handle_t *pamh, const struct cloister_plan *plan);

#endif
