/* SPDX-License-Identifier: MIT */
/* Where the parts of an image come from: an OCI directory, of which each file is asked for, or an archive, which is
 * read anew for each. */
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/descriptor.h"
#include "names.h"
#include "unpack.h"

#define MEMBERS_MAX 20000
#define LINKS_MAX   8

/* A member of an image's archive. */
struct listed {
	char *path;
	char *link; /* of a symbolic or hard link, as a path in the archive; else NULL */
	bool is_file;
};

struct listing {
	struct listed *members;
	size_t n, size;
	bool is_image; /* only names that image archives have */
};

static void listing_clear(struct listing *listing)
{
	for (size_t i = 0; i < listing->n; i++) {
		free(listing->members[i].path);
		free(listing->members[i].link);
	}
	free(listing->members);
}

static bool is_hex(const char *text, size_t length)
{
	return length == IMAGE_DIGEST_SIZE - 1 && strspn(text, "0123456789abcdef") >= length;
}

/* What docker save, podman save, skopeo and OCI layouts have at their top, and a root file system has not. */
static bool is_image_member(const char *path)
{
	static const char *const names[] = {"manifest.json", "repositories", "index.json", "oci-layout", "blobs"};
	size_t length = strcspn(path, "/");
	const char *dot = memchr(path, '.', length);

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strlen(names[i]) == length && strncmp(path, names[i], length) == 0)
			return true;
	}
	return is_hex(path, dot != NULL ? (size_t)(dot - path) : length);
}

