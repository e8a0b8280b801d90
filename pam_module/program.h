/* SPDX-License-Identifier: MIT */
/* The login programs that are known: how each forks its user's child, and where its terminal comes from. */
#ifndef CLOISTER_PROGRAM_H
#define CLOISTER_PROGRAM_H

#include <stdbool.h>

#include "cloister/plan.h"

struct cloister_program {
	const char *name;
	enum cloister_terminal terminal;
	/* It goes on to name /dev/pts/N after it closed its PAM session: the login view stays until it exits. */
	bool keeps_view;
};

/* The program of the calling process (/proc/self/exe), or else the one whose PAM service this is; NULL: unknown. */
const struct cloister_program *cloister_program_find(const char *service);

#endif
