/* SPDX-License-Identifier: MIT */
/* Time that only goes forward. */
#ifndef CLOISTER_CLOCK_H
#define CLOISTER_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_MONOTONIC, or of CLOCK_BOOTTIME, which goes on while the machine sleeps (clock_gettime(2)). */
int64_t cloister_clock_milliseconds(clockid_t clock);

#endif
