/* SPDX-License-Identifier: MIT */
/* The signals that the relay takes, by a descriptor, and a timer's signal that interrupts a call that blocks. */
#ifndef CLOISTER_LIB_RELAY_SIGNALS_H
#define CLOISTER_LIB_RELAY_SIGNALS_H

#include <signal.h>
#include <time.h>

struct relay_signals {
	int fd; /* signalfd(2) */
	timer_t timer;
	/* What was before. */
	sigset_t mask;
	struct sigaction pipe;
	struct sigaction tick;
};

/* Returns 0, or -errno with everything as before. */
int cloister_relay_signals_take(struct relay_signals *signals);
/* Interrupts what blocks after so many milliseconds, and again and again; 0: no more. */
void cloister_relay_signals_interrupt(const struct relay_signals *signals, long interval_ms);
void cloister_relay_signals_restore(struct relay_signals *signals);

#endif
