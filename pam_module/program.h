/* SPDX-License-Identifier: MIT */
/* The login programs that are known: how each forks its user's child, and where its terminal comes from. */
#ifndef CLOISTER_PROGRAM_H
#define CLOISTER_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "cloister/plan.h"

struct cloister_program {
	const char *name;
	enum cloister_terminal terminal;
	/* It goes on to name /dev/pts/N after it closed its PAM session: the login view stays until it exits. */
	bool keeps_view;
	/* Not known to fork(2) the user's process: the login process itself is moved. */
	bool moves;
};

/* The program of the calling process (/proc/self/exe), or else the one whose PAM service this is; NULL: unknown. */
const struct cloister_program *cloister_program_find(const char *service);

/*
 * Where this login's terminal comes from: the program's own way, unless it has made a pty for the user's command, or is
 * about to. path: the terminal to bind, or "".
 */
enum cloister_terminal cloister_program_terminal(const struct cloister_program *program, char *path, size_t size);

#endif
