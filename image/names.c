/* SPDX-License-Identifier: MIT */
/* Names that an archive gives are only ever compared and cut, never handed to the kernel before they are checked here.
 */
#include "names.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool image_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > IMAGE_NAME_MAX || !is_letter_or_digit(name[0]))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!is_letter_or_digit(name[i]) && strchr("._-", name[i]) == NULL)
			return false;
	}
	return true;
}

static bool is_dots(const char *component, size_t length, size_t n)
{
	return length == n && strncmp(component, "..", n) == 0;
}

static bool has_control_character(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < ' ' || c == 0x7f)
			return true;
	}
	return false;
}

int image_path_normalise(const char *name, char *path, size_t size)
{
	size_t used = 0;
	int depth = 0;

	if (size == 0)
		return -ENAMETOOLONG;
	for (const char *at = name; *at != '\0';) {
		size_t length = strcspn(at, "/");
		const char *component = at;

		at += length + (at[length] == '/');
		if (length == 0 || is_dots(component, length, 1))
			continue;
		if (is_dots(component, length, 2))
			return -EXDEV;
		if (has_control_character(component, length))
			return -EILSEQ;
		/* One for the slash before it and one for the end. */
		if (length > NAME_MAX || ++depth > IMAGE_DEPTH_MAX || used + length + 2 > size)
			return -ENAMETOOLONG;
		if (used > 0)
			path[used++] = '/';
		memcpy(path + used, component, length);
		used += length;
	}
	path[used] = '\0';
	return 0;
}

const char *image_path_problem(int code)
{
	switch (code) {
	case -EXDEV:
		return "a name with a \"..\" component";
	case -EILSEQ:
		return "a name with a control character";
	default:
		return "a name, or a nesting, that is too long";
	}
}

enum image_whiteout image_whiteout_parse(const char *component, const char **hidden)
{
	static const char prefix[] = ".wh.", opaque[] = ".wh..wh..opq", aufs[] = ".wh..wh.";

	if (strncmp(component, prefix, sizeof(prefix) - 1) != 0)
		return IMAGE_WHITEOUT_NONE;
	if (strcmp(component, opaque) == 0)
		return IMAGE_WHITEOUT_OPAQUE;
	if (strncmp(component, aufs, sizeof(aufs) - 1) == 0)
		return IMAGE_WHITEOUT_IGNORED;
	*hidden = component + sizeof(prefix) - 1;
	if (**hidden == '\0' || strcmp(*hidden, ".") == 0 || strcmp(*hidden, "..") == 0)
		return IMAGE_WHITEOUT_BAD;
	return IMAGE_WHITEOUT_NAME;
}

const char *image_architecture(const char *machine)
{
	static const struct {
		const char *machine, *architecture;
	} names[] = {{"x86_64", "amd64"},   {"aarch64", "arm64"},   {"armv7l", "arm"},
	             {"armv6l", "arm"},     {"i686", "386"},        {"i586", "386"},
	             {"i386", "386"},       {"ppc64le", "ppc64le"}, {"loongarch64", "loong64"},
	             {"mips64", "mips64le"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(machine, names[i].machine) == 0)
			return names[i].architecture;
	}
	return machine;
}
