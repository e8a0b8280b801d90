/* SPDX-License-Identifier: MIT */
/* An image: from its index or manifest to its layers, each part held against the digest that names it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "unpack.h"

/* An index in an index: one for the tags, one for the platforms, and room. */
#define INDEX_DEPTH_MAX 4

void image_part_close(struct image_part *part)
{
	if (part->fd >= 0)
		close(part->fd);
	if (part->archive != NULL)
		archive_read_free(part->archive);
	*part = (struct image_part){.fd = -1};
}

static int read_whole(const struct image_part *part, char **text, size_t *size, struct cloister_error *err)
{
	char _cleanup_free_ *buffer = malloc(IMAGE_JSON_MAX + 1);
	size_t used = 0;

	if (buffer == NULL)
		return cloister_fail(err, ENOMEM, "manifest", NULL, "no memory");
	while (used <= IMAGE_JSON_MAX) {
		ssize_t n = part->archive != NULL
		                    ? archive_read_data(part->archive, buffer + used, IMAGE_JSON_MAX + 1 - used)
		                    : read(part->fd, buffer + used, IMAGE_JSON_MAX + 1 - used);
		if (n < 0 && part->archive != NULL)
			return image_archive_fail(part->archive, "manifest", NULL, err);
		if (n < 0 && errno != EINTR)
			return cloister_fail(err, errno, "manifest", NULL, "cannot read");
		if (n == 0)
			break;
		used += n > 0 ? (size_t)n : 0;
	}
	if (used > IMAGE_JSON_MAX)
		return cloister_fail(err, EFBIG, "manifest", NULL, "larger than %u bytes", IMAGE_JSON_MAX);
	*text = TAKE_PTR(buffer);
	*size = used;
	return 0;
}

int image_part_text(struct image_unpacking *unpacking, const struct image_parts *parts, const char *member,
                    const struct image_descriptor *blob, char **text, size_t *size, struct cloister_error *err)
{
	struct image_part part = {.fd = -1};
	char digest[IMAGE_DIGEST_SIZE];

	int r = parts->open(unpacking, parts->context, member, blob, &part, err);
	if (r < 0)
		return r;
	char _cleanup_free_ *whole = NULL;
	r = read_whole(&part, &whole, size, err);
	image_part_close(&part);
	if (r < 0)
		return r;
	if (*blob->digest != '\0' && (image_digest_of(whole, *size, digest) < 0 || strcmp(digest, blob->digest) != 0 ||
	                              (blob->size != UINT64_MAX && blob->size != *size)))
		return cloister_fail(err, EBADMSG, "digest", NULL, "a blob is not what its name sha256:%s says",
		                     blob->digest);
	*text = TAKE_PTR(whole);
	return 0;
}

static int unpack_part(struct image_unpacking *unpacking, const struct image_parts *parts,
                       const struct image_layer_entry *layer, bool whiteouts_alone, struct cloister_error *err)
{
	struct image_part part = {.fd = -1};
	int r = parts->open(unpacking, parts->context, layer->member, &layer->blob, &part, err);

	if (r == 0)
		r = image_unpack_layer(unpacking, part.fd, part.archive, layer, whiteouts_alone, true, NULL, err);
	image_part_close(&part);
	return r;
}

/*
 * Layer upon layer. A layer's whiteouts concern the layers below alone, wherever they stand in it: so each but the
 * lowest is read twice, and its digest is known to be right before a file of it is made.
 */
static int unpack_layers(struct image_unpacking *unpacking, const struct image_parts *parts,
                         const struct image_manifest *manifest, struct cloister_error *err)
{
	int r = 0;

	for (size_t i = 0; i < manifest->n_layers; i++) {
		uint64_t size = manifest->layers[i].blob.size;

		if (size == UINT64_MAX)
			unpacking->progress_total = 0;
		if (size == UINT64_MAX || __builtin_add_overflow(unpacking->progress_total, size * (i == 0 ? 1 : 2),
		                                                 &unpacking->progress_total))
			break;
	}
	for (size_t i = 0; i < manifest->n_layers && r == 0; i++) {
		if (i > 0)
			r = unpack_part(unpacking, parts, &manifest->layers[i], true, err);
		if (r == 0)
			r = unpack_part(unpacking, parts, &manifest->layers[i], false, err);
	}
	return r;
}

static int unpack_manifest(struct image_unpacking *unpacking, const struct image_parts *parts,
                           struct image_manifest *manifest, struct cloister_error *err)
{
	char _cleanup_free_ *config = NULL;
	size_t size = 0;

	int r = image_part_text(unpacking, parts, manifest->config_member, &manifest->config, &config, &size, err);
	if (r == 0)
		r = image_config_parse(config, size, unpacking->job->choice.architecture, manifest, err);
	if (r == 0)
		r = unpack_layers(unpacking, parts, manifest, err);
	return r < 0 ? r : 1;
}

int image_unpack_index(struct image_unpacking *unpacking, const struct image_parts *parts, char *text, size_t size,
                       struct cloister_error *err)
{
	struct image_choice choice = unpacking->job->choice;
	struct image_descriptor chosen = {0};
	struct image_manifest manifest = {0};
	char _cleanup_free_ *next = NULL;
	bool is_index = true;
	int r = 0;

	for (int depth = 0; is_index && r == 0; depth++) {
		if (depth == INDEX_DEPTH_MAX)
			return cloister_fail(err, ELOOP, "index", NULL, "too many indices in each other");
		r = image_index_choose(next != NULL ? next : text, size, &choice, &chosen, &is_index, err);
		/* The tag stands in the outermost alone. */
		choice.reference = NULL;
		free(TAKE_PTR(next));
		if (r == 0)
			r = image_part_text(unpacking, parts, NULL, &chosen, &next, &size, err);
	}
	if (r == 0)
		r = image_manifest_parse(next, size, &manifest, err);
	if (r < 0)
		return r;
	unpacking->result.digest_of = IMAGE_DIGEST_OF_MANIFEST;
	memcpy(unpacking->result.digest, chosen.digest, sizeof(chosen.digest));
	r = unpack_manifest(unpacking, parts, &manifest, err);
	image_manifest_clear(&manifest);
	return r;
}

int image_unpack_saved(struct image_unpacking *unpacking, const struct image_parts *parts, const char *text,
                       size_t size, struct cloister_error *err)
{
	struct image_manifest manifest = {0};
	int r = image_saved_parse(text, size, unpacking->job->choice.reference, &manifest, err);

	if (r < 0)
		return r;
	r = unpack_manifest(unpacking, parts, &manifest, err);
	unpacking->result.digest_of = IMAGE_DIGEST_OF_CONFIG;
	memcpy(unpacking->result.digest, manifest.config.digest, sizeof(manifest.config.digest));
	image_manifest_clear(&manifest);
	return r;
}
