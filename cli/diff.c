/* SPDX-License-Identifier: MIT */
/* cloister diff USER: what the user's overlay has changed against the rootfs. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "cloister/cleanup.h"
#include "cloister/overlay.h"

static const char usage[] =
	"usage: cloister diff [--json] [--rootfs ROOTFS] [--set KEY=VALUE]... [--config FILE] USER\n"
	"Lists what USER has added (A), changed (C) and deleted (D) in an overlay. Needs root.\n"
	"Exit status: 0, or 125 when Cloister itself failed.\n";

static json_object *json_hexadecimal(const char *path)
{
	size_t length = strlen(path);
	char _cleanup_free_ *text = calloc(length + 1, 2);

	for (size_t i = 0; text != NULL && i < length; i++)
		snprintf(text + 2 * i, 3, "%02x", (unsigned char)path[i]);
	return text != NULL ? json_object_new_string(text) : NULL;
}

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFCHR:
		return "character-device";
	case S_IFBLK:
		return "block-device";
	case S_IFIFO:
		return "fifo";
	default:
		return "socket";
	}
}

static const char *kind_name(enum cloister_overlay_change_kind kind)
{
	return kind == CLOISTER_OVERLAY_ADDED ? "added" : kind == CLOISTER_OVERLAY_CHANGED ? "changed" : "deleted";
}

static void print_json(const struct cloister_overlay_changes *changes)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < changes->n; i++) {
		const struct cloister_overlay_change *change = &changes->items[i];
		json_object *object = json_object_new_object();
		bool is_text;

		json_object_object_add(object, "path", cli_json_text(change->path, &is_text));
		if (!is_text)
			json_object_object_add(object, "path_hex", json_hexadecimal(change->path));
		json_object_object_add(object, "change", json_object_new_string(kind_name(change->kind)));
		json_object_object_add(object, "type", json_object_new_string(type_name(change->mode)));
		if (change->hides_newer)
			json_object_object_add(object, "hides_newer", json_object_new_boolean(true));
		json_object_array_add(array, object);
	}
	puts(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(array);
}

static int print_changes(const struct cloister_overlay_changes *changes, bool json, struct cloister_error *err)
{
	if (json)
		print_json(changes);
	for (size_t i = 0; !json && i < changes->n; i++) {
		printf("%c ", (char)changes->items[i].kind);
		cli_print_escaped(stdout, changes->items[i].path);
		putchar('\n');
	}
	if (changes->too_deep > 0)
		fprintf(stderr,
		        "cloister: note: %zu directories are deeper than a path can be long; what is in them is not "
		        "listed\n",
		        changes->too_deep);
	if (changes->left_out > 0)
		fprintf(stderr,
		        "cloister: note: the paths of what was changed take more than %lu MiB; %zu changes and "
		        "directories "
		        "are not listed\n",
		        CLOISTER_OVERLAY_PATHS_MAX >> 20, changes->left_out);
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : cloister_fail(err, EIO, "diff", NULL, "cannot print");
}

int cli_diff(int argc, char **argv)
{
	struct cli_subject subject = {0};
	struct cli_options options;
	struct cloister_overlay_changes changes = {0};
	struct cloister_error err = {0};

	int first = cli_options_parse(argc, argv, usage, true, &options);
	if (first < 0)
		return CLI_FAILED;
	int r = cli_overlay_subject("diff", &options, argv + first, &subject, &err);
	if (r == 0)
		r = cloister_overlay_changes_find(subject.plan, &changes, &err);
	if (r == 0)
		r = print_changes(&changes, options.json, &err);
	cloister_overlay_changes_free(&changes);
	cli_subject_clear(&subject);
	free(options.settings);
	return r < 0 ? cli_fail(&err) : 0;
}
