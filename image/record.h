/* SPDX-License-Identifier: MIT */
/* What is known of an image: image.json beside its tree. */
#ifndef CLOISTER_IMAGE_RECORD_H
#define CLOISTER_IMAGE_RECORD_H

#include <json-c/json.h>

#include "cloister/error.h"
#include "messages.h"
#include "tree.h"

/* What an import found: from the sandbox the counts and the digest, the rest from this side of it. */
struct image_record {
	const char *name;
	const char *source; /* the archive's file name; "-" for standard input */
	const struct image_message *result;
	struct image_tree_sums sums;
};

/* Writes it into the image's directory, mode 0600. */
int image_record_write(int directory, const struct image_record *record, struct cloister_error *err);

/* Reads it as JSON; NULL when it is missing or broken. The caller releases it. */
json_object *image_record_read(int directory);

/* "3 device nodes, 1 set-user-ID or set-group-ID bit": what was left out, or an empty text. */
void image_record_left_out(const struct image_counts *counts, char *text, size_t size);

#endif
