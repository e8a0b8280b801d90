/* SPDX-License-Identifier: MIT */
/* The record of an image as JSON. */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "json.h"
#include "store.h"

#define RECORD_MAX 65536

/* One count of what is not in the tree: its key in the record, and how a sentence says it. */
struct left_out {
	const char *key, *one, *many;
	uint64_t n;
};
#define LEFT_OUT_KINDS 5

static void list_left_out(const struct image_counts *counts, struct left_out list[LEFT_OUT_KINDS])
{
	list[0] = (struct left_out){"device_nodes", "device node", "device nodes", counts->devices};
	list[1] = (struct left_out){"fifos_and_sockets", "FIFO or socket", "FIFOs and sockets", counts->specials};
	list[2] = (struct left_out){"set_id_bits", "set-user-ID or set-group-ID bit",
	                            "set-user-ID and set-group-ID bits", counts->set_id};
	list[3] = (struct left_out){"extended_attributes", "file's extended attributes", "files' extended attributes",
	                            counts->xattrs};
	list[4] = (struct left_out){"unknown_owners", "owner above 65535", "owners above 65535", counts->owners};
}

void image_record_left_out(const struct image_counts *counts, char *text, size_t size)
{
	struct left_out list[LEFT_OUT_KINDS];
	size_t used = 0;

	list_left_out(counts, list);
	*text = '\0';
	for (size_t i = 0; i < LEFT_OUT_KINDS; i++) {
		if (list[i].n == 0 || used >= size)
			continue;
		int n = snprintf(text + used, size - used, "%s%llu %s", used > 0 ? ", " : "",
		                 (unsigned long long)list[i].n, list[i].n == 1 ? list[i].one : list[i].many);
		used += n > 0 ? (size_t)n : 0;
	}
}

static json_object *number(uint64_t value)
{
	return json_object_new_uint64(value);
}

static json_object *record_json(const struct image_record *record)
{
	static const char *const kinds[] = {"archive", "manifest", "config"};
	struct left_out list[LEFT_OUT_KINDS];
	char now[32], digest[8 + IMAGE_DIGEST_SIZE] = "", path[IMAGE_PATH_MAX];
	const struct image_message *result = record->result;
	time_t seconds = time(NULL);
	struct tm utc;
	json_object *object = json_object_new_object(), *left = json_object_new_object();

	if (object == NULL || left == NULL)
		return NULL;
	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
	image_store_path(record->name, path);
	if (*result->digest != '\0')
		snprintf(digest, sizeof(digest), "sha256:%s", result->digest);
	json_object_object_add(object, "name", json_object_new_string(record->name));
	json_object_object_add(object, "path", json_object_new_string(path));
	json_object_object_add(object, "source", json_object_new_string(record->source));
	json_object_object_add(object, "digest", json_object_new_string(digest));
	json_object_object_add(object, "digest_of",
	                       json_object_new_string(kinds[result->digest_of < 3 ? result->digest_of : 0]));
	json_object_object_add(object, "imported", json_object_new_string(now));
	json_object_object_add(object, "bytes", number(record->sums.bytes));
	json_object_object_add(object, "files", number(record->sums.files));
	list_left_out(&result->counts, list);
	for (size_t i = 0; i < LEFT_OUT_KINDS; i++)
		json_object_object_add(left, list[i].key, number(list[i].n));
	json_object_object_add(object, "left_out", left);
	return object;
}

int image_record_write(int directory, const struct image_record *record, struct cloister_error *err)
{
	json_object _cleanup_json_ *object = record_json(record);
	int _cleanup_close_ fd =
		openat(directory, IMAGE_RECORD, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (object == NULL || fd < 0)
		return cloister_fail(err, object == NULL ? ENOMEM : errno, "images", IMAGE_RECORD, "cannot make");
	FILE *out = fdopen(fd, "w");
	if (out == NULL)
		return cloister_fail(err, errno, "images", IMAGE_RECORD, "cannot write");
	fd = -1;
	fprintf(out, "%s\n",
	        json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	return fclose(out) != 0 ? cloister_fail(err, errno, "images", IMAGE_RECORD, "cannot write") : 0;
}

json_object *image_record_read(int directory)
{
	char _cleanup_free_ *text = malloc(RECORD_MAX);
	int _cleanup_close_ fd = openat(directory, IMAGE_RECORD, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 || text == NULL ? -1 : read(fd, text, RECORD_MAX);

	return n < 0 ? NULL : image_json_parse(text, (size_t)n, json_type_object, "images", NULL);
}
