/* SPDX-License-Identifier: MIT */
/* The lines of passwd(5) and group(5) that a rootfs's own file lacks. Pure: the file may be a hostile user's. */
#include "account_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cloister_account_field_fits(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f || *text == ':')
			return false;
	}
	return true;
}

/* The field'th (from 0) of a ':' separated line; its length in *length. */
static const char *field_of(const char *line, size_t field, size_t *length)
{
	for (; field > 0; field--) {
		line += strcspn(line, ":\n");
		if (*line != ':')
			return NULL;
		line++;
	}
	*length = strcspn(line, ":\n");
	return line;
}

static bool same_field(const char *left, const char *right, size_t field)
{
	size_t left_length = 0, right_length = 0;
	const char *a = field_of(left, field, &left_length), *b = field_of(right, field, &right_length);

	return a != NULL && b != NULL && left_length == right_length && memcmp(a, b, left_length) == 0;
}

/* Whether the file has an entry with the line's name or its id (the third field of both formats). */
static bool knows(const char *accounts, const char *line)
{
	for (const char *at = accounts; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n') {
		if (same_field(at, line, 0) || same_field(at, line, 2))
			return true;
	}
	return false;
}

char *cloister_account_lines_add(const char *accounts, const char *lines, bool *changed)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	fputs(accounts, out);
	bool ends = *accounts == '\0' || accounts[strlen(accounts) - 1] == '\n';
	for (const char *line = lines; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		if (knows(accounts, line))
			continue;
		fprintf(out, "%s%.*s\n", ends ? "" : "\n", (int)strcspn(line, "\n"), line);
		ends = true;
		*changed = true;
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
