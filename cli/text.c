/* SPDX-License-Identifier: MIT */
/* Text of anybody's on its way to a terminal, or into JSON. */
#include <json-c/json.h>
#include <stdio.h>

#include "cli.h"
#include "cloister/cleanup.h"
#include "cloister/printable.h"

void cli_print_escaped(FILE *out, const char *text)
{
	while (*text != '\0') {
		uint32_t code = 0;
		size_t length = cloister_utf8_decode(text, &code);

		if (length > 0 && cloister_is_printable(code) && code != '\\') {
			fwrite(text, 1, length, out);
			text += length;
			continue;
		}
		for (size_t i = 0; i < (length > 0 ? length : 1); i++, text++)
			fprintf(out, "\\x%02x", (unsigned char)*text);
	}
}

struct json_object *cli_json_text(const char *bytes, bool *is_text)
{
	char _cleanup_free_ *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	*is_text = true;
	if (out == NULL)
		return NULL;
	while (*bytes != '\0') {
		uint32_t code;
		size_t length = cloister_utf8_decode(bytes, &code);

		if (length == 0) {
			fputs("\xef\xbf\xbd", out);
			*is_text = false;
			length = 1;
		} else {
			fwrite(bytes, 1, length, out);
		}
		bytes += length;
	}
	return fclose(out) == 0 ? json_object_new_string(text) : NULL;
}
