/* SPDX-License-Identifier: MIT */
/*
 * network = pasta: a network namespace of the session's own, and pasta(1), which passes on as an ordinary process of
 * the host's what comes from there. A helper of ours starts it, and ends it with the session.
 */
#ifndef CLOISTER_PASTA_H
#define CLOISTER_PASTA_H

#include "cloister/error.h"
#include "cloister/plan.h"
#include "cloister/session.h"

/* What pasta takes for the host's resolver: of the ranges for documentation, which lead nowhere else. */
#define CLOISTER_PASTA_DNS4      "192.0.2.53"
#define CLOISTER_PASTA_DNS6      "2001:db8::53"
#define CLOISTER_PASTA_INTERFACE "eth0"

/* The helper's name, and the descriptors that it finds. */
#define CLOISTER_PASTA_HELPER     "cloister-pasta"
#define CLOISTER_PASTA_INIT_FD    4 /* init's pidfd */
#define CLOISTER_PASTA_PROGRAM_FD 5
#define CLOISTER_PASTA_NETWORK_FD 6 /* the session's network namespace */

/* Opens the installed pasta, which must be root's. A descriptor or -errno. */
int cloister_pasta_open(struct cloister_error *err);

/*
 * Starts pasta for a session that is ready, and waits until its network is. init_fd: cloister-init, which is the helper
 * as well. The helper is no child of the caller's afterwards. 0, or -errno with what pasta said.
 */
int cloister_pasta_start(const struct cloister_plan *plan, const struct cloister_session *session, int init_fd,
                         struct cloister_error *err);

#endif
