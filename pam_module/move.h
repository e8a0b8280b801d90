/* SPDX-License-Identifier: MIT */
/* entry = process: the login process itself goes into the session. */
#ifndef CLOISTER_MOVE_H
#define CLOISTER_MOVE_H

#include <security/pam_modules.h>

#include "open.h"

/*
 * For programs that make the user's process by posix_spawn(3), vfork(2) or clone(2), or become it themselves:
 * everything that the program does from here on is inside. A process cannot change its own pid namespace
 * (pid_namespaces(7)), so the program goes on as a child of itself. Returns 0 in that child, with *open nobody's but
 * its memory. The calling process stays outside, and this does not return there: it keeps none of the program's
 * descriptors, passes signals on, waits, ends the session and ends as the child ended. Where the program cannot be
 * moved it returns -errno in the calling process, and nothing has changed.
 */
int cloister_move(pam_handle_t *pamh, struct cloister_open *open, struct cloister_error *err);

/* Whether the calling process is one that was moved. */
bool cloister_move_was_made(void);

#endif
