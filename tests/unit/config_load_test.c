/* SPDX-License-Identifier: MIT */
/* The configuration: loading files that can be trusted, and no others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cloister/config.h"

static char directory[] = "/tmp/cloister-test-XXXXXX";

static void write_file(const char *name, const char *text, mode_t mode)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static int load(const char *name, struct cloister_error *err)
{
	char path[128];
	struct cloister_config *config = NULL;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	int r = cloister_config_load(path, true, &config, err);
	cloister_config_free(config);
	return r;
}

static void test_loading(void **unused)
{
	struct cloister_error err = {0};
	char path[128];

	(void)unused;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(directory));
	write_file("good", "[default]\n", 0644);
	assert_int_equal(load("good", &err), 0);
	assert_int_equal(load("missing", &err), -ENOENT);
	write_file("empty", "", 0644);
	assert_int_equal(load("empty", &err), -ENODATA);
	write_file("garbage", "\x01\x02\n", 0644);
	assert_int_equal(load("garbage", &err), -EINVAL);
	write_file("group", "[default]\n", 0664);
	assert_int_equal(load("group", &err), -EPERM);
	write_file("other", "[default]\n", 0646);
	assert_int_equal(load("other", &err), -EPERM);
	write_file("theirs", "[default]\n", 0644);
	snprintf(path, sizeof(path), "%s/theirs", directory);
	assert_int_equal(chown(path, 1000, 0), 0);
	assert_int_equal(load("theirs", &err), -EPERM);
	snprintf(path, sizeof(path), "%s/fifo", directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(load("fifo", &err), -EACCES);
	assert_int_equal(load(".", &err), -EACCES);
	/* Drop-ins come after, in the order of their names. */
	snprintf(path, sizeof(path), "%s/good.d", directory);
	assert_int_equal(mkdir(path, 0755), 0);
	write_file("good.d/20.conf", "[default]\ntimeout = 20\n", 0644);
	write_file("good.d/10.conf", "[default]\ntimeout = 10\n", 0644);
	write_file("good.d/30.txt", "nonsense\n", 0644);
	struct cloister_config *config = NULL;
	snprintf(path, sizeof(path), "%s/good", directory);
	assert_int_equal(cloister_config_load(path, true, &config, &err), 0);
	assert_int_equal(config->n_entries, 2);
	assert_string_equal(config->entries[1].value, "20");
	cloister_config_free(config);
	write_file("good.d/40.conf", "[default]\n", 0666);
	assert_int_equal(load("good", &err), -EPERM);
	char command[160];
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
