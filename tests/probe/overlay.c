/* SPDX-License-Identifier: MIT */
/*
 * What a shell cannot ask of a file system. Static, for any rootfs. Prints "ok", or the name of the errno.
 *   mknod PATH | setxattr PATH NAME VALUE | getxattr PATH NAME | tmpfile DIRECTORY NAME | mmap PATH | rename OLD NEW |
 *   whiteout OLD NEW | deep DIRECTORY LEVELS | exhaust DIRECTORY FILES
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static int answer(int r)
{
	puts(r < 0 ? strerrorname_np(errno) : "ok");
	return r < 0;
}

static int make_tmpfile(const char *directory, const char *name)
{
	char path[64];
	int fd = open(directory, O_TMPFILE | O_RDWR, 0600);

	if (fd < 0 || write(fd, "text\n", 5) != 5)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

/* A mapping made before the copy-up, and one that writes: both are of the same file afterwards. */
static int map_shared(const char *path)
{
	int fd = open(path, O_RDWR);
	if (fd < 0)
		return -1;
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	memcpy(map, "MAPPED", 6);
	if (msync(map, 4096, MS_SYNC) < 0)
		return -1;
	char text[6];
	return pread(fd, text, 6, 0) == 6 && memcmp(text, "MAPPED", 6) == 0 ? 0 : -1;
}

static int make_deep(const char *directory, int levels)
{
	if (chdir(directory) < 0)
		return -1;
	for (int i = 0; i < levels; i++) {
		if (mkdir("d", 0755) < 0 || chdir("d") < 0)
			return -1;
	}
	int fd = open("bottom", O_WRONLY | O_CREAT, 0600);
	return fd;
}

static int make_files(const char *directory, int files)
{
	if (chdir(directory) < 0)
		return -1;
	for (int i = 0; i < files; i++) {
		char name[32];

		snprintf(name, sizeof(name), "file%d", i);
		int fd = open(name, O_WRONLY | O_CREAT, 0600);
		if (fd < 0)
			return -1;
		close(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	char value[256];

	if (argc < 3)
		return 2;
	const char *verb = argv[1], *path = argv[2], *more = argc > 3 ? argv[3] : "";
	if (strcmp(verb, "mknod") == 0)
		return answer(mknod(path, S_IFCHR | 0600, makedev(0, 0)));
	if (strcmp(verb, "setxattr") == 0 && argc > 4)
		return answer(lsetxattr(path, more, argv[4], strlen(argv[4]), 0));
	if (strcmp(verb, "getxattr") == 0) {
		ssize_t n = lgetxattr(path, more, value, sizeof(value) - 1);
		if (n < 0)
			return answer(-1);
		printf("%.*s\n", (int)n, value);
		return 0;
	}
	if (strcmp(verb, "tmpfile") == 0)
		return answer(make_tmpfile(path, more));
	if (strcmp(verb, "mmap") == 0)
		return answer(map_shared(path));
	if (strcmp(verb, "rename") == 0)
		return answer(rename(path, more));
	if (strcmp(verb, "whiteout") == 0)
		return answer(renameat2(AT_FDCWD, path, AT_FDCWD, more, RENAME_WHITEOUT));
	if (strcmp(verb, "deep") == 0)
		return answer(make_deep(path, atoi(more)));
	if (strcmp(verb, "exhaust") == 0)
		return answer(make_files(path, atoi(more)));
	return 2;
}
