/* SPDX-License-Identifier: MIT */
/* cloister image ls. */
#include "list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/cleanup.h"
#include "cloister/printable.h"
#include "json.h"
#include "names.h"
#include "progress.h"
#include "record.h"
#include "store.h"

static int is_image(const struct dirent *entry)
{
	return image_name_is_valid(entry->d_name);
}

static uint64_t number_of(json_object *record, const char *key)
{
	json_object *value = image_json_member(record, key, json_type_int);

	return value == NULL ? 0 : json_object_get_uint64(value);
}

/* A record of root's; but a file name in it may be anybody's. */
static const char *printable(json_object *record, const char *key, char *text, size_t size)
{
	const char *value = image_json_text(record, key);

	snprintf(text, size, "%s", value != NULL && *value != '\0' ? value : "?");
	cloister_make_printable(text);
	return text;
}

static void print_line(const char *name, json_object *record, size_t users)
{
	char size[32], imported[32], source[256], path[IMAGE_PATH_MAX];

	image_store_path(name, path);
	printf("%-20s %10s %9" PRIu64 " %-20s %6zu  %-24s %s\n", name,
	       image_size_text(number_of(record, "bytes"), size, sizeof(size)), number_of(record, "files"),
	       printable(record, "imported", imported, sizeof(imported)), users,
	       printable(record, "source", source, sizeof(source)), path);
}

static void add_json(json_object *list, const char *name, json_object *record, size_t users)
{
	char path[IMAGE_PATH_MAX];
	json_object *object = record != NULL ? json_object_get(record) : json_object_new_object();

	/* Where it is now, whatever the record says. */
	image_store_path(name, path);
	json_object_object_add(object, "name", json_object_new_string(name));
	json_object_object_add(object, "path", json_object_new_string(path));
	json_object_object_add(object, "sessions", json_object_new_uint64(users));
	json_object_array_add(list, object);
}

static int list_entries(const struct image_store *store, struct dirent **entries, int n, json_object *list,
                        struct cloister_error *err)
{
	struct image_users users;
	int r = image_users_find(&users, err);

	if (r < 0)
		return r;
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		int _cleanup_close_ directory = image_store_find(store, name, NULL);
		if (directory < 0)
			continue;
		json_object _cleanup_json_ *record = image_record_read(directory);
		size_t used = image_users_count(&users, name, directory);
		if (list != NULL)
			add_json(list, name, record, used);
		else
			print_line(name, record, used);
	}
	image_users_clear(&users);
	return 0;
}

int image_list(bool json, struct cloister_error *err)
{
	struct image_store store;
	struct dirent **entries = NULL;
	int n = 0, r = image_store_open(&store, false, err);

	if (r == 0)
		r = image_store_lock(&store, err);
	if (r < 0)
		return r;
	if (store.directory >= 0)
		n = scandirat(store.directory, ".", &entries, is_image, alphasort);
	if (n < 0)
		return cloister_fail(err, errno, "images", IMAGE_DIRECTORY, "cannot read");
	json_object _cleanup_json_ *list = json ? json_object_new_array() : NULL;
	if (!json && n > 0)
		printf("%-20s %10s %9s %-20s %6s  %-24s %s\n", "NAME", "SIZE", "FILES", "IMPORTED", "IN USE", "FROM",
		       "PATH");
	r = list_entries(&store, entries, n, list, err);
	if (r == 0 && json)
		puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	for (int i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
	image_store_close(&store);
	return r;
}
