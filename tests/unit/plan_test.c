/* SPDX-License-Identifier: MIT */
/* The plan: rows and their order, ids, namespaces, what is refused, and the wire format. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cloister/plan.h"

static gid_t groups[] = {1000, 27, 2000};
static char primary[] = "alice", sudo[] = "sudo", project[] = "project";
static char *group_names[] = {primary, sudo, project};
static char name[] = "alice", gecos[] = "Alice", home[] = "/home/alice", shell[] = "/bin/bash";
static char root[] = "/", tree[] = "/srv/alpine", state[] = "/var/lib/cloister/users/1000", host[] = "cell";
static char tmp[] = "/tmp", run[] = "/run", launcher[] = "/usr/bin/cloister-sh";
static struct cloister_tmpfs tmpfs[] = {{.path = tmp}, {.path = run, .size = 1024}};

static struct cloister_account account(void)
{
	return (struct cloister_account){.name = name,
	                                 .uid = 1000,
	                                 .gid = 1000,
	                                 .gecos = gecos,
	                                 .home = home,
	                                 .shell = shell,
	                                 .groups = groups,
	                                 .group_names = group_names,
	                                 .n_groups = 3};
}

static struct cloister_policy policy(void)
{
	return (struct cloister_policy){.isolate = true,
	                                .rootfs = root,
	                                .state = state,
	                                .tmpfs = tmpfs,
	                                .n_tmpfs = 2,
	                                .hostname = host,
	                                .no_new_privs = true,
	                                .seccomp = true,
	                                .timeout = 10};
}

static struct cloister_plan_facts facts(void)
{
	return (struct cloister_plan_facts){.privileged = true,
	                                    .session_id = "alice-01234567",
	                                    .range = {100000, 200000, 65536},
	                                    .init_path = "/usr/libexec/cloister/cloister-init",
	                                    .shell_check = true};
}

static struct cloister_plan *build(const struct cloister_policy *p, const struct cloister_plan_facts *f)
{
	struct cloister_account a = account();
	struct cloister_plan *plan = NULL;
	struct cloister_error err = {0};

	if (cloister_plan_build(p, &a, f, &plan, &err) != 0)
		fail_msg("%s: %s", err.step, err.text);
	return plan;
}

static int refusal(const struct cloister_policy *p, struct cloister_error *err)
{
	struct cloister_account a = account();
	struct cloister_plan_facts f = facts();
	struct cloister_plan *plan = NULL;
	int r = cloister_plan_build(p, &a, &f, &plan, err);

	assert_null(plan);
	return r;
}

static size_t find(const struct cloister_plan *plan, enum cloister_row_kind kind, const char *target)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		if (plan->rows[i].kind == kind && strcmp(plan->rows[i].target, target) == 0)
			return i;
	}
	return SIZE_MAX;
}

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
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_root_is_never_root),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_writable),
		cmocka_unit_test(test_writable_limits),
		cmocka_unit_test(test_unprivileged_is_read_only),
		cmocka_unit_test(test_unsupported_is_refused),
		cmocka_unit_test(test_scope_user_without_root_is_refused),
		cmocka_unit_test(test_may_join),
		cmocka_unit_test(test_shared_plan_has_no_terminal),
		cmocka_unit_test(test_overlap_is_refused),
		cmocka_unit_test(test_launcher),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_map_arithmetic),
		cmocka_unit_test(test_map_of_root),
		cmocka_unit_test(test_users_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
