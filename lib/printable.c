/* SPDX-License-Identifier: MIT */
/* What may be shown. */
#include "cloister/printable.h"

#include <string.h>

size_t cloister_utf8_decode(const char *text, uint32_t *code)
{
	const unsigned char *bytes = (const unsigned char *)text;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xc0 ? 0 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;

	if (length < 2) {
		*code = bytes[0];
		return length;
	}
	if (bytes[0] >= 0xf8)
		return 0;
	*code = bytes[0] & (0xffU >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (bytes[i] & 0x3fU);
	}
	if (*code < least[length] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return length;
}

bool cloister_is_printable(uint32_t code)
{
	return code >= 0x20 && !(code >= 0x7f && code < 0xa0) && !(code >= 0x200b && code <= 0x200f) &&
	       !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069) && code != 0xfeff;
}

void cloister_make_printable(char *text)
{
	while (*text != '\0') {
		uint32_t code = 0;
		size_t length = cloister_utf8_decode(text, &code);

		if (length == 0 || !cloister_is_printable(code))
			memset(text, '?', length > 0 ? length : 1);
		text += length > 0 ? length : 1;
	}
}
