/* SPDX-License-Identifier: MIT */
/* A main for fuzz targets without libFuzzer: feeds the files that are named to it. Each is printed first, so that the
 * last line before a report names the input. */
#include "fuzz.h"

#pragma weak LLVMFuzzerInitialize

static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "re");
	uint8_t *bytes = NULL;
	size_t room = 0, used = 0, n = 1;

	while (file != NULL && n > 0) {
		if (used == room) {
			room = room == 0 ? 4096 : 2 * room;
			bytes = realloc(bytes, room);
			if (bytes == NULL)
				abort();
		}
		n = fread(bytes + used, 1, room - used, file);
		used += n;
	}
	if (file == NULL || ferror(file) != 0) {
		perror(path);
		exit(2);
	}
	fclose(file);
	*size = used;
	return bytes;
}

int main(int argc, char **argv)
{
	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		size_t size = 0;
		uint8_t *bytes = read_file(argv[i], &size), *exact = malloc(size > 0 ? size : 1);

		if (exact == NULL)
			abort();
		memcpy(exact, bytes, size);
		free(bytes);
		printf("%s\n", argv[i]);
		fflush(stdout);
		LLVMFuzzerTestOneInput(exact, size);
		free(exact);
	}
	printf("%d inputs\n", argc - 1);
	return 0;
}
