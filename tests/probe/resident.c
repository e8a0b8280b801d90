/* SPDX-License-Identifier: MIT */
/* resident FILE: how many of a file's pages are in memory, and how many it has. By mincore(2), which for a file of an
 * overlay looks at the file below it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct stat st;
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0) {
		perror("resident");
		return 1;
	}
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = ((size_t)st.st_size + page - 1) / page, found = 0;
	unsigned char *resident = calloc(pages, 1);
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (resident == NULL || map == MAP_FAILED || mincore(map, (size_t)st.st_size, resident) < 0) {
		perror("resident");
		return 1;
	}
	for (size_t i = 0; i < pages; i++)
		found += resident[i] & 1;
	printf("%zu %zu\n", found, pages);
	return 0;
}
