/* SPDX-License-Identifier: MIT */
/*
 * The wire between the login process and init: a SOCK_SEQPACKET socketpair. The login process sends one start message
 * with the plan (a sealed memfd) and the sources (SCM_RIGHTS); init answers once, and then only waits for the end of
 * file.
 */
#ifndef CLOISTER_CONTROL_H
#define CLOISTER_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "cloister/error.h"
#include "cloister/plan.h"

/* The descriptor that init finds its end on. */
#define CLOISTER_CONTROL_FD 3
/* The kernel passes at most 253 descriptors in a message (unix(7)); one is the plan. */
#define CLOISTER_SOURCES_MAX 250

/* What init receives. sources has an entry for each row of the plan; all is freed by cloister_start_clear. */
struct cloister_start {
	struct cloister_plan *plan;
	int *sources;
	void *seccomp;
	uint16_t seccomp_length;
};

/* Sends plan, sources (one for each row, -1 for none) and filter. Returns 0 or -errno. */
int cloister_control_send(int control, const struct cloister_plan *plan, const int *sources, const void *seccomp,
                          uint16_t seccomp_length, struct cloister_error *err);
/* Receives them; every descriptor is close-on-exec. Returns 0 or -errno (-ECONNRESET: the login process is gone). */
int cloister_control_receive(int control, struct cloister_start *start);
void cloister_start_clear(struct cloister_start *start);

/* init's answer: ready when err->code is 0. */
int cloister_control_answer(int control, const struct cloister_error *err);
/*
 * Waits for it, at most timeout milliseconds. Returns 0 when the session is ready, or -errno with the failing row's
 * error; -ETIMEDOUT, or -ECONNRESET when init died without a word.
 */
int cloister_control_wait(int control, int timeout, struct cloister_error *err);

#endif
