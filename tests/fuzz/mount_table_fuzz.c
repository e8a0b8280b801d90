/* SPDX-License-Identifier: MIT */
/* mountinfo: the table, what can be seen of it, and the plan of rootfs = / on such a machine. */
#include "plan_check.h"

/* What is looked at costs the square of the table. */
#define LINES_MAX 200

static void check_plan(const struct cloister_mount_table *table, bool privileged)
{
	char alice[] = "alice", home[] = "/home/alice", shell[] = "/bin/sh", empty[] = "", rootfs[] = "/",
	     state[] = "/var/lib/cloister/users/1000", host[] = "cell", *names[] = {alice};
	gid_t gid = 1000;
	const struct cloister_account account = {alice, 1000, 1000, empty, home, shell, &gid, names, 1};
	const struct cloister_policy policy = {.isolate = true,
	                                       .rootfs = rootfs,
	                                       .state = state,
	                                       .hostname = host,
	                                       .timeout = 10,
	                                       .writable =
	                                               privileged ? CLOISTER_WRITABLE_OVERLAY : CLOISTER_WRITABLE_NO};
	const struct cloister_plan_facts facts = {.privileged = privileged,
	                                          .session_id = "alice-01234567",
	                                          .range = {100000, 200000, 65536},
	                                          .init_path = "/usr/libexec/cloister/cloister-init",
	                                          .mounts = table};
	struct cloister_plan *plan = NULL;
	struct cloister_error err = {0};

	if (cloister_plan_build(&policy, &account, &facts, &plan, &err) == 0)
		plan_check_computed(plan);
	cloister_plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cloister_mount_table *table = NULL;
	struct cloister_error err = {0};
	size_t lines = 0;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	if (lines > LINES_MAX)
		return 0;
	int r = cloister_mount_table_parse((const char *)data, size, &table, &err);
	FUZZ_REQUIRE(r == 0 ? table != NULL : err.code == -r && table == NULL);
	if (r < 0)
		return 0;
	FUZZ_REQUIRE(table->n <= lines + 1);
	for (size_t i = 0; i < table->n; i++) {
		FUZZ_REQUIRE(table->mounts[i].path[0] == '/' && *table->mounts[i].filesystem != '\0');
		(void)cloister_mount_table_visible(table, i);
	}
	check_plan(table, true);
	check_plan(table, false);
	cloister_mount_table_free(table);
	return 0;
}
