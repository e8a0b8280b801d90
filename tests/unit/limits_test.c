/* SPDX-License-Identifier: MIT */
/* Limits: what each key takes, what of it is written where, and that a plan carries it to init and into its text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "cloister/limits.h"
#include "cloister/plan.h"

static struct cloister_limits limits_of(const char *key, const char *value)
{
	struct cloister_limits limits = {0};
	bool known = false;

	if (cloister_limits_set(&limits, key, value, &known) != 0 || !known)
		fail_msg("%s = %s is refused", key, value);
	return limits;
}

static void bad(const char *key, const char *value)
{
	const struct cloister_limits none = {0};
	struct cloister_limits limits = {0};
	bool known = false;

	if (cloister_limits_set(&limits, key, value, &known) != -EINVAL || !known)
		fail_msg("%s = %s is not refused", key, value);
	assert_true(cloister_limits_same(&limits, &none));
}

/* What is written into which file; "" when nothing is. */
static void written(const char *key, const char *value, const char *expected)
{
	struct cloister_cgroup_setting settings[CLOISTER_CGROUP_SETTINGS];
	struct cloister_limits limits = limits_of(key, value);
	char text[CLOISTER_IO_MAX + 64] = "";

	size_t n = cloister_limits_cgroup(&limits, settings);
	assert_true(n <= 1);
	if (n == 1)
		snprintf(text, sizeof(text), "%s %s %s", settings[0].controller, settings[0].file, settings[0].value);
	assert_string_equal(text, expected);
}

static void test_numbers(void **unused)
{
	(void)unused;
	written("memory_max", "1", "memory memory.max 1");
	written("memory_max", "512K", "memory memory.max 524288");
	written("memory_max", "2G", "memory memory.max 2147483648");
	written("memory_max", "1T", "memory memory.max 1099511627776");
	written("memory_max", "max", "");
	written("swap_max", "0", "memory memory.swap.max 0");
	written("swap_max", "1M", "memory memory.swap.max 1048576");
	written("swap_max", "max", "");
	written("pids_max", "20", "pids pids.max 20");
	written("pids_max", "4194304", "pids pids.max 4194304");
	written("pids_max", "max", "");
	const char *const wrong[] = {"",
	                             "0",
	                             "-1",
	                             "1.5G",
	                             "2GB",
	                             "2g",
	                             " 1",
	                             "1 ",
	                             "+1",
	                             "0x1",
	                             "1e3",
	                             "K",
	                             "MAX",
	                             "1\n",
	                             "no",
	                             "18446744073709551615",
	                             "18446744073709551616",
	                             "99999999T"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		bad("memory_max", wrong[i]);
		if (strcmp(wrong[i], "0") != 0)
			bad("swap_max", wrong[i]);
		bad("pids_max", wrong[i]);
	}
	bad("pids_max", "1K");
	bad("pids_max", "4194305");
	bad("pids_max", "1");
	written("pids_max", "2", "pids pids.max 2");
}

