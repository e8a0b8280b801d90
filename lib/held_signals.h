/* SPDX-License-Identifier: MIT */
/* No handler of the login program's may run in a child that is still a copy of it, or on its stack. */
#ifndef CLOISTER_HELD_SIGNALS_H
#define CLOISTER_HELD_SIGNALS_H

#include <signal.h>

/* Blocks every signal for the calling thread, and tells in *before what was blocked. 0 or -errno. */
int cloister_signals_hold(sigset_t *before);

/* As it was before. -errno: it is not, and what the thread starts next would begin with every signal blocked. */
int cloister_signals_release(const sigset_t *before);

#endif
