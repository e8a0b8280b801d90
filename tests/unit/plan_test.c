/* SPDX-License-Identifier: MIT */
/* The plan: rows and their order, namespaces, what is refused, and the wire format. */
#include "plan_of_alice.h"

static char launcher[] = "/usr/bin/cloister-sh";

/* An image is a row of its own, before the overlay that lies over it; without root, or to be written, it is refused. */
static void test_image(void **unused)
{
	static char image[] = "/srv/images/debian.erofs";
	struct cloister_policy p = policy();
	struct cloister_account a = account();
	struct cloister_plan_facts f = facts();
	struct cloister_plan *refused = NULL;
	struct cloister_error err = {0};

	(void)unused;
	p.rootfs = image;
	f.image = true;
	struct cloister_plan *plan = build(&p, &f);
	assert_int_equal(plan->rows[0].kind, CLOISTER_ROW_IMAGE);
	assert_string_equal(plan->rows[0].source, image);
	assert_int_equal(plan->rows[0].flags, CLOISTER_ROW_ROOT_ONLY);
	assert_int_equal(plan->rows[1].kind, CLOISTER_ROW_OVERLAY);
	cloister_plan_free(plan);
	p.writable = CLOISTER_WRITABLE_DIRECT;
	assert_int_equal(cloister_plan_build(&p, &a, &f, &refused, &err), -EINVAL);
	assert_non_null(strstr(err.text, "direct"));
	p.writable = CLOISTER_WRITABLE_NO;
	f.privileged = false;
	assert_int_equal(cloister_plan_build(&p, &a, &f, &refused, &err), -EPERM);
	assert_non_null(strstr(err.text, "only root"));
	assert_null(refused);
}

static void test_order(void **unused)
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();
	struct cloister_plan *plan = build(&p, &f);

	(void)unused;
	assert_int_equal(plan->rows[0].kind, CLOISTER_ROW_OVERLAY);
	assert_int_equal(plan->rows[plan->n_rows - 1].kind, CLOISTER_ROW_VERIFY);
	assert_true(find(plan, CLOISTER_ROW_TMPFS, "/dev") < find(plan, CLOISTER_ROW_DEVICE, "/dev/null"));
	assert_true(find(plan, CLOISTER_ROW_DEVICE, "/dev/null") < find(plan, CLOISTER_ROW_MASK, "/etc/shadow"));
	assert_true(find(plan, CLOISTER_ROW_PROC, "/proc") < find(plan, CLOISTER_ROW_MASK, "/proc/kcore"));
	assert_true(find(plan, CLOISTER_ROW_TMPFS, "/home") < find(plan, CLOISTER_ROW_BIND, "/home/alice"));
	assert_true(find(plan, CLOISTER_ROW_TMPFS, "/run") < find(plan, CLOISTER_ROW_FILE, CLOISTER_SESSION_FILE));
	assert_true(find(plan, CLOISTER_ROW_BIND, "/home/alice") < find(plan, CLOISTER_ROW_PIVOT, "/"));
	assert_true(find(plan, CLOISTER_ROW_PIVOT, "/") < find(plan, CLOISTER_ROW_CAPABILITIES, ""));
	/* Nothing of a capability may be needed after they are gone. */
	assert_true(find(plan, CLOISTER_ROW_LOOPBACK, "") < find(plan, CLOISTER_ROW_CAPABILITIES, ""));
	cloister_plan_free(plan);
}

static void test_namespaces(void **unused)
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();
	struct cloister_plan *plan = build(&p, &f);

	(void)unused;
	assert_int_equal(plan->namespaces, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC |
	                                           CLONE_NEWCGROUP | CLONE_NEWNET);
	cloister_plan_free(plan);
	p.network = CLOISTER_NETWORK_HOST;
	p.users = CLOISTER_USERS_HOST;
	plan = build(&p, &f);
	assert_int_equal(plan->namespaces, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP);
	assert_true(plan->rows[0].flags & CLOISTER_ROW_TRUSTED);
	assert_int_equal(find(plan, CLOISTER_ROW_LOOPBACK, ""), SIZE_MAX);
	cloister_plan_free(plan);
	/* There the owner of a file can take it out of its project. */
	struct cloister_error err = {0};
	p.writable_max = 1 << 20;
	assert_int_equal(refusal(&p, &err), -EPERM);
	p.users = CLOISTER_USERS_SAME;
	plan = build(&p, &f);
	cloister_plan_free(plan);
}

