/* SPDX-License-Identifier: MIT */
/*
 * Bytes of an archive on their way through: from a descriptor or from a member of another archive, counted, held
 * against a limit, and digested (SHA-256, libcrypto). And the two libarchive readers of a layer: one that decompresses,
 * one that reads tar from what it gives, with a stream before each.
 */
#ifndef CLOISTER_IMAGE_STREAM_H
#define CLOISTER_IMAGE_STREAM_H

#include <archive.h>
#include <openssl/evp.h>
#include <stdint.h>

#include "cloister/error.h"
#include "manifest.h"

#define IMAGE_BUFFER_SIZE 131072

struct image_stream {
	int fd;                 /* where the bytes come from, */
	struct archive *member; /* or what archive_read_data(3) gives them, at its current member */
	uint64_t bytes;         /* so far */
	uint64_t limit;
	const char *limit_is; /* for the error: "more than ... " */
	EVP_MD_CTX *digest;
	void (*progress)(void *context, uint64_t bytes);
	void *context;
	unsigned char buffer[IMAGE_BUFFER_SIZE];
};

struct image_reader {
	struct image_stream raw, plain;
	struct archive *unpacked; /* decompresses raw; plain reads from it */
	struct archive *tar;      /* reads plain */
};

/* Loads what libcrypto needs, before a sandbox cuts the way to it. */
int image_stream_prepare(void);

/* What a tar archive may be compressed with, without any program being started (libarchive would for others). */
int image_archive_allow(struct archive *archive);

/*
 * Opens the two readers on raw, of which fd or member, limit, limit_is and progress are set; limit is the most that
 * comes out of the decompression. The result is the caller's (image_reader_close), also on failure.
 */
int image_reader_open(struct image_reader *reader, uint64_t limit, struct cloister_error *err);

/*
 * Reads what is left, since tar's end is not the end of the bytes, and gives the digests of what was read.
 * Either may be NULL.
 */
int image_reader_finish(struct image_reader *reader, char raw[IMAGE_DIGEST_SIZE], char plain[IMAGE_DIGEST_SIZE],
                        struct cloister_error *err);

void image_reader_close(struct image_reader *reader);

/* An error of libarchive's as one of ours. Its text may quote the archive. */
int image_archive_fail(struct archive *archive, const char *step, const char *path, struct cloister_error *err);

/* SHA-256 of a text, in hexadecimal. */
int image_digest_of(const void *bytes, size_t size, char digest[IMAGE_DIGEST_SIZE]);

#endif
