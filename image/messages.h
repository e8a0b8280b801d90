/* SPDX-License-Identifier: MIT */
/* What the importing process and its sandbox say to each other. The sandbox's words are as little trusted as the
 * archive. */
#ifndef CLOISTER_IMAGE_MESSAGES_H
#define CLOISTER_IMAGE_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "cloister/error.h"
#include "extract.h"
#include "manifest.h"

/* The descriptor that the archive has in the sandbox; an OCI directory has none, its files are asked for. */
#define IMAGE_INPUT_FD 4

/* What the sandbox is to do; it has a copy of it. */
struct image_job {
	bool has_input;      /* IMAGE_INPUT_FD is there; else an OCI directory */
	bool seekable;       /* it may be read more than once */
	uint64_t input_size; /* bytes; 0 when not known */
	uint64_t max_bytes, max_entries;
	struct image_choice choice;
};

enum image_message_kind {
	IMAGE_MESSAGE_PROGRESS = 1, /* done of total bytes; total 0: not known */
	IMAGE_MESSAGE_WANT,   /* a blob by its digest, or index.json when that is empty; a descriptor is the answer */
	IMAGE_MESSAGE_DONE,   /* counts, what the digest is of, and the digest */
	IMAGE_MESSAGE_FAILED, /* error */
};

enum image_digest_of {
	IMAGE_DIGEST_OF_ARCHIVE,  /* every byte of a tarball, as it came */
	IMAGE_DIGEST_OF_MANIFEST, /* OCI: what a registry names the image by */
	IMAGE_DIGEST_OF_CONFIG,   /* docker save: the image ID */
};

struct image_message {
	uint32_t kind;
	uint32_t digest_of; /* enum image_digest_of */
	uint64_t done, total;
	struct image_counts counts;
	char digest[IMAGE_DIGEST_SIZE];
	struct cloister_error error;
};

/* Sends. may_drop: without waiting. 0 or -errno. */
int image_message_send(int control, const struct image_message *message, bool may_drop);

/* Receives, and makes its texts end. 1; 0 when the other side is gone; -EBADMSG. */
int image_message_receive(int control, struct image_message *message);

#endif
