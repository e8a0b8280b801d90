/* SPDX-License-Identifier: MIT */
/* What is taken for an image: superblocks written by hand, and how a file is known again. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cloister/image.h"

static char directory[] = "/tmp/image-test-XXXXXX";
static char path[sizeof(directory) + 16];

/* A file of size bytes with one byte string in it, and another. */
static void write_file(long size, long offset, const void *bytes, size_t n, long offset2, const void *bytes2, size_t n2)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(pwrite(fd, bytes, n, offset), (ssize_t)n);
	assert_int_equal(pwrite(fd, bytes2, n2, offset2), (ssize_t)n2);
	close(fd);
}

static int open_image(char *type, size_t size, struct cloister_error *err)
{
	struct cloister_image image = CLOISTER_IMAGE_NONE;
	int r = cloister_image_open(path, &image, err);

	snprintf(type, size, "%s", image.type != NULL ? image.type : "");
	cloister_image_close(&image);
	assert_int_equal(image.file, -1);
	return r;
}

static void test_erofs(void **unused)
{
	static const unsigned char magic[] = {0xe2, 0xe1, 0xf5, 0xe0};
	/* 12: 4096 byte blocks; 36: 3 blocks. */
	unsigned char rest[] = {12, [24] = 3, 0, 0, 0, [68] = 0};
	struct cloister_error err = {0};
	char type[16];

	(void)unused;
	write_file(3 * 4096, 1024, magic, sizeof(magic), 1024 + 12, rest, sizeof(rest));
	assert_int_equal(open_image(type, sizeof(type), &err), 0);
	assert_string_equal(type, "erofs");
	write_file(3 * 4096 - 1, 1024, magic, sizeof(magic), 1024 + 12, rest, sizeof(rest));
	assert_int_equal(open_image(type, sizeof(type), &err), -EINVAL);
	assert_non_null(strstr(err.text, "12288 bytes, the file has 12287"));
	/* Block numbers of 48 bits: the high ones count only with their feature. */
	rest[2] = 1;
	write_file(3 * 4096, 1024, magic, sizeof(magic), 1024 + 12, rest, sizeof(rest));
	assert_int_equal(open_image(type, sizeof(type), &err), 0);
	rest[68] = 0x80;
	write_file(3 * 4096, 1024, magic, sizeof(magic), 1024 + 12, rest, sizeof(rest));
	assert_int_equal(open_image(type, sizeof(type), &err), -EINVAL);
	/* What cannot be true is left to the kernel, and shifts nothing out of its number. */
	rest[0] = 255;
	write_file(3 * 4096, 1024, magic, sizeof(magic), 1024 + 12, rest, sizeof(rest));
	assert_int_equal(open_image(type, sizeof(type), &err), 0);
	write_file(1027, 1024, magic, 3, 0, magic, 1);
	assert_int_equal(open_image(type, sizeof(type), &err), -EINVAL);
}

static void test_squashfs(void **unused)
{
	const uint64_t size = 8192, odd = 8000, huge = UINT64_MAX;
	struct cloister_error err = {0};
	char type[16];

	(void)unused;
	write_file(8192, 0, "hsqs", 4, 40, &size, sizeof(size));
	assert_int_equal(open_image(type, sizeof(type), &err), 0);
	assert_string_equal(type, "squashfs");
	write_file(8191, 0, "hsqs", 4, 40, &size, sizeof(size));
	assert_int_equal(open_image(type, sizeof(type), &err), -EINVAL);
	assert_non_null(strstr(err.text, "truncated"));
	write_file(8192, 0, "hsqs", 4, 40, &huge, sizeof(huge));
	assert_int_equal(open_image(type, sizeof(type), &err), -EINVAL);
	write_file(8000, 0, "hsqs", 4, 40, &odd, sizeof(odd));
	assert_int_equal(open_image(type, sizeof(type), &err), -EINVAL);
	assert_non_null(strstr(err.text, "pad it"));
	write_file(8192, 0, "sqsh", 4, 40, &size, sizeof(size));
	assert_int_equal(open_image(type, sizeof(type), &err), -EINVAL);
	assert_non_null(strstr(err.text, "neither an erofs nor a squashfs"));
}

static void identity(char text[80])
{
	struct cloister_image image = CLOISTER_IMAGE_NONE;

	assert_int_equal(cloister_image_open(path, &image, NULL), 0);
	memcpy(text, image.identity, sizeof(image.identity));
	cloister_image_close(&image);
}

static void test_identity(void **unused)
{
	const uint64_t size = 8192;
	const struct timespec tick = {.tv_nsec = 20 * 1000 * 1000};
	char first[80], second[80];

	(void)unused;
	write_file(8192, 0, "hsqs", 4, 40, &size, sizeof(size));
	identity(first);
	identity(second);
	assert_string_equal(first, second);
	nanosleep(&tick, NULL);
	write_file(8192, 0, "hsqs", 4, 40, &size, sizeof(size));
	identity(second);
	assert_string_not_equal(first, second);
	/* A time that was set back deceives nobody. */
	memcpy(first, second, sizeof(first));
	nanosleep(&tick, NULL);
	assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){{0}, {0}}, 0), 0);
	identity(second);
	assert_string_not_equal(first, second);
}

static void test_not_trusted(void **unused)
{
	const uint64_t size = 8192;
	struct cloister_error err = {0};
	char type[16];

	(void)unused;
	write_file(8192, 0, "hsqs", 4, 40, &size, sizeof(size));
	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(open_image(type, sizeof(type), &err), -EPERM);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(open_image(type, sizeof(type), &err), 0);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(open_image(type, sizeof(type), &err), -EPERM);
	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(open_image(type, sizeof(type), &err), -EINVAL);
	assert_false(cloister_rootfs_is_file(path, true));
	assert_false(cloister_rootfs_is_file(directory, true));
}

static int make_directory(void **unused)
{
	(void)unused;
	if (mkdtemp(directory) == NULL || chmod(directory, 0755) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/image", directory);
	return 0;
}

static int remove_directory(void **unused)
{
	(void)unused;
	unlink(path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_erofs),
		cmocka_unit_test(test_squashfs),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_not_trusted),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
