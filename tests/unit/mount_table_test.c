/* SPDX-License-Identifier: MIT */
/* mountinfo: fields, escapes, what is no line of it, and which mounts can be reached by their path. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cloister/mount_table.h"

static struct cloister_mount_table *parse(const char *text)
{
	struct cloister_mount_table *table = NULL;
	struct cloister_error err = {0};

	if (cloister_mount_table_parse(text, strlen(text), &table, &err) != 0)
		fail_msg("%s: %s", err.step, err.text);
	return table;
}

static void test_fields(void **unused)
{
	struct cloister_mount_table *table =
		parse("22 1 8:1 / / rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw,errors=remount-ro\n"
	              "30 22 0:45 /sub /srv/a\\040b\\134c\\011d rw - fuse.sshfs host: rw,user_id=1000\n"
	              "31 22 0:46 / /empty rw -  tmpfs  rw\n");

	(void)unused;
	assert_int_equal(table->n, 3);
	assert_int_equal(table->mounts[0].id, 22);
	assert_int_equal(table->mounts[0].parent, 1);
	assert_string_equal(table->mounts[0].filesystem, "ext4");
	assert_string_equal(table->mounts[0].options, "rw,errors=remount-ro");
	assert_string_equal(table->mounts[1].path, "/srv/a b\\c\td");
	assert_string_equal(table->mounts[1].options, "rw,user_id=1000");
	/* A source that is an empty text. */
	assert_string_equal(table->mounts[2].filesystem, "tmpfs");
	assert_string_equal(table->mounts[2].options, "rw");
	cloister_mount_table_free(table);
	table = parse("");
	assert_int_equal(table->n, 0);
	cloister_mount_table_free(table);
}

static void test_bad_lines(void **unused)
{
	static const char *const bad[] = {"nonsense\n",
	                                  "22 1 8:1 / / rw\n",
	                                  "22 1 8:1 / / rw -\n",
	                                  "22 1 8:1 / / rw - ext4\n",
	                                  "x 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
	                                  "22 -1 8:1 / / rw - ext4 /dev/sda1 rw\n",
	                                  "22 1 8:1 / usr rw - ext4 /dev/sda1 rw\n",
	                                  "99999999999999999999 1 8:1 / / rw - ext4 /dev/sda1 rw\n"};
	struct cloister_mount_table *table = NULL;
	struct cloister_error err = {0};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(cloister_mount_table_parse(bad[i], strlen(bad[i]), &table, &err), -EBADMSG);
		assert_null(table);
	}
	assert_int_equal(cloister_mount_table_parse("22 1 8:1 / /\0 rw - ext4 a rw\n", 29, &table, &err), -EBADMSG);
}

static const char *visible(const struct cloister_mount_table *table)
{
	static char text[32];

	memset(text, 0, sizeof(text));
	for (size_t i = 0; i < table->n; i++)
		text[i] = cloister_mount_table_visible(table, i) ? 'y' : 'n';
	return text;
}

static void test_visible(void **unused)
{
	static const struct {
		const char *text, *visible;
	} cases[] = {
		{"1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /usr rw - ext4 b rw\n3 2 8:3 / /usr/local rw - ext4 c rw\n",
	         "yyy"},
		/* Over the same place: the later one is on top, and what was below the first is gone. */
		{"1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /usr rw - ext4 b rw\n3 2 8:3 / /usr/local rw - ext4 c rw\n"
	         "4 2 8:4 / /usr rw - ext4 d rw\n",
	         "ynny"},
		/* Over a directory on the way. */
		{"1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /a/b rw - ext4 b rw\n3 1 8:3 / /a rw - tmpfs c rw\n", "yny"},
		/* A name that only begins alike is no way. */
		{"1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /ab rw - ext4 b rw\n3 1 8:3 / /a rw - tmpfs c rw\n", "yyy"},
		/* A root over the root: what is mounted on the new one can be reached. */
		{"1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /usr rw - ext4 b rw\n3 1 8:3 / / rw - tmpfs c rw\n"
	         "4 3 8:4 / /usr rw - ext4 d rw\n",
	         "nnyy"},
		/* Propagation can put two on one place of one mount. */
		{"1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /usr rw - ext4 b rw\n3 1 8:3 / /usr rw - ext4 c rw\n", "yny"},
		/* Far down. */
		{"1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /a rw - ext4 b rw\n3 2 8:3 / /a/b rw - ext4 c rw\n"
	         "4 3 8:4 / /a/b/c rw - ext4 d rw\n5 2 8:5 / /a rw - tmpfs e rw\n",
	         "ynnny"},
		/* No kernel says this; it must end. */
		{"1 2 8:1 / /a rw - ext4 a rw\n2 1 8:2 / /a/b rw - ext4 b rw\n", "yy"},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cloister_mount_table *table = parse(cases[i].text);

		assert_string_equal(visible(table), cases[i].visible);
		cloister_mount_table_free(table);
	}
}

static void test_this_machine(void **unused)
{
	struct cloister_mount_table *table = NULL;
	struct cloister_error err = {0};
	size_t roots = 0;

	(void)unused;
	assert_int_equal(cloister_mount_table_load(&table, &err), 0);
	for (size_t i = 0; i < table->n; i++)
		roots += strcmp(table->mounts[i].path, "/") == 0 && cloister_mount_table_visible(table, i);
	assert_int_equal(roots, 1);
	cloister_mount_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_visible),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
