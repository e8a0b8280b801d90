/* SPDX-License-Identifier: MIT */
/* Names: of an archive's members, of whiteouts, of images and machines. */
#include <errno.h>
#include <limits.h>

#include "fuzz.h"
#include "image/names.h"

/* No way up, no way to the root, nothing twice. */
static void check_path(const char *path, size_t size)
{
	size_t depth = 0;

	FUZZ_REQUIRE(strlen(path) < size && *path != '/');
	for (const char *at = path; *at != '\0'; depth++) {
		size_t length = strcspn(at, "/");

		FUZZ_REQUIRE(length > 0 && length <= NAME_MAX);
		FUZZ_REQUIRE(!(length == 1 && at[0] == '.') && !(length == 2 && at[0] == '.' && at[1] == '.'));
		for (size_t i = 0; i < length; i++)
			FUZZ_REQUIRE((unsigned char)at[i] >= ' ' && at[i] != 0x7f);
		FUZZ_REQUIRE(at[length] == '\0' || at[length + 1] != '\0');
		at += length + (at[length] == '/');
	}
	FUZZ_REQUIRE(depth <= IMAGE_DEPTH_MAX);
}

static void check_name(const char *name, size_t size)
{
	char *path = malloc(size), *again = malloc(size);

	if (path == NULL || again == NULL)
		abort();
	int r = image_path_normalise(name, path, size);
	FUZZ_REQUIRE(r == 0 || r == -EXDEV || r == -EILSEQ || r == -ENAMETOOLONG);
	FUZZ_REQUIRE(*image_path_problem(r) != '\0');
	if (r == 0 && size > 0) {
		check_path(path, size);
		FUZZ_REQUIRE(image_path_normalise(path, again, size) == 0 && strcmp(path, again) == 0);
	}
	free(path);
	free(again);
}

static void check_whiteout(const char *name)
{
	const char *slash = strrchr(name, '/'), *component = slash != NULL ? slash + 1 : name, *hidden = NULL;

	if (image_whiteout_parse(component, &hidden) != IMAGE_WHITEOUT_NAME)
		return;
	/* It is removed in its directory: it must be a name there. */
	FUZZ_REQUIRE(hidden >= component && *hidden != '\0' && strchr(hidden, '/') == NULL);
	FUZZ_REQUIRE(strcmp(hidden, ".") != 0 && strcmp(hidden, "..") != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	size_t small = fuzz_byte(&input);
	char *name = fuzz_rest(&input);

	check_name(name, PATH_MAX);
	check_name(name, small);
	check_whiteout(name);
	if (image_name_is_valid(name))
		FUZZ_REQUIRE(strlen(name) <= IMAGE_NAME_MAX && name[0] != '.' && strchr(name, '/') == NULL);
	FUZZ_REQUIRE(image_architecture(name) != NULL);
	free(name);
	return 0;
}
