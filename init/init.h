/* SPDX-License-Identifier: MIT */
/* The four lives of the static binary. */
#ifndef CLOISTER_INIT_H
#define CLOISTER_INIT_H

#include "cloister/error.h"
#include "cloister/network_child.h"
#include "cloister/plan.h"

/* PID 1 of a session: builds it, drops everything, reaps. Returns an exit status. */
int cloister_init_main(void);

/*
 * Before the plan: makes the namespaces that init was not born in, the network namespace by a child that goes on
 * meanwhile, waits until the id maps are written, and becomes root of its user namespace. 0 or -errno.
 */
int cloister_init_birth(struct cloister_network_child *network_child, struct cloister_error *err);

/* Until the session is over: reaps, counts the logins of a shared session and keeps the time of `linger`. */
void cloister_init_watch(int signals, const struct cloister_plan *plan);

/* The helper of network = pasta (pasta.h): arguments are the session and pasta's. */
int cloister_pasta_main(char **argv);

#endif
