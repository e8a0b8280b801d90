/* SPDX-License-Identifier: MIT */
/* The sandbox's main function, and one layer of what it unpacks. */
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/sandbox.h"

/* What tar adds to each member, at most: headers, padding, an extended header. */
#define OVERHEAD_PER_ENTRY 8192
#define OVERHEAD           (1U << 20)
#define PROGRESS_STEP      (1U << 20)

static void tell_progress(void *context, uint64_t bytes)
{
	struct image_unpacking *unpacking = context;
	struct image_message message = {.kind = IMAGE_MESSAGE_PROGRESS,
	                                .done = unpacking->progress_before + bytes,
	                                .total = unpacking->progress_total};

	if (message.done - unpacking->progress_told < PROGRESS_STEP)
		return;
	unpacking->progress_told = message.done;
	/* It is a picture; nobody waits for it. */
	image_message_send(unpacking->control, &message, true);
}

static int check_digest(const char *what, const char *expected, const char *found, struct cloister_error *err)
{
	if (*expected == '\0' || strcmp(expected, found) == 0)
		return 0;
	return cloister_fail(err, EBADMSG, "digest", NULL, "%s has the digest sha256:%s, and should have sha256:%s",
	                     what, found, expected);
}

static uint64_t decompression_limit(const struct image_unpacking *unpacking)
{
	const struct image_job *job = unpacking->job;
	uint64_t overhead = OVERHEAD, most = 0;

	if (__builtin_mul_overflow(job->max_entries, OVERHEAD_PER_ENTRY, &most) ||
	    __builtin_add_overflow(most, overhead, &most) || __builtin_add_overflow(most, job->max_bytes, &most))
		most = UINT64_MAX;
	return most > unpacking->unpacked ? most - unpacking->unpacked : 0;
}

static int read_layer(struct image_unpacking *unpacking, const struct image_layer_entry *layer, bool whiteouts_alone,
                      bool layered, char *digest, struct cloister_error *err)
{
	struct image_reader *reader = unpacking->reader;
	char raw[IMAGE_DIGEST_SIZE], plain[IMAGE_DIGEST_SIZE];

	int r = image_reader_open(reader, decompression_limit(unpacking), err);
	if (r == 0 && whiteouts_alone)
		r = image_tree_whiteouts(&unpacking->tree, reader->tar, err);
	else if (r == 0)
		r = image_tree_extract(&unpacking->tree, reader->tar, layered, err);
	if (r == 0)
		r = image_reader_finish(reader, raw, plain, err);
	if (r < 0)
		return r;
	if (layer->blob.size != UINT64_MAX && layer->blob.size != reader->raw.bytes)
		return cloister_fail(err, EBADMSG, "digest", NULL,
		                     "a layer has %" PRIu64 " bytes, and should have %" PRIu64, reader->raw.bytes,
		                     layer->blob.size);
	r = check_digest("a layer", layer->blob.digest, raw, err);
	if (r == 0)
		r = check_digest("a decompressed layer", layer->diff_id, plain, err);
	if (r == 0 && digest != NULL)
		memcpy(digest, raw, sizeof(raw));
	if (!whiteouts_alone)
		unpacking->unpacked += reader->plain.bytes;
	unpacking->progress_before += reader->raw.bytes;
	return r;
}

int image_unpack_layer(struct image_unpacking *unpacking, int fd, struct archive *member,
                       const struct image_layer_entry *layer, bool whiteouts_alone, bool layered, char *digest,
                       struct cloister_error *err)
{
	struct image_reader _cleanup_free_ *reader = calloc(1, sizeof(*reader));

	if (reader == NULL)
		return cloister_fail(err, ENOMEM, "layer", NULL, "no memory");
	reader->raw.fd = fd;
	reader->raw.member = member;
	reader->raw.limit = layer->blob.size;
	reader->raw.limit_is = "the bytes that its descriptor says";
	reader->raw.progress = tell_progress;
	reader->raw.context = unpacking;
	unpacking->reader = reader;
	int r = read_layer(unpacking, layer, whiteouts_alone, layered, digest, err);
	image_reader_close(reader);
	unpacking->reader = NULL;
	return r;
}

static bool tree_has(const struct image_unpacking *unpacking, const char *name)
{
	struct stat st;

	return fstatat(unpacking->tree.root, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int unpack_tarball(struct image_unpacking *unpacking, struct cloister_error *err)
{
	const struct image_layer_entry unknown = {.blob.size = UINT64_MAX};

	unpacking->progress_total = unpacking->job->input_size;
	int r = image_unpack_layer(unpacking, IMAGE_INPUT_FD, NULL, &unknown, false, false, unpacking->result.digest,
	                           err);
	if (r < 0)
		return r;
	if (unpacking->tree.counts.entries == 0)
		return cloister_fail(err, ENODATA, "archive", NULL, "nothing is in it");
	/* A pipe cannot be looked through before. */
	if (tree_has(unpacking, "manifest.json") || tree_has(unpacking, "oci-layout"))
		return cloister_fail(
			err, EINVAL, "archive", NULL,
			"this is an image's archive, which must be read more than once: give it as a file");
	return 0;
}

static int unpack(struct image_unpacking *unpacking, struct cloister_error *err)
{
	const struct image_job *job = unpacking->job;
	int _cleanup_close_ root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return cloister_fail(err, errno, "root", "/", "cannot open");
	image_tree_open(&unpacking->tree, root, job->max_bytes, job->max_entries);
	int r = 0;
	if (!job->has_input)
		r = image_unpack_layout(unpacking, err);
	else if (job->seekable)
		r = image_unpack_archive(unpacking, err);
	if (r == 0)
		r = unpack_tarball(unpacking, err);
	if (r >= 0)
		image_tree_set_times(&unpacking->tree);
	unpacking->result.counts = unpacking->tree.counts;
	image_tree_close(&unpacking->tree);
	return r < 0 ? r : 0;
}

int image_unpack(void *context)
{
	struct image_unpacking unpacking = {.job = context, .control = CLOISTER_SANDBOX_CONTROL_FD};
	struct cloister_error err = {0};

	umask(022);
	int r = unpack(&unpacking, &err);
	unpacking.result.kind = r < 0 ? IMAGE_MESSAGE_FAILED : IMAGE_MESSAGE_DONE;
	unpacking.result.error = err;
	return image_message_send(unpacking.control, &unpacking.result, false) < 0 || r < 0 ? 1 : 0;
}