/* The wall against a cloud's metadata and the resolver are rows; a network of somebody else's is left as it is. */
static void test_networks(void **unused)
{
	static char lab[] = "lab", port[] = "127.0.0.1/8080:80";
	static char *ports[] = {port};
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();
	struct cloister_error err = {0};
	struct cloister_plan *decoded = NULL;
	char text[CLOISTER_NETWORK_TEXT_MAX];
	void *wire = NULL;
	size_t size = 0;

	(void)unused;
	p.network = CLOISTER_NETWORK_PASTA;
	p.publish = ports;
	p.n_publish = 1;
	struct cloister_plan *plan = build(&p, &f);
	assert_true(plan->namespaces & CLONE_NEWNET);
	assert_true(find(plan, CLOISTER_ROW_PROHIBIT, "") < find(plan, CLOISTER_ROW_CAPABILITIES, ""));
	assert_true(find(plan, CLOISTER_ROW_RESOLVER, "/etc/resolv.conf") != SIZE_MAX);
	assert_int_equal(find(plan, CLOISTER_ROW_COPY, "/etc/resolv.conf"), SIZE_MAX);
	assert_int_equal(cloister_plan_encode(plan, &wire, &size), 0);
	assert_int_equal(cloister_plan_decode(wire, size, &decoded), 0);
	assert_int_equal(decoded->network, CLOISTER_NETWORK_PASTA);
	assert_string_equal(decoded->publish, port);
	cloister_plan_free(decoded);
	free(wire);
	cloister_plan_free(plan);
	p.users = CLOISTER_USERS_HOST;
	assert_int_equal(refusal(&p, &err), -EOPNOTSUPP);
	p = policy();
	p.publish = ports;
	p.n_publish = 1;
	assert_int_equal(refusal(&p, &err), -EINVAL);
	p = policy();
	p.network = CLOISTER_NETWORK_NETNS;
	p.network_name = lab;
	plan = build(&p, &f);
	assert_true(plan->namespaces & CLONE_NEWNET);
	assert_int_equal(find(plan, CLOISTER_ROW_LOOPBACK, ""), SIZE_MAX);
	assert_int_equal(find(plan, CLOISTER_ROW_PROHIBIT, ""), SIZE_MAX);
	cloister_plan_network(plan, text, sizeof(text));
	assert_string_equal(text, "netns:lab");
	cloister_plan_free(plan);
}

static void test_writable(void **unused)
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();

	(void)unused;
	p.rootfs = tree;
	p.writable = CLOISTER_WRITABLE_NO;
	struct cloister_plan *plan = build(&p, &f);
	assert_true(find(plan, CLOISTER_ROW_READ_ONLY, "/") < find(plan, CLOISTER_ROW_PIVOT, "/"));
	assert_string_equal(plan->state, "");
	cloister_plan_free(plan);
	p.writable = CLOISTER_WRITABLE_DIRECT;
	plan = build(&p, &f);
	assert_int_equal(plan->rows[0].kind, CLOISTER_ROW_ROOT);
	/* What the session's root makes there must not be root's on the disk. */
	assert_false(plan->rows[0].flags & CLOISTER_ROW_IDMAP);
	assert_int_equal(find(plan, CLOISTER_ROW_READ_ONLY, "/"), SIZE_MAX);
	cloister_plan_free(plan);
	/* Nothing of the host's / may be hidden in a rootfs that is not it. */
	assert_int_equal(find(plan = build(&p, &f), CLOISTER_ROW_MASK, "/root"), SIZE_MAX);
	cloister_plan_free(plan);
	p.rootfs = root;
	struct cloister_error err = {0};
	assert_int_equal(refusal(&p, &err), -EINVAL);
}

static void test_writable_limits(void **unused)
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();
	struct cloister_error err = {0};

	(void)unused;
	p.writable = CLOISTER_WRITABLE_TMPFS;
	struct cloister_plan *plan = build(&p, &f);
	assert_string_equal(plan->rows[0].data, "mode=0700,size=10%,nr_inodes=400k");
	cloister_plan_free(plan);
	p.writable_max = 4096;
	p.writable_files_max = 7;
	plan = build(&p, &f);
	assert_string_equal(plan->rows[0].data, "mode=0700,size=4096,nr_inodes=7");
	/* A quota is for what is kept. */
	assert_int_equal(plan->writable_max, 0);
	cloister_plan_free(plan);
	p.writable = CLOISTER_WRITABLE_OVERLAY;
	plan = build(&p, &f);
	assert_string_equal(plan->rows[0].data, plan->state);
	assert_int_equal(plan->writable_max, 4096);
	assert_int_equal(plan->writable_files_max, 7);
	cloister_plan_free(plan);
	p.rootfs = tree;
	p.writable = CLOISTER_WRITABLE_NO;
	assert_int_equal(refusal(&p, &err), -EINVAL);
	p.writable = CLOISTER_WRITABLE_DIRECT;
	p.writable_max = 0;
	assert_int_equal(refusal(&p, &err), -EINVAL);
}

