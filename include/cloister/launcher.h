/* SPDX-License-Identifier: MIT */
/* The inner life of cloister-sh: inside a session it is only the way to the user's real shell. */
#ifndef CLOISTER_LAUNCHER_H
#define CLOISTER_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cloister/error.h"
#include "cloister/ids.h"

/* What the launcher has to know of the session it is in. */
struct cloister_inside {
	char shell[4096];       /* the session's */
	char login_shell[4096]; /* the one of the host's passwd(5) */
	char refuse[512];       /* only files are transferred: what anything else is answered; "" otherwise */
	bool joins;             /* users = root, and the caller is not in its user namespace yet */
	uint64_t root_capabilities;
	gid_t root_groups[CLOISTER_ID_EXTENTS_MAX];
	size_t n_root_groups;
};

/*
 * Whether the calling process is in the session that CLOISTER_SESSION_FILE describes: decided by the inodes of its own
 * namespaces, never by the environment. On true, *inside is filled; login_shell and what follows it only with joins.
 */
bool cloister_launcher_inside(struct cloister_inside *inside);

/* Takes from the environment what does not belong to a login (ld.so's, BASH_ENV, ...): what is on a list of names
 * stays. */
void cloister_launcher_clean_environment(char **environment);

/*
 * Verifies the session from inside (no capability but those kept, no_new_privs) and replaces the process by the
 * session's shell; argv as the login program gave it: a leading dash of argv[0] makes a login shell, the rest is
 * untouched. With joins (users = root) it becomes root inside first, and then what the login program executed: the
 * caller stands at that path (CLOISTER_ROW_DOORS), and the program is behind it, in the other tree. Returns only on
 * failure, with -errno.
 */
int cloister_launcher_exec(const struct cloister_inside *inside, char **argv, char **environment,
                           struct cloister_error *err);

#endif
