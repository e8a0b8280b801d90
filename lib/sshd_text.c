/* SPDX-License-Identifier: MIT */
/* What sshd says, line by line, however long: the rest of a line that was cut would be taken for the next one. */
#include "sshd_text.h"

#include <errno.h>
#include <string.h>

#include "cloister/cleanup.h"

bool cloister_sshd_text_mentions(FILE *file, const char *keyword)
{
	char _cleanup_free_ *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, file) > 0) {
		if (strncasecmp(line + strspn(line, " \t"), keyword, strlen(keyword)) == 0)
			return true;
	}
	return false;
}

int cloister_sshd_text_value(FILE *file, const char *keyword, char *value, size_t size)
{
	char _cleanup_free_ *line = NULL;
	size_t length = strlen(keyword), room = 0;
	int r = -ENOENT;

	while (getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, keyword, length) != 0 || line[length] != ' ')
			continue;
		int n = snprintf(value, size, "%s", line + length + 1);
		r = n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
	}
	return r;
}
