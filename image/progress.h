/* SPDX-License-Identifier: MIT */
/* A bar on a terminal, and nothing elsewhere. */
#ifndef CLOISTER_IMAGE_PROGRESS_H
#define CLOISTER_IMAGE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image_progress {
	const char *what;
	bool shown;   /* standard error is a terminal, and nobody asked for quiet */
	int permille; /* as drawn last */
	uint64_t drawn;
};

void image_progress_start(struct image_progress *progress, const char *what, bool quiet);
/* total 0: it is not known. */
void image_progress_update(struct image_progress *progress, uint64_t done, uint64_t total);
/* Takes the bar away. */
void image_progress_end(struct image_progress *progress);

/* "212 MiB" */
const char *image_size_text(uint64_t bytes, char *text, size_t size);

#endif
