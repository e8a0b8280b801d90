/* SPDX-License-Identifier: MIT */
/* mountinfo as a table. Pure. */
#include "cloister/mount_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/cleanup.h"
#include "cloister/number.h"
#include "cloister/path.h"

void cloister_mount_table_free(struct cloister_mount_table *table)
{
	if (table == NULL)
		return;
	free(table->mounts);
	free(table->storage);
	free(table);
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* The kernel writes blank, tab, newline and backslash as a backslash and three octal digits. In place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; to++) {
		if (from[0] == '\\' && is_octal(from[1]) && is_octal(from[2]) && is_octal(from[3])) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [FIELD...] - FILESYSTEM SOURCE OPTIONS */
static int parse_line(char *line, struct cloister_mount *mount)
{
	enum { ID, PARENT, DEVICE, ROOT, PATH, OPTIONS, FIELDS };
	char *fields[FIELDS], *rest = NULL;

	for (size_t i = 0; i < FIELDS; i++) {
		fields[i] = strtok_r(i == 0 ? line : NULL, " ", &rest);
		if (fields[i] == NULL)
			return -EBADMSG;
	}
	char *word = strtok_r(NULL, " ", &rest);
	while (word != NULL && strcmp(word, "-") != 0)
		word = strtok_r(NULL, " ", &rest);
	char *filesystem = strtok_r(NULL, " ", &rest);
	/* A source may be empty, and then its field is: two blanks, of which strtok_r(3) makes one. */
	char *source = strtok_r(NULL, " ", &rest);
	char *options = strtok_r(NULL, " ", &rest);
	if (filesystem == NULL || source == NULL ||
	    cloister_number_parse(fields[ID], strlen(fields[ID]), &mount->id) < 0 ||
	    cloister_number_parse(fields[PARENT], strlen(fields[PARENT]), &mount->parent) < 0)
		return -EBADMSG;
	unescape(fields[PATH]);
	/* The kernel writes a path without a detour; one that has any would lead elsewhere than it says. */
	if (!cloister_path_is_direct(fields[PATH]))
		return -EBADMSG;
	mount->path = fields[PATH];
	mount->filesystem = filesystem;
	mount->options = options != NULL ? options : source;
	return 0;
}

static size_t count_lines(const char *text, size_t size)
{
	size_t n = 1;

	for (size_t i = 0; i < size; i++)
		n += text[i] == '\n';
	return n;
}

int cloister_mount_table_parse(const char *text, size_t size, struct cloister_mount_table **out,
                               struct cloister_error *err)
{
	struct cloister_mount_table _cleanup_mount_table_ *table = calloc(1, sizeof(*table));
	char *rest = NULL;

	if (table != NULL) {
		table->mounts = calloc(count_lines(text, size), sizeof(*table->mounts));
		table->storage = malloc(size + 1);
	}
	if (table == NULL || table->mounts == NULL || table->storage == NULL)
		return cloister_fail(err, ENOMEM, "mounts", NULL, "no memory for the table of mounts");
	memcpy(table->storage, text, size);
	table->storage[size] = '\0';
	if (memchr(text, '\0', size) != NULL)
		return cloister_fail(err, EBADMSG, "mounts", "mountinfo", "a NUL byte");
	for (char *line = strtok_r(table->storage, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		if (parse_line(line, &table->mounts[table->n]) < 0)
			return cloister_fail(err, EBADMSG, "mounts", "mountinfo", "line %zu is none of mountinfo",
			                     table->n + 1);
		table->n++;
	}
	*out = TAKE_PTR(table);
	return 0;
}

static const struct cloister_mount *find_parent(const struct cloister_mount_table *table,
                                                const struct cloister_mount *mount)
{
	for (size_t i = 0; i < table->n; i++) {
		if (table->mounts[i].id == mount->parent && &table->mounts[i] != mount)
			return &table->mounts[i];
	}
	return NULL;
}

/* Whether something mounted on the same mount lies over this one's place: it, or a directory on the way. */
static bool covered_by_sibling(const struct cloister_mount_table *table, const struct cloister_mount *mount)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct cloister_mount *other = &table->mounts[i];

		if (other == mount || other->parent != mount->parent || other->id == other->parent ||
		    !cloister_path_is_below(mount->path, other->path, true))
			continue;
		/* Two on one place of one mount: the later is on top. */
		if (strcmp(other->path, mount->path) != 0 || other > mount)
			return true;
	}
	return false;
}

static bool covered_at_its_root(const struct cloister_mount_table *table, const struct cloister_mount *mount,
                                const struct cloister_mount *through)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct cloister_mount *other = &table->mounts[i];

		if (other != mount && other != through && other->parent == mount->id &&
		    strcmp(other->path, mount->path) == 0)
			return true;
	}
	return false;
}

bool cloister_mount_table_visible(const struct cloister_mount_table *table, size_t i)
{
	const struct cloister_mount *mount = &table->mounts[i], *through = NULL;

	/* As many steps as there are mounts: a table that leads in a circle ends. */
	for (size_t steps = 0; mount != NULL && steps <= table->n; steps++) {
		if (covered_at_its_root(table, mount, through) || covered_by_sibling(table, mount))
			return false;
		through = mount;
		mount = find_parent(table, mount);
	}
	return true;
}