static void test_unprivileged_is_read_only(void **unused)
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();

	(void)unused;
	f.privileged = false;
	f.range = (struct cloister_id_range){0, 0, 0};
	struct cloister_plan *plan = build(&p, &f);
	assert_int_equal(plan->rows[0].kind, CLOISTER_ROW_ROOT);
	assert_true(plan->rows[0].attributes & 1);
	assert_int_equal(plan->uid_map.n, 1);
	assert_int_equal(plan->uid_map.extents[0].inside, 1000);
	assert_int_equal(plan->gid_map.n, 1);
	cloister_plan_free(plan);
}

static void test_unsupported_is_refused(void **unused)
{
	struct cloister_error err = {0};
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();
	struct cloister_account a = account();
	struct cloister_plan *plan = NULL;

	(void)unused;
	p.home = CLOISTER_HOME_PRIVATE;
	f.privileged = false;
	f.range = (struct cloister_id_range){0, 0, 0};
	assert_int_equal(cloister_plan_build(&p, &a, &f, &plan, &err), -EOPNOTSUPP);
}

static void test_overlap_is_refused(void **unused)
{
	struct cloister_error err = {0};
	struct cloister_policy p = policy();
	struct cloister_bind bind = {.source = tree, .target = tmp};

	(void)unused;
	p.binds = &bind;
	p.n_binds = 1;
	assert_int_equal(refusal(&p, &err), -EEXIST);
	assert_string_equal(err.path, "/tmp");
}

static void test_launcher(void **unused)
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();
	struct cloister_account a = account();
	struct cloister_plan *plan = NULL;
	struct cloister_error err = {0};

	(void)unused;
	a.shell = launcher;
	assert_int_equal(cloister_plan_build(&p, &a, &f, &plan, &err), 0);
	assert_string_equal(plan->shell, "/bin/sh");
	assert_true(find(plan, CLOISTER_ROW_BIND, launcher) != SIZE_MAX);
	cloister_plan_free(plan);
	p.shell = launcher;
	plan = NULL;
	a.shell = shell;
	char other[] = "/bin/ash";
	p.shell = other;
	assert_int_equal(cloister_plan_build(&p, &a, &f, &plan, &err), 0);
	assert_string_equal(plan->shell, "/bin/ash");
	assert_true(find(plan, CLOISTER_ROW_BIND, "/bin/bash") != SIZE_MAX);
	cloister_plan_free(plan);
}

static void test_wire(void **unused)
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();
	p.writable_max = 1048576;
	p.writable_files_max = 1000;
	struct cloister_plan *plan = build(&p, &f), *copy = NULL;
	void *bytes = NULL;
	size_t size = 0;

	(void)unused;
	assert_int_equal(cloister_plan_encode(plan, &bytes, &size), 0);
	assert_int_equal(cloister_plan_decode(bytes, size, &copy), 0);
	char *before = cloister_plan_text(plan), *after = cloister_plan_text(copy);
	assert_string_equal(before, after);
	free(before);
	free(after);
	cloister_plan_free(copy);
	/* Cut or padded anywhere: refused, and nothing is read beyond the end (the sanitizers watch). */
	for (size_t cut = 0; cut < size; cut++) {
		char *part = malloc(cut + 1);

		copy = NULL;
		memcpy(part, bytes, cut);
		assert_int_equal(cloister_plan_decode(part, cut, &copy), -EBADMSG);
		assert_null(copy);
		free(part);
	}
	free(bytes);
	cloister_plan_free(plan);
}

static void test_json(void **unused)
{
	struct cloister_policy p = policy();
	struct cloister_plan_facts f = facts();
	struct cloister_plan *plan = build(&p, &f);
	char *text = cloister_plan_json(plan);

	(void)unused;
	assert_non_null(strstr(text, "\"user\":\"alice\""));
	assert_non_null(strstr(text, "\"step\":\"overlay\""));
	free(text);
	cloister_plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_writable),
		cmocka_unit_test(test_writable_limits),
		cmocka_unit_test(test_unprivileged_is_read_only),
		cmocka_unit_test(test_unsupported_is_refused),
		cmocka_unit_test(test_overlap_is_refused),
		cmocka_unit_test(test_launcher),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
