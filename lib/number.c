/* SPDX-License-Identifier: MIT */
/* Numbers in text, strictly. */
#include "cloister/number.h"

#include <errno.h>
#include <string.h>

int cloister_number_parse(const char *text, size_t length, uint64_t *number)
{
	uint64_t result = 0;

	if (length == 0)
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		unsigned digit = (unsigned)(text[i] - '0');
		if (result > (UINT64_MAX - digit) / 10)
			return -EINVAL;
		result = result * 10 + digit;
	}
	*number = result;
	return 0;
}

int cloister_number_of_key(const char *text, const char *key, uint64_t *number)
{
	size_t length = strlen(key);

	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, key, length) == 0 && line[length] == '=')
			return cloister_number_parse(line + length + 1, strcspn(line + length + 1, "\n"), number);
	}
	return -ENOENT;
}
