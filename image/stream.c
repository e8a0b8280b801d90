/* SPDX-License-Identifier: MIT */
/* Streams between libarchive's readers. */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int image_stream_prepare(void)
{
	char digest[IMAGE_DIGEST_SIZE];

	/* Its configuration could name modules to load. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_ADD_ALL_DIGESTS, NULL) != 1)
		return -EIO;
	return image_digest_of("", 0, digest);
}

static void digest_text(const unsigned char *bytes, unsigned size, char digest[IMAGE_DIGEST_SIZE])
{
	static const char hex[] = "0123456789abcdef";

	for (unsigned i = 0; i < size && 2 * i + 2 < IMAGE_DIGEST_SIZE; i++) {
		digest[2 * i] = hex[bytes[i] >> 4];
		digest[2 * i + 1] = hex[bytes[i] & 15];
	}
	digest[IMAGE_DIGEST_SIZE - 1] = '\0';
}

int image_digest_of(const void *bytes, size_t size, char digest[IMAGE_DIGEST_SIZE])
{
	unsigned char value[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	if (EVP_Digest(bytes, size, value, &length, EVP_sha256(), NULL) != 1)
		return -EIO;
	digest_text(value, length, digest);
	return 0;
}

int image_archive_allow(struct archive *archive)
{
	/* archive_read_support_filter_all(3) would also take those for which libarchive starts a program. */
	if (archive_read_support_filter_none(archive) != ARCHIVE_OK ||
	    archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
	    archive_read_support_filter_bzip2(archive) != ARCHIVE_OK ||
	    archive_read_support_filter_xz(archive) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(archive) != ARCHIVE_OK)
		return -EOPNOTSUPP;
	return 0;
}

int image_archive_fail(struct archive *archive, const char *step, const char *path, struct cloister_error *err)
{
	const char *text = archive_error_string(archive);
	int code = archive_errno(archive);

	/* libarchive has two numbers of its own; both mean that the archive is not what it should be. */
	if (code <= 0 || strerrorname_np(code) == NULL)
		code = EBADMSG;
	return cloister_fail(err, code, step, path, "%s", text != NULL ? text : "cannot read");
}

static ssize_t stream_source(struct image_stream *stream)
{
	ssize_t n;

	if (stream->member != NULL)
		return archive_read_data(stream->member, stream->buffer, sizeof(stream->buffer));
	do {
		n = read(stream->fd, stream->buffer, sizeof(stream->buffer));
	} while (n < 0 && errno == EINTR);
	return n;
}

/* archive_read_callback. */
static la_ssize_t stream_read(struct archive *archive, void *client, const void **buffer)
{
	struct image_stream *stream = client;
	ssize_t n = stream_source(stream);

	*buffer = stream->buffer;
	if (n < 0) {
		if (stream->member != NULL)
			archive_set_error(archive, archive_errno(stream->member), "%s",
			                  archive_error_string(stream->member));
		else
			archive_set_error(archive, errno, "cannot read the archive");
		return ARCHIVE_FATAL;
	}
	stream->bytes += (uint64_t)n;
	if (stream->bytes > stream->limit) {
		archive_set_error(archive, EFBIG, "more than %s", stream->limit_is);
		return ARCHIVE_FATAL;
	}
	if (EVP_DigestUpdate(stream->digest, stream->buffer, (size_t)n) != 1) {
		archive_set_error(archive, EIO, "libcrypto cannot digest");
		return ARCHIVE_FATAL;
	}
	if (stream->progress != NULL)
		stream->progress(stream->context, stream->bytes);
	return n;
}

static int stream_start(struct image_stream *stream)
{
	stream->bytes = 0;
	stream->digest = EVP_MD_CTX_new();
	return stream->digest == NULL || EVP_DigestInit_ex(stream->digest, EVP_sha256(), NULL) != 1 ? -ENOMEM : 0;
}

static int open_unpacked(struct image_reader *reader, struct cloister_error *err)
{
	struct archive *archive = reader->unpacked = archive_read_new();

	if (archive == NULL || stream_start(&reader->raw) < 0 || image_archive_allow(archive) < 0 ||
	    archive_read_support_format_raw(archive) != ARCHIVE_OK ||
	    archive_read_support_format_empty(archive) != ARCHIVE_OK)
		return cloister_fail(err, ENOMEM, "archive", NULL, "libarchive cannot begin");
	if (archive_read_open(archive, &reader->raw, NULL, stream_read, NULL) != ARCHIVE_OK)
		return image_archive_fail(archive, "archive", NULL, err);
	struct archive_entry *entry;
	int r = archive_read_next_header(archive, &entry);
	if (r == ARCHIVE_EOF)
		return cloister_fail(err, ENODATA, "archive", NULL, "it is empty");
	return r < ARCHIVE_WARN ? image_archive_fail(archive, "archive", NULL, err) : 0;
}

int image_reader_open(struct image_reader *reader, uint64_t limit, struct cloister_error *err)
{
	int r = open_unpacked(reader, err);

	if (r < 0)
		return r;
	reader->plain.member = reader->unpacked;
	reader->plain.limit = limit;
	reader->plain.limit_is = "--max-size and --max-files allow comes out of it";
	reader->tar = archive_read_new();
	if (reader->tar == NULL || stream_start(&reader->plain) < 0 ||
	    archive_read_support_format_tar(reader->tar) != ARCHIVE_OK)
		return cloister_fail(err, ENOMEM, "archive", NULL, "libarchive cannot begin");
	if (archive_read_open(reader->tar, &reader->plain, NULL, stream_read, NULL) != ARCHIVE_OK)
		return image_archive_fail(reader->tar, "archive", NULL, err);
	return 0;
}

static int stream_finish(struct image_stream *stream, struct archive *archive, char *digest, struct cloister_error *err)
{
	unsigned char value[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	const void *buffer;
	la_ssize_t n;

	do {
		n = stream_read(archive, stream, &buffer);
	} while (n > 0);
	if (n < 0)
		return image_archive_fail(archive, "archive", NULL, err);
	if (EVP_DigestFinal_ex(stream->digest, value, &length) != 1)
		return cloister_fail(err, EIO, "archive", NULL, "libcrypto cannot digest");
	if (digest != NULL)
		digest_text(value, length, digest);
	return 0;
}

int image_reader_finish(struct image_reader *reader, char raw[IMAGE_DIGEST_SIZE], char plain[IMAGE_DIGEST_SIZE],
                        struct cloister_error *err)
{
	int r = stream_finish(&reader->plain, reader->tar, plain, err);

	return r < 0 ? r : stream_finish(&reader->raw, reader->unpacked, raw, err);
}

void image_reader_close(struct image_reader *reader)
{
	if (reader->tar != NULL)
		archive_read_free(reader->tar);
	if (reader->unpacked != NULL)
		archive_read_free(reader->unpacked);
	EVP_MD_CTX_free(reader->raw.digest);
	EVP_MD_CTX_free(reader->plain.digest);
	reader->tar = reader->unpacked = NULL;
	reader->raw.digest = reader->plain.digest = NULL;
}
