/* SPDX-License-Identifier: MIT */
/* The first bytes of an image file. Input: eight bytes of the file's size, then the file's begin. */
#include <errno.h>

#include "fuzz.h"
#include "lib/superblock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	uint64_t file_size = 0;
	const char *type = NULL;
	struct cloister_error err = {0};

	for (int i = 0; i < 8; i++)
		file_size |= (uint64_t)fuzz_byte(&input) << 8 * i;
	/* Exactly as large as it is said to be. */
	unsigned char *start = calloc(1, CLOISTER_SUPERBLOCK_BYTES);
	if (start == NULL)
		abort();
	memcpy(start, input.at, input.left < CLOISTER_SUPERBLOCK_BYTES ? input.left : CLOISTER_SUPERBLOCK_BYTES);
	int r = cloister_superblock_check(start, file_size, "/srv/image", &type, &err);
	FUZZ_REQUIRE(r == 0 ? type != NULL : r == -EINVAL && type == NULL && err.code == EINVAL);
	FUZZ_REQUIRE(r < 0 || strcmp(type, "erofs") == 0 || strcmp(type, "squashfs") == 0);
	free(start);
	return 0;
}
