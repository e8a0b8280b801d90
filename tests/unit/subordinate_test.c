/* SPDX-License-Identifier: MIT */
/* Subordinate ids: texts of subuid(5) and nsswitch.conf(5). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/subordinate.h"

#define COUNT 65536

static FILE *lines_of(const char *text)
{
	/* fmemopen(3) refuses a text of no bytes. */
	FILE *lines = fmemopen((void *)(uintptr_t)text, *text != '\0' ? strlen(text) : 1, "r");

	assert_non_null(lines);
	return lines;
}

static uint32_t scan(const char *text)
{
	static char name[] = "iris";
	const struct cloister_account account = {.name = name, .uid = 1001};
	FILE *lines = lines_of(text);
	uint32_t base = 7;

	assert_int_equal(cloister_subordinate_scan(lines, &account, COUNT, &base), 0);
	fclose(lines);
	return base;
}

static void test_ranges(void **state)
{
	(void)state;
	assert_int_equal(scan("iris:100000:65536\n"), 100000);
	assert_int_equal(scan("nora:100000:65536\niris:200000:65536\n"), 200000);
	assert_int_equal(scan("1001:100000:65536\n"), 100000);
	assert_int_equal(scan("iris:100000:65536"), 100000);
	/* The first that is large enough. */
	assert_int_equal(scan("iris:100000:1000\niris:300000:70000\niris:500000:65536\n"), 300000);
	assert_int_equal(scan(""), 0);
	assert_int_equal(scan("\n\n# iris:1:65536\n"), 0);
}

static void test_what_is_no_range(void **state)
{
	static const char *const texts[] = {
		"nora:100000:65536\n",
		"irist:100000:65536\n",
		"iri:100000:65536\n",
		"1002:100000:65536\n",
		"01001x:100000:65536\n",
		" iris:100000:65536\n",
		"iris:100000\n",
		"iris:100000:\n",
		"iris::65536\n",
		"iris:100000:65536:\n",
		"iris:100000:65536 \n",
		"iris:+100000:65536\n",
		"iris:-1:65536\n",
		"iris:0x100:65536\n",
		"iris:0:65536\n",
		"iris:4294967295:65536\n",
		"iris:4294901760:65536\n",
		"iris:18446744073709551616:65536\n",
		"iris:100000:18446744073709551616\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (scan(texts[i]) != 0)
			fail_msg("%s", texts[i]);
	}
}

static bool files(const char *text)
{
	FILE *lines = lines_of(text);
	bool result = false;

	assert_int_equal(cloister_subordinate_scan_source(lines, &result), 0);
	fclose(lines);
	return result;
}

static void test_source(void **state)
{
	(void)state;
	assert_true(files(""));
	assert_true(files("passwd: files sss\ngroup: files\n"));
	assert_true(files("subid: files\n"));
	assert_true(files("subid:files"));
	assert_true(files("#subid: sss\n"));
	assert_true(files("subid:\n"));
	assert_false(files("subid: sss\n"));
	assert_false(files("passwd: files\n  subid:\tsss files\n"));
	assert_false(files("SUBID: sss\n"));
	assert_false(files("subid: filesystem\n"));
}

static void test_a_failed_read_is_no_empty_list(void **state)
{
	static char name[] = "iris";
	const struct cloister_account account = {.name = name, .uid = 1001};
	FILE *directory = fopen("/", "re");
	uint32_t base;
	bool left;

	(void)state;
	assert_non_null(directory);
	assert_int_equal(cloister_subordinate_scan(directory, &account, COUNT, &base), -EISDIR);
	clearerr(directory);
	assert_int_equal(cloister_subordinate_scan_source(directory, &left), -EISDIR);
	fclose(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_what_is_no_range),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_a_failed_read_is_no_empty_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
