/* SPDX-License-Identifier: MIT */
/* The plan: sessions that logins share, and which login may join one. */
#include "plan_of_alice.h"

/* A user's own process cannot say which session is the user's. */
static void test_scope_user_without_root_is_refused(void **unused)
{
	struct cloister_error err = {0};
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();
	struct cloister_account a = account();
	struct cloister_plan *plan = NULL;

	(void)unused;
	p.scope = CLOISTER_SCOPE_USER;
	f.privileged = false;
	f.range = (struct cloister_id_range){0, 0, 0};
	assert_int_equal(cloister_plan_build(&p, &a, &f, &plan, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "scope = user"));
}

static struct cloister_plan *shared_plan(const char *id, void (*change)(struct cloister_policy *))
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();

	p.scope = CLOISTER_SCOPE_USER;
	f.session_id = id;
	if (change != NULL)
		change(&p);
	return build(&p, &f);
}

static void open_network(struct cloister_policy *p)
{
	p->network = CLOISTER_NETWORK_HOST;
}

static void by_pasta(struct cloister_policy *p)
{
	p->network = CLOISTER_NETWORK_PASTA;
}

static void by_pasta_published(struct cloister_policy *p)
{
	static char port[] = "127.0.0.1/8080:80";
	static char *ports[] = {port};

	p->network = CLOISTER_NETWORK_PASTA;
	p->publish = ports;
	p->n_publish = 1;
}

static void in_lab(struct cloister_policy *p)
{
	static char lab[] = "lab";

	p->network = CLOISTER_NETWORK_NETNS;
	p->network_name = lab;
}

static void in_other_lab(struct cloister_policy *p)
{
	static char lab[] = "other";

	p->network = CLOISTER_NETWORK_NETNS;
	p->network_name = lab;
}

static void no_filter(struct cloister_policy *p)
{
	p->seccomp = false;
}

static void keep_capability(struct cloister_policy *p)
{
	p->capabilities = 1;
}

static void may_gain_privileges(struct cloister_policy *p)
{
	p->no_new_privs = false;
}

static void no_home(struct cloister_policy *p)
{
	p->home = CLOISTER_HOME_NONE;
}

static void lingers(struct cloister_policy *p)
{
	p->linger = 5;
}

static void of_host(struct cloister_policy *p)
{
	p->users = CLOISTER_USERS_HOST;
}

static void read_only(struct cloister_policy *p)
{
	p->writable = CLOISTER_WRITABLE_NO;
}

static void other_tree(struct cloister_policy *p)
{
	p->rootfs = tree;
}

static void by_itself(struct cloister_policy *p)
{
	p->scope = CLOISTER_SCOPE_SESSION;
}

static void with_bind(struct cloister_policy *p)
{
	static struct cloister_bind bind = {.source = tree, .target = tree};

	p->binds = &bind;
	p->n_binds = 1;
}

static void with_other_bind(struct cloister_policy *p)
{
	static struct cloister_bind bind = {.source = state, .target = tree};

	p->binds = &bind;
	p->n_binds = 1;
}

/* Whoever joins gets what they would have got by starting: any other plan is another session. */
static void test_may_join(void **unused)
{
	static void (*const changes[])(
		struct cloister_policy *) = {open_network, no_filter, keep_capability, may_gain_privileges, no_home,
	                                     lingers,      of_host,   read_only,       other_tree,          by_itself,
	                                     with_bind,    by_pasta,  in_lab};
	struct cloister_plan *plan = shared_plan("alice-00000001", NULL);
	struct cloister_plan *same = shared_plan("alice-00000002", NULL);
	char what[256] = "";

	(void)unused;
	assert_true(cloister_plan_may_join(plan, same, what, sizeof(what)));
	same->terminal = CLOISTER_TERMINAL_RELAY;
	assert_true(cloister_plan_may_join(plan, same, what, sizeof(what)));
	cloister_plan_free(same);
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		struct cloister_plan *other = shared_plan("alice-00000001", changes[i]);

		assert_false(cloister_plan_may_join(plan, other, what, sizeof(what)));
		assert_true(*what != '\0');
		*what = '\0';
		assert_false(cloister_plan_may_join(other, plan, what, sizeof(what)));
		assert_true(*what != '\0');
		cloister_plan_free(other);
	}
	struct cloister_plan *lab = shared_plan("alice-00000001", in_lab);
	struct cloister_plan *other_lab = shared_plan("alice-00000001", in_other_lab);
	assert_false(cloister_plan_may_join(lab, other_lab, what, sizeof(what)));
	assert_string_equal(what, "network");
	cloister_plan_free(other_lab);
	cloister_plan_free(lab);
	struct cloister_plan *pasta = shared_plan("alice-00000001", by_pasta);
	struct cloister_plan *published = shared_plan("alice-00000001", by_pasta_published);
	assert_false(cloister_plan_may_join(pasta, published, what, sizeof(what)));
	assert_string_equal(what, "publish");
	cloister_plan_free(published);
	cloister_plan_free(pasta);
	struct cloister_plan *bound = shared_plan("alice-00000001", with_bind);
	struct cloister_plan *other_bound = shared_plan("alice-00000001", with_other_bind);
	assert_false(cloister_plan_may_join(bound, other_bound, what, sizeof(what)));
	assert_string_equal(what, "bind /srv/alpine");
	cloister_plan_free(other_bound);
	cloister_plan_free(bound);
	cloister_plan_free(plan);
}

/* A shared session outlives the login: no terminal of one is in its plan. */
static void test_shared_plan_has_no_terminal(void **unused)
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();

	(void)unused;
	f.terminal = CLOISTER_TERMINAL_BIND;
	f.terminal_path = "/dev/tty1";
	struct cloister_plan *plan = build(&p, &f);
	assert_true(find(plan, CLOISTER_ROW_TERMINAL, "/dev/tty1") != SIZE_MAX);
	cloister_plan_free(plan);
	p.scope = CLOISTER_SCOPE_USER;
	plan = build(&p, &f);
	assert_true(find(plan, CLOISTER_ROW_TERMINAL, "/dev/tty1") == SIZE_MAX);
	assert_string_equal(plan->terminal_path, "/dev/tty1");
	cloister_plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scope_user_without_root_is_refused),
		cmocka_unit_test(test_may_join),
		cmocka_unit_test(test_shared_plan_has_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
