/* SPDX-License-Identifier: MIT */
/* cloister image import, on the host's side of the sandbox. */
#ifndef CLOISTER_IMAGE_IMPORT_H
#define CLOISTER_IMAGE_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "cloister/error.h"

#define IMAGE_MAX_BYTES_DEFAULT   (UINT64_C(32) << 30)
#define IMAGE_MAX_ENTRIES_DEFAULT UINT64_C(2000000)

struct image_import_options {
	const char *source; /* a file, an OCI layout's directory, or "-" */
	const char *name;
	const char *reference; /* NULL: the only image */
	uint64_t max_bytes, max_entries;
	bool replace, quiet;
};

/* Imports, and tells on standard output where the image is. 0 or -errno (-EINTR: a signal asked for the end). */
int image_import(const struct image_import_options *options, struct cloister_error *err);

#endif