/* A symbolic link's target as a path in the archive; NULL where it leads out. */
static char *link_path(const char *path, const char *target)
{
	char joined[2 * PATH_MAX], normal[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int length = slash != NULL ? (int)(slash - path) : 0;

	/* Old docker save: "../ID/layer.tar" beside "ID/layer.tar". */
	if (strncmp(target, "../", 3) == 0 && slash != NULL && strchr(path, '/') == slash) {
		target += 3;
		length = 0;
	}
	snprintf(joined, sizeof(joined), "%.*s/%s", length, path, target);
	return image_path_normalise(joined, normal, sizeof(normal)) == 0 ? strdup(normal) : NULL;
}

static int list_member(struct listing *listing, struct archive_entry *entry, struct cloister_error *err)
{
	char path[PATH_MAX];
	const char *name = archive_entry_pathname(entry);

	/* A name that is refused anywhere is refused here: the archive is unpacked as a tarball, which says it. */
	if (name == NULL || image_path_normalise(name, path, sizeof(path)) < 0)
		return 0;
	if (*path == '\0')
		return 1;
	if (!is_image_member(path))
		return 0;
	if (listing->n == MEMBERS_MAX)
		return cloister_fail(err, EFBIG, "archive", NULL, "an image's archive with more than %d members",
		                     MEMBERS_MAX);
	if (listing->n == listing->size) {
		size_t size = listing->size == 0 ? 64 : 2 * listing->size;
		struct listed *members = reallocarray(listing->members, size, sizeof(*members));
		if (members == NULL)
			return cloister_fail(err, ENOMEM, "archive", NULL, "no memory");
		listing->members = members;
		listing->size = size;
	}
	struct listed *member = &listing->members[listing->n++];
	*member = (struct listed){.path = strdup(path)};
	if (archive_entry_hardlink(entry) != NULL)
		member->link = link_path("", archive_entry_hardlink(entry));
	else if (archive_entry_filetype(entry) == AE_IFLNK && archive_entry_symlink(entry) != NULL)
		member->link = link_path(path, archive_entry_symlink(entry));
	else
		member->is_file = archive_entry_filetype(entry) == AE_IFREG;
	return member->path == NULL ? cloister_fail(err, ENOMEM, "archive", NULL, "no memory") : 1;
}

/* The archive from its beginning. The caller frees it. */
static int open_archive(struct archive **out, struct cloister_error *err)
{
	struct archive *archive = archive_read_new();

	if (archive == NULL || image_archive_allow(archive) < 0 ||
	    archive_read_support_format_tar(archive) != ARCHIVE_OK || lseek(IMAGE_INPUT_FD, 0, SEEK_SET) < 0) {
		archive_read_free(archive);
		return cloister_fail(err, EIO, "archive", NULL, "libarchive cannot begin");
	}
	int r = archive_read_open_fd(archive, IMAGE_INPUT_FD, IMAGE_BUFFER_SIZE);
	if (r != ARCHIVE_OK) {
		r = image_archive_fail(archive, "archive", NULL, err);
		archive_read_free(archive);
		return r;
	}
	*out = archive;
	return 0;
}

/* Ends at the first name that no image's archive has, which is an ordinary tarball's first or second. */
static int list_archive(struct listing *listing, struct cloister_error *err)
{
	struct archive *archive = NULL;
	struct archive_entry *entry;
	int more = 1, r = open_archive(&archive, err);

	/* What is no archive at all is told when it is unpacked. */
	if (r < 0 || archive == NULL)
		return 0;
	listing->is_image = false;
	while (more == 1 && (r = archive_read_next_header(archive, &entry)) >= ARCHIVE_WARN && r != ARCHIVE_EOF)
		more = list_member(listing, entry, err);
	listing->is_image = more == 1 && r == ARCHIVE_EOF && listing->n > 0;
	archive_read_free(archive);
	return more < 0 ? more : 0;
}

static const struct listed *find_member(const struct listing *listing, const char *path)
{
	for (int links = 0; path != NULL && links < LINKS_MAX; links++) {
		const struct listed *found = NULL;

		for (size_t i = 0; i < listing->n && found == NULL; i++) {
			if (strcmp(listing->members[i].path, path) == 0)
				found = &listing->members[i];
		}
		if (found == NULL || found->is_file)
			return found;
		path = found->link;
	}
	return NULL;
}

static int open_member(struct image_unpacking *unpacking, void *context, const char *name,
                       const struct image_descriptor *blob, struct image_part *part, struct cloister_error *err)
{
	char blob_name[16 + IMAGE_DIGEST_SIZE], path[PATH_MAX];
	struct archive_entry *entry;

	(void)unpacking;
	snprintf(blob_name, sizeof(blob_name), "blobs/sha256/%s", blob->digest);
	const struct listed *member = find_member(context, name != NULL ? name : blob_name);
	if (member == NULL)
		return cloister_fail(err, ENOENT, "archive", name != NULL ? name : blob_name,
		                     "it is not in the archive");
	int r = open_archive(&part->archive, err);
	while (r == 0 && (r = archive_read_next_header(part->archive, &entry)) >= ARCHIVE_WARN && r != ARCHIVE_EOF) {
		const char *found = archive_entry_pathname(entry);

		if (found != NULL && image_path_normalise(found, path, sizeof(path)) == 0 &&
		    strcmp(path, member->path) == 0 && archive_entry_filetype(entry) == AE_IFREG)
			return 0;
		r = 0;
	}
	if (part->archive != NULL)
		r = cloister_fail(err, EBADMSG, "archive", member->path, "it cannot be read a second time");
	image_part_close(part);
	return r;
}

int image_unpack_archive(struct image_unpacking *unpacking, struct cloister_error *err)
{
	struct listing listing = {0};
	const struct image_parts parts = {.open = open_member, .context = &listing};
	const struct image_descriptor unknown = {.size = UINT64_MAX};
	char _cleanup_free_ *text = NULL;
	size_t size = 0;

	int r = list_archive(&listing, err);
	/* Newer archives of docker save are both; the layout has digests of the layers as they lie there. */
	const char *index =
		listing.is_image && find_member(&listing, "oci-layout") != NULL ? "index.json" : "manifest.json";
	if (r == 0 && listing.is_image && find_member(&listing, index) != NULL) {
		r = image_part_text(unpacking, &parts, index, &unknown, &text, &size, err);
		if (r == 0)
			r = strcmp(index, "index.json") == 0 ? image_unpack_index(unpacking, &parts, text, size, err)
			                                     : image_unpack_saved(unpacking, &parts, text, size, err);
	} else if (r == 0 && lseek(IMAGE_INPUT_FD, 0, SEEK_SET) < 0) {
		r = cloister_fail(err, errno, "archive", NULL, "cannot go back to its beginning");
	}
	listing_clear(&listing);
	return r;
}

/* The importing process opens it: no directory of the host's is in reach of the sandbox. */
static int ask_for_blob(struct image_unpacking *unpacking, void *context, const char *name,
                        const struct image_descriptor *blob, struct image_part *part, struct cloister_error *err)
{
	struct image_message message = {.kind = IMAGE_MESSAGE_WANT};

	(void)context;
	(void)name;
	memcpy(message.digest, blob->digest, sizeof(message.digest));
	int r = image_message_send(unpacking->control, &message, false);
	int fd = r < 0 ? r : cloister_descriptor_receive(unpacking->control);
	if (fd < 0)
		return cloister_fail(err, -fd, "layout", *blob->digest != '\0' ? blob->digest : "index.json",
		                     "cannot open");
	part->fd = fd;
	return 0;
}

int image_unpack_layout(struct image_unpacking *unpacking, struct cloister_error *err)
{
	const struct image_parts parts = {.open = ask_for_blob};
	const struct image_descriptor index = {.size = UINT64_MAX};
	char _cleanup_free_ *text = NULL;
	size_t size = 0;

	int r = image_part_text(unpacking, &parts, NULL, &index, &text, &size, err);
	return r < 0 ? r : image_unpack_index(unpacking, &parts, text, size, err);
}
