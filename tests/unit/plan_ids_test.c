/* SPDX-License-Identifier: MIT */
/* The plan: ids, their maps, and who is root where. */
#include "plan_of_alice.h"

static void test_ids(void **unused)
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();
	struct cloister_plan *plan = build(&p, &f);

	(void)unused;
	assert_int_equal(cloister_id_map_outside(&plan->uid_map, 1000), 1000);
	assert_int_equal(cloister_id_map_outside(&plan->uid_map, 0), 100000);
	assert_int_equal(cloister_id_map_outside(&plan->uid_map, 1001), 101001);
	assert_int_equal(cloister_id_map_outside(&plan->gid_map, 2000), 2000);
	/* A system group of the host is nobody's inside. */
	assert_int_equal(cloister_id_map_outside(&plan->gid_map, 27), 200027);
	assert_int_equal(cloister_id_map_outside(&plan->uid_map, 65536), UINT32_MAX);
	assert_int_equal(cloister_id_map_inside(&plan->uid_map, 1000), 1000);
	assert_int_equal(cloister_id_map_inside(&plan->uid_map, 100000), 0);
	assert_int_equal(cloister_id_map_inside(&plan->uid_map, 101001), 1001);
	assert_int_equal(cloister_id_map_inside(&plan->uid_map, 0), UINT32_MAX);
	assert_int_equal(cloister_id_map_inside(&plan->uid_map, 101000), UINT32_MAX);
	cloister_plan_free(plan);
}

static void test_root_is_never_root(void **unused)
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();
	struct cloister_account a = account();
	struct cloister_plan *plan = NULL;
	struct cloister_error err = {0};

	(void)unused;
	a.uid = 0;
	a.gid = 0;
	assert_int_equal(cloister_plan_build(&p, &a, &f, &plan, &err), 0);
	assert_int_equal(cloister_id_map_outside(&plan->uid_map, 0), 100000);
	assert_int_equal(cloister_id_map_outside(&plan->gid_map, 0), 200000);
	cloister_plan_free(plan);
	p.users = CLOISTER_USERS_HOST;
	assert_int_equal(cloister_plan_build(&p, &a, &f, &plan, &err), -EPERM);
}

static void test_map_arithmetic(void **unused)
{
	struct cloister_id_map map;
	struct cloister_error err = {0};
	const uint32_t first[] = {0}, far[] = {4000000, 5, 5}, inside[] = {100001};
	uint32_t many[400];

	(void)unused;
	assert_int_equal(cloister_id_map_keep(first, 1, 100000, 65536, &map, &err), 0);
	assert_int_equal(map.n, 2);
	assert_int_equal(cloister_id_map_keep(far, 3, 100000, 65536, &map, &err), 0);
	assert_int_equal(map.n, 4);
	assert_int_equal(cloister_id_map_outside(&map, 4000000), 4000000);
	assert_int_equal(cloister_id_map_outside(&map, 5), 5);
	assert_int_equal(cloister_id_map_outside(&map, 6), 100006);
	assert_int_equal(cloister_id_map_keep(inside, 1, 100000, 65536, &map, &err), -ERANGE);
	for (uint32_t i = 0; i < 400; i++)
		many[i] = 1000 + 2 * i;
	assert_int_equal(cloister_id_map_keep(many, 400, 100000, 65536, &map, &err), -E2BIG);
}

/* What an id of the inner namespace is on the host, through both maps. */
static uint32_t on_host(const struct cloister_id_map *outer, const struct cloister_id_map *inner, uint32_t id)
{
	uint32_t middle = cloister_id_map_outside(inner, id);

	return middle == UINT32_MAX ? UINT32_MAX : cloister_id_map_outside(outer, middle);
}

static bool is_one_line_of(const struct cloister_id_map *outer, const struct cloister_id_extent *line)
{
	for (size_t i = 0; i < outer->n; i++) {
		const struct cloister_id_extent *of = &outer->extents[i];

		if (line->outside >= of->inside && line->outside + line->count <= of->inside + of->count)
			return true;
	}
	return false;
}

