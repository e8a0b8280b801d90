/* SPDX-License-Identifier: MIT */
/*
 * The JSON of OCI layouts and of docker save's archives (image-spec: image-index.md, manifest.md, config.md). Pure:
 * text to data, and every text may be hostile.
 */
#ifndef CLOISTER_IMAGE_MANIFEST_H
#define CLOISTER_IMAGE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cloister/error.h"

/* A text larger than this is refused before it is parsed. */
#define IMAGE_JSON_MAX   (4U << 20)
#define IMAGE_LAYERS_MAX 512
/* SHA-256 in lower-case hexadecimal, and the end. */
#define IMAGE_DIGEST_SIZE 65

struct image_descriptor {
	char digest[IMAGE_DIGEST_SIZE]; /* empty: none is known */
	uint64_t size;                  /* bytes; UINT64_MAX: not known */
};

/* One layer: what it is called, what its bytes must be, and what they must be once they are decompressed. */
struct image_layer_entry {
	char *member; /* docker save: its name in the archive; else NULL */
	struct image_descriptor blob;
	char diff_id[IMAGE_DIGEST_SIZE];
};

struct image_manifest {
	char *config_member; /* docker save; else NULL */
	struct image_descriptor config;
	struct image_layer_entry *layers; /* the lowest first */
	size_t n_layers;
};

/* What of an index is wanted. */
struct image_choice {
	const char *architecture; /* GOARCH */
	const char *reference;    /* a tag; NULL: the only image that there is */
};

/* "sha256:HEX" to HEX; -EINVAL for anything else, another algorithm included. */
int image_digest_parse(const char *text, char digest[IMAGE_DIGEST_SIZE]);

/* The entry of an index (index.json, or a blob that it names) for this machine. *is_index: it is an index once more. */
int image_index_choose(const char *text, size_t size, const struct image_choice *choice,
                       struct image_descriptor *chosen, bool *is_index, struct cloister_error *err);

/* An image manifest of OCI, or of docker's registry (schema 2). The result is the caller's (image_manifest_clear). */
int image_manifest_parse(const char *text, size_t size, struct image_manifest *manifest, struct cloister_error *err);

/* docker save's manifest.json. */
int image_saved_parse(const char *text, size_t size, const char *reference, struct image_manifest *manifest,
                      struct cloister_error *err);

/* The image's configuration: fills the layers' diff_id; refuses another architecture or system, or another number. */
int image_config_parse(const char *text, size_t size, const char *architecture, struct image_manifest *manifest,
                       struct cloister_error *err);

void image_manifest_clear(struct image_manifest *manifest);

#endif
