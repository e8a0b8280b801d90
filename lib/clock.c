/* SPDX-License-Identifier: MIT */
#include "cloister/clock.h"

int64_t cloister_clock_milliseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}