static void test_map_of_root(void **unused)
{
	struct cloister_id_map outer, inner;
	struct cloister_error err = {0};
	const uint32_t own[] = {1000, 2000, 70000};

	(void)unused;
	assert_int_equal(cloister_id_map_keep(own, 3, 200000, 65536, &outer, &err), 0);
	assert_int_equal(cloister_id_map_root(1000, 200000, 65536, &outer, &inner, &err), 0);
	assert_int_equal(on_host(&outer, &inner, 0), 1000);
	assert_int_equal(on_host(&outer, &inner, 1000), 201000);
	assert_int_equal(on_host(&outer, &inner, 2000), 2000);
	assert_int_equal(on_host(&outer, &inner, 70000), 70000);
	for (uint32_t id = 1; id < 65536; id++) {
		if (id != 2000)
			assert_int_equal(on_host(&outer, &inner, id), 200000 + id);
	}
	/* The kernel wants each line in one of the parent's, and init's own id must be nobody's inside. */
	for (size_t i = 0; i < inner.n; i++) {
		assert_true(is_one_line_of(&outer, &inner.extents[i]));
		assert_true(inner.extents[i].outside > 0);
	}
	assert_int_equal(on_host(&outer, &inner, 65536), UINT32_MAX);
	assert_int_equal(on_host(&outer, &inner, CLOISTER_ID_SPARE), UINT32_MAX);

	/* An own id above the range needs no spare one. */
	assert_int_equal(cloister_id_map_keep(&own[2], 1, 200000, 65536, &outer, &err), 0);
	assert_int_equal(cloister_id_map_root(70000, 200000, 65536, &outer, &inner, &err), 0);
	assert_int_equal(on_host(&outer, &inner, 0), 70000);
	assert_int_equal(on_host(&outer, &inner, 70000), UINT32_MAX);
	assert_int_equal(on_host(&outer, &inner, 1), 200001);
	assert_int_equal(cloister_id_map_root(0, 200000, 65536, &outer, &inner, &err), -EPERM);
	const uint32_t far = CLOISTER_ID_SPARE + 1;
	assert_int_equal(cloister_id_map_keep(&far, 1, 200000, 65536, &outer, &err), 0);
	assert_int_equal(cloister_id_map_root(far, 200000, 65536, &outer, &inner, &err), -ERANGE);
}

static void test_users_root(void **unused)
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();
	struct cloister_error err = {0};

	(void)unused;
	p.users = CLOISTER_USERS_ROOT;
	assert_int_equal(refusal(&p, &err), -EPERM);
	p.rootfs = tree;
	struct cloister_plan *plan = build(&p, &f);
	assert_true(plan->root_inside);
	assert_string_equal(plan->state, "/var/lib/cloister/users/1000/root-srv-alpine");
	assert_int_equal(plan->capabilities, 0);
	assert_true((plan->root_capabilities & (UINT64_C(1) << 7)) != 0);
	assert_true((plan->root_capabilities & (UINT64_C(1) << 21)) == 0);
	/* Group tty is no group of the host's there. */
	assert_int_equal(cloister_id_map_outside(&plan->gid_map, 5), 200005);
	/* Whose the files are comes before any is made; the doors come after the tree that has none. */
	assert_int_equal(plan->rows[1].kind, CLOISTER_ROW_OWNER);
	assert_true(find(plan, CLOISTER_ROW_TREE, CLOISTER_USERS_TREE) < find(plan, CLOISTER_ROW_DOORS, "/bin"));
	assert_true(find(plan, CLOISTER_ROW_SEAL, "/run/cloister") <
	            find(plan, CLOISTER_ROW_TREE, CLOISTER_USERS_TREE));
	assert_int_equal(find(plan, CLOISTER_ROW_BIND, shell), SIZE_MAX);
	cloister_plan_free(plan);

	f.moves = true;
	plan = NULL;
	struct cloister_account a = account();
	assert_int_equal(cloister_plan_build(&p, &a, &f, &plan, &err), -EPERM);
	f.moves = false;
	p.capabilities_set = true;
	plan = build(&p, &f);
	assert_int_equal(plan->root_capabilities, 0);
	cloister_plan_free(plan);

	f.privileged = false;
	plan = build(&p, &f);
	assert_false(plan->root_inside);
	assert_int_equal(plan->inside_uid, 0);
	assert_int_equal(cloister_id_map_outside(&plan->uid_map, 0), 1000);
	assert_int_equal(cloister_id_map_outside(&plan->uid_map, 1), 100000);
	f.range.count = 0;
	cloister_plan_free(plan);
	plan = build(&p, &f);
	assert_int_equal(plan->uid_map.n, 1);
	assert_int_equal(plan->gid_map.n, 1);
	cloister_plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_root_is_never_root),
		cmocka_unit_test(test_map_arithmetic),
		cmocka_unit_test(test_map_of_root),
		cmocka_unit_test(test_users_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
