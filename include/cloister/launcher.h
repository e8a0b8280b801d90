/* SPDX-License-Identifier: MIT */
/* The inner life of cloister-sh: inside a session it is only the way to the user's real shell. */
#ifndef CLOISTER_LAUNCHER_H
#define CLOISTER_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>

#include "cloister/error.h"

/*
 * Whether the calling process is in the session that CLOISTER_SESSION_FILE describes: decided by the inodes of its own
 * namespaces, never by the environment. On true, shell (size bytes) holds the shell's path.
 */
bool cloister_launcher_inside(char *shell, size_t size);

/* Takes from the environment what does not belong to a login (ld.so's, BASH_ENV, ...): what is on a list of names
 * stays. */
void cloister_launcher_clean_environment(char **environment);

/*
 * Verifies the session from inside (no capability but those kept, no_new_privs) and replaces the process by shell; argv
 * as the login program gave it: a leading dash of argv[0] makes a login shell, the rest is untouched. Returns only on
 * failure, with -errno.
 */
int cloister_launcher_exec(const char *shell, char **argv, char **environment, struct cloister_error *err);

#endif
