/* SPDX-License-Identifier: MIT */
/* What sshd -T prints, and sshd_config(5), held against a plain search for the line. */
#include <errno.h>
#include <strings.h>

#include "fuzz.h"
#include "lib/sshd_text.h"

static const char keyword[] = "forcecommand";

/* The last line that says it; NULL: none. Its length in *length. */
static const char *last_value(const char *text, size_t *length)
{
	const char *found = NULL;

	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, keyword, strlen(keyword)) == 0 && line[strlen(keyword)] == ' ') {
			found = line + strlen(keyword) + 1;
			*length = strcspn(found, "\n");
		}
	}
	return found;
}

static bool mentions(const char *text)
{
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncasecmp(line + strspn(line, " \t"), keyword, strlen(keyword)) == 0)
			return true;
	}
	return false;
}

static void check(const char *text, size_t size)
{
	char value[256];
	size_t length = 0;
	const char *wanted = last_value(text, &length);
	FILE *file = fmemopen((char *)(uintptr_t)text, size, "r");

	if (file == NULL)
		abort();
	int r = cloister_sshd_text_value(file, keyword, value, sizeof(value));
	fclose(file);
	if (wanted == NULL)
		FUZZ_REQUIRE(r == -ENOENT);
	else if (length >= sizeof(value))
		FUZZ_REQUIRE(r == -ENAMETOOLONG);
	else
		FUZZ_REQUIRE(r == 0 && strlen(value) == length && memcmp(value, wanted, length) == 0);
	file = fmemopen((char *)(uintptr_t)text, size, "r");
	if (file == NULL)
		abort();
	FUZZ_REQUIRE(cloister_sshd_text_mentions(file, keyword) == mentions(text));
	fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char value[256];

	if (size == 0)
		return 0;
	char *text = fuzz_copy(data, size);
	/* Neither file has a NUL byte; where there is one, nothing but memory is looked at. */
	if (strlen(text) == size) {
		check(text, size);
	} else {
		FILE *file = fmemopen(text, size, "r");

		if (file == NULL)
			abort();
		(void)cloister_sshd_text_value(file, keyword, value, sizeof(value));
		fclose(file);
	}
	free(text);
	return 0;
}
