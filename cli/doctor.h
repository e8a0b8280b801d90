/* SPDX-License-Identifier: MIT */
/* What cloister doctor finds, and the parts that look for it. */
#ifndef CLOISTER_CLI_DOCTOR_H
#define CLOISTER_CLI_DOCTOR_H

#include <stdbool.h>

struct json_object;

enum doctor_state {
	DOCTOR_OK,      /* as it should be */
	DOCTOR_NOTE,    /* something that can be asked for is not there: a session that asks for it is refused */
	DOCTOR_WEAKER,  /* sessions start, with one wall less, or on a host that is more open than it need be */
	DOCTOR_MISSING, /* no session starts */
};

struct doctor {
	struct json_object *list; /* NULL: lines of text */
	const char *configuration;
	bool missing;
};

/* One finding: what was looked at, and the rest of the sentence; an empty one for DOCTOR_OK. */
void doctor_say(struct doctor *doctor, enum doctor_state state, const char *what, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Asks the kernel for each thing that a session is made of; changes nothing. */
void doctor_kernel(struct doctor *doctor);

/* Settings of the host that no session changes, and that make it more open than it need be. */
void doctor_sysctls(struct doctor *doctor);

#endif
