/* SPDX-License-Identifier: MIT */
/* The three lives of the static binary. */
#ifndef CLOISTER_INIT_H
#define CLOISTER_INIT_H

/* PID 1 of a session: builds it, drops everything, reaps. Returns an exit status. */
int cloister_init_main(void);

#endif
