/* SPDX-License-Identifier: MIT */
/* Signals that wait while a child is made. */
#include "held_signals.h"

int cloister_signals_hold(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	return -pthread_sigmask(SIG_BLOCK, &all, before);
}

int cloister_signals_release(const sigset_t *before)
{
	return -pthread_sigmask(SIG_SETMASK, before, NULL);
}
