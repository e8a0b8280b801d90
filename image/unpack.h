/* SPDX-License-Identifier: MIT */
/* What runs in the sandbox: from the archive to the tree. */
#ifndef CLOISTER_IMAGE_UNPACK_H
#define CLOISTER_IMAGE_UNPACK_H

#include "messages.h"
#include "stream.h"

/* Where the sandbox stands. */
struct image_unpacking {
	const struct image_job *job;
	int control;
	struct image_tree tree;
	struct image_reader *reader; /* of the layer at hand */
	uint64_t unpacked;           /* bytes that came out of decompression so far, of all layers */
	uint64_t progress_before;    /* bytes of the layers that are done */
	uint64_t progress_total;
	uint64_t progress_told;
	struct image_message result;
};

/* sandbox's run: context is a struct image_job. Unpacks, says how it went, and returns the exit status. */
int image_unpack(void *context);

/*
 * Unpacks one layer from where `from` stands, a descriptor or (with fd -1) the current member of an archive. Checks the
 * entry's blob and diff_id where they are known; digest, which may be NULL, is that of the bytes read. lowest: there is
 * nothing below that its whiteouts could hide.
 */
int image_unpack_layer(struct image_unpacking *unpacking, int fd, struct archive *member,
                       const struct image_layer_entry *layer, bool whiteouts_alone, bool layered, char *digest,
                       struct cloister_error *err);

/* The image in a layout or an archive, if it is one. 1: it was, and is unpacked; 0: it is none; or -errno. */
int image_unpack_archive(struct image_unpacking *unpacking, struct cloister_error *err);
int image_unpack_layout(struct image_unpacking *unpacking, struct cloister_error *err);

/*
 * Gives the bytes of an image's parts: of a blob, by its digest, or of a member of docker save's archive. Either a
 * descriptor, or an archive at its current member; what is opened is closed by image_part_close.
 */
struct image_part {
	int fd;
	struct archive *archive;
};
struct image_parts {
	int (*open)(struct image_unpacking *unpacking, void *context, const char *member,
	            const struct image_descriptor *blob, struct image_part *part, struct cloister_error *err);
	void *context;
};
void image_part_close(struct image_part *part);

/* A part that is a JSON text: whole, its digest checked where it is known. The result is the caller's. */
int image_part_text(struct image_unpacking *unpacking, const struct image_parts *parts, const char *member,
                    const struct image_descriptor *blob, char **text, size_t *size, struct cloister_error *err);

/* From index.json, of which text is the caller's, or from docker save's manifest.json, to the tree. */
int image_unpack_index(struct image_unpacking *unpacking, const struct image_parts *parts, char *text, size_t size,
                       struct cloister_error *err);
int image_unpack_saved(struct image_unpacking *unpacking, const struct image_parts *parts, const char *text,
                       size_t size, struct cloister_error *err);

#endif