static void test_cpu(void **unused)
{
	(void)unused;
	written("cpu_max", "0.5", "cpu cpu.max 50000 100000");
	written("cpu_max", "2", "cpu cpu.max 200000 100000");
	written("cpu_max", "1.25", "cpu cpu.max 125000 100000");
	written("cpu_max", "20000 100000", "cpu cpu.max 20000 100000");
	written("cpu_max", "max", "");
	const char *const wrong[] = {"",
	                             "0",
	                             "0.0",
	                             ".5",
	                             "1.",
	                             "1.125",
	                             "1.x",
	                             "-1",
	                             "50%",
	                             "10001",
	                             "999 100000",
	                             "20000 100",
	                             "20000 1000001",
	                             "20000  100000",
	                             "20000 100000 1",
	                             "max 100000",
	                             "1.5 100000"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		bad("cpu_max", wrong[i]);
}

static void test_io(void **unused)
{
	(void)unused;
	written("io_max", "8:0 wbps=10M", "io io.max 8:0 wbps=10485760");
	written("io_max", "8:0  wbps=1 riops=100", "io io.max 8:0 wbps=1 riops=100");
	written("io_max", "8:0 wbps=1,8:16 rbps=max", "io io.max 8:0 wbps=1\n8:16 rbps=max");
	written("io_max", "8:0 wbps=1, 259:3 wiops=5", "io io.max 8:0 wbps=1\n259:3 wiops=5");
	written("io_max", "max", "");
	const char *const wrong[] = {"",
	                             "8:0",
	                             "wbps=1",
	                             "8 wbps=1",
	                             "8:0 wbps=",
	                             "8:0 wbps=0",
	                             "8:0 bps=1",
	                             "8:0 riops=1K",
	                             "8:0 wbps=1,",
	                             "8:0 wbps=1,,8:1 wbps=1",
	                             "4096:0 wbps=1",
	                             "/dev/sda wbps=1",
	                             "8:0 wbps=1\n8:1 wbps=2"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		bad("io_max", wrong[i]);
	char value[2000] = "8:0 wbps=1";
	while (strlen(value) < 1900)
		strcat(value, ",8:1 wbps=1");
	bad("io_max", value);
}

static void test_rlimits(void **unused)
{
	struct cloister_limits limits = limits_of("rlimit_nofile", "1024:4096");
	char text[64];
	size_t n = 0;

	(void)unused;
	for (size_t i = 0; i < CLOISTER_RLIMITS; i++) {
		if (!limits.rlimits[i].set)
			continue;
		n++;
		assert_int_equal(cloister_rlimit_names[i].resource, RLIMIT_NOFILE);
		assert_true(limits.rlimits[i].soft == 1024 && limits.rlimits[i].hard == 4096);
		assert_true(cloister_rlimit_text(&limits.rlimits[i], text, sizeof(text)));
		assert_string_equal(text, "1024:4096");
	}
	assert_int_equal(n, 1);
	const struct {
		const char *key, *value, *text;
	} good[] = {{"rlimit_nproc", "7", "7:7"},
	            {"rlimit_fsize", "1M", "1048576:1048576"},
	            {"rlimit_as", "1G:max", "1073741824:max"},
	            {"rlimit_cpu", "0:5", "0:5"},
	            {"rlimit_stack", "8M:64M", "8388608:67108864"}};
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		limits = limits_of(good[i].key, good[i].value);
		for (size_t j = 0; j < CLOISTER_RLIMITS; j++) {
			if (cloister_rlimit_text(&limits.rlimits[j], text, sizeof(text)))
				assert_string_equal(text, good[i].text);
			assert_int_equal(limits.rlimits[j].set, strcmp(cloister_rlimit_names[j].key, good[i].key) == 0);
		}
	}
	/* It takes one away that a less specific section has set. */
	bool known;
	assert_int_equal(cloister_limits_set(&limits, "rlimit_stack", "max", &known), 0);
	const struct cloister_limits none = {0};
	assert_true(cloister_limits_same(&limits, &none));
	const char *const wrong[] = {"", ":", "1:", ":1", "2:1", "max:1", "1:2:3", "-1", "unlimited", "1 2", "1K"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		bad("rlimit_nofile", wrong[i]);
	bool core;
	assert_int_equal(cloister_limits_set(&limits, "rlimit_core", "max", &core), 0);
	assert_false(core);
}

/* Every bit of them arrives at init, or at a login that wants to join. */
static void test_on_the_wire(void **unused)
{
	char text[] = "x";
	struct cloister_plan plan = {.session_id = text,
	                             .user = text,
	                             .rootfs = text,
	                             .state = text,
	                             .shell = text,
	                             .home = text,
	                             .hostname = text,
	                             .network_name = text,
	                             .publish = text};
	struct cloister_plan *read = NULL;
	void *bytes = NULL;
	size_t size = 0;
	bool known;

	(void)unused;
	const char *const lines[][2] = {{"memory_max", "2G"},
	                                {"swap_max", "0"},
	                                {"pids_max", "9"},
	                                {"cpu_max", "0.5"},
	                                {"io_max", "8:0 wbps=1, 8:1 rbps=2"},
	                                {"rlimit_as", "1G:max"},
	                                {"rlimit_stack", "1M"}};
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		const struct cloister_limits before = plan.limits;

		assert_int_equal(cloister_limits_set(&plan.limits, lines[i][0], lines[i][1], &known), 0);
		assert_false(cloister_limits_same(&plan.limits, &before));
	}
	assert_int_equal(cloister_plan_encode(&plan, &bytes, &size), 0);
	assert_int_equal(cloister_plan_decode(bytes, size, &read), 0);
	assert_true(cloister_limits_same(&plan.limits, &read->limits));
	char *printed = cloister_plan_text(read);
	assert_non_null(strstr(printed, "limit      memory.max 2147483648\n"));
	assert_non_null(strstr(printed, "limit      io.max 8:0 wbps=1,8:1 rbps=2\n"));
	assert_non_null(strstr(printed, "limit      rlimit_as 1073741824:max\n"));
	free(printed);
	cloister_plan_free(read);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_cpu),         cmocka_unit_test(test_io),
		cmocka_unit_test(test_rlimits), cmocka_unit_test(test_on_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
