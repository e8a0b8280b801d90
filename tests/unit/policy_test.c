/* SPDX-License-Identifier: MIT */
/* The configuration: parsing, whom a fault concerns, merging, values, tokens. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cloister/policy.h"

static gid_t gids[] = {1000, 2000};
static char own[] = "alice", students[] = "students", home[] = "/home/alice", shell[] = "/bin/bash", empty[] = "";
static char *names[] = {own, students};

static struct cloister_account alice(void)
{
	return (struct cloister_account){.name = own,
	                                 .uid = 1000,
	                                 .gid = 1000,
	                                 .gecos = empty,
	                                 .home = home,
	                                 .shell = shell,
	                                 .groups = gids,
	                                 .group_names = names,
	                                 .n_groups = 2};
}

static int policy_of(const char *text, const struct cloister_account *account, struct cloister_policy **policy,
                     struct cloister_error *err)
{
	const struct cloister_tokens tokens = {.session_id = "alice-01", .host_name = "login1"};
	struct cloister_config config = {0};

	*policy = NULL;
	assert_int_equal(cloister_config_parse(&config, text, strlen(text), "test.conf", err), 0);
	int r = cloister_policy_for_user(&config, account, &tokens, policy, err);
	cloister_config_clear(&config);
	return r;
}

static struct cloister_policy *good(const char *text)
{
	struct cloister_account account = alice();
	struct cloister_policy *policy = NULL;
	struct cloister_error err = {0};

	if (policy_of(text, &account, &policy, &err) != 0)
		fail_msg("%s: %s", err.path, err.text);
	return policy;
}

/* What differs with each login would make each a session of its own. */
static void test_session_token_of_a_shared_session(void **unused)
{
	struct cloister_policy *policy = good("[default]\nisolate = yes\nhostname = %s\n");

	(void)unused;
	assert_string_equal(policy->hostname, "alice-01");
	cloister_policy_free(policy);
	policy = good("[default]\nisolate = yes\nhostname = %s\nscope = user\n");
	assert_string_equal(policy->hostname, "alice");
	cloister_policy_free(policy);
}

static void bad(const char *text, const char *line)
{
	struct cloister_account account = alice();
	struct cloister_policy *policy = NULL;
	struct cloister_error err = {0};

	if (policy_of(text, &account, &policy, &err) != -EINVAL)
		fail_msg("not refused: %s", text);
	assert_null(policy);
	assert_string_equal(err.path, "test.conf");
	if (strstr(err.text, line) == NULL)
		fail_msg("%s is not in: %s", line, err.text);
}

static void test_defaults(void **unused)
{
	struct cloister_policy *policy = good("[default]\n");

	(void)unused;
	assert_false(policy->isolate);
	assert_string_equal(policy->rootfs, "/");
	assert_string_equal(policy->state, "/var/lib/cloister/users/1000");
	assert_string_equal(policy->hostname, "login1");
	assert_int_equal(policy->n_tmpfs, 2);
	assert_true(policy->no_new_privs);
	assert_true(policy->seccomp);
	assert_int_equal(policy->capabilities, 0);
	assert_int_equal(policy->timeout, 10);
	assert_null(policy->shell);
	cloister_policy_free(policy);
}

static void test_sections_override(void **unused)
{
	struct cloister_policy *policy =
		good("[user:alice]\nhostname = three\n[default]\nisolate = yes\nhostname = one\n"
	             "[group:students]\nhostname = two\ntimeout = 20\n[group:other]\ntimeout = 30\n");

	(void)unused;
	assert_true(policy->isolate);
	assert_string_equal(policy->hostname, "three");
	assert_int_equal(policy->timeout, 20);
	cloister_policy_free(policy);
	policy = good("[group:students]\nisolate = yes\n[user:alice]\nisolate = no\n");
	assert_false(policy->isolate);
	cloister_policy_free(policy);
	policy = good("[default]\nhostname = a\n[default]\nhostname = b\n");
	assert_string_equal(policy->hostname, "b");
	cloister_policy_free(policy);
}

static void test_lists(void **unused)
{
	struct cloister_policy *policy =
		good("[default]\nbind = /a\nbind = /b:/c:ro\n[user:alice]\nbind = %h/x:/x\ntmpfs = /scratch:size=2M\n");

	(void)unused;
	assert_int_equal(policy->n_binds, 1);
	assert_string_equal(policy->binds[0].source, "/home/alice/x");
	assert_string_equal(policy->binds[0].target, "/x");
	assert_false(policy->binds[0].read_only);
	assert_int_equal(policy->n_tmpfs, 1);
	assert_int_equal(policy->tmpfs[0].size, 2 * 1024 * 1024);
	cloister_policy_free(policy);
	policy = good("[default]\nbind = /a\nbind = /b:/c:ro\nbind = /d:ro\ntmpfs =\n");
	assert_int_equal(policy->n_binds, 3);
	assert_true(policy->binds[1].read_only);
	assert_string_equal(policy->binds[2].target, "/d");
	assert_int_equal(policy->n_tmpfs, 0);
	cloister_policy_free(policy);
}

static void test_root_has_its_own_section_alone(void **unused)
{
	struct cloister_account root = alice();
	struct cloister_policy *policy = NULL;
	struct cloister_error err = {0};
	char name[] = "root";

	(void)unused;
	root.name = name;
	root.uid = 0;
	assert_int_equal(policy_of("[default]\nisolate = yes\nnonsense = 1\n", &root, &policy, &err), 0);
	assert_false(policy->isolate);
	cloister_policy_free(policy);
	assert_int_equal(policy_of("[group:students]\nisolate = yes\n", &root, &policy, &err), 0);
	assert_false(policy->isolate);
	cloister_policy_free(policy);
	assert_int_equal(policy_of("[user:root]\nisolate = yes\n", &root, &policy, &err), 0);
	assert_true(policy->isolate);
	cloister_policy_free(policy);
}

/* Whom a fault concerns: the rules of policy.h. */
static void test_faults(void **unused)
{
	struct cloister_policy *policy;

	(void)unused;
	bad("[user:alice]\nisolate = yes\nfoo = 1\n", "line 3");
	bad("[user:alice]\nisolate = maybe\n", "line 2");
	bad("[group:students]\nwritable = sometimes\n", "line 2");
	bad("[default]\nfoo = 1\n[user:alice]\nisolate = yes\n", "line 2");
	bad("stray = 1\n[user:alice]\nisolate = yes\n", "line 1");
	bad("[user:alice\nisolate = yes\n", "line 1");
	bad("[user:alice]\nisolate\n", "line 2");
	bad("[user:alice]\r\nisolate = yes\r\n", "line 1");
	bad("\xef\xbb\xbf[user:alice]\nisolate = yes\n", "line 1");
	/* Nobody else is touched. */
	policy = good("[user:bob]\nisolate = yes\nfoo = 1\n[group:others]\n= x\n");
	assert_false(policy->isolate);
	cloister_policy_free(policy);
	policy = good("[default]\nfoo = 1\nrootfs = relative\n[user:bob]\nisolate = yes\n");
	assert_false(policy->isolate);
	cloister_policy_free(policy);
}

static void test_nul_is_a_fault(void **unused)
{
	static const char text[] = "[user:alice]\nisolate = y\0es\n";
	struct cloister_config config = {0};
	struct cloister_error err = {0};

	(void)unused;
	assert_int_equal(cloister_config_parse(&config, text, sizeof(text) - 1, "test.conf", &err), 0);
	assert_int_equal(config.n_faults, 1);
	assert_int_equal(config.faults[0].line, 2);
	cloister_config_clear(&config);
}

static void test_long_input(void **unused)
{
	const size_t size = 1000000;
	char *text = malloc(size + 1);
	struct cloister_config config = {0};
	struct cloister_error err = {0};

	(void)unused;
	memset(text, 'x', size);
	memcpy(text, "[default]\n", 10);
	text[size] = '\0';
	assert_int_equal(cloister_config_parse(&config, text, size, "test.conf", &err), 0);
	assert_int_equal(config.n_faults, 1);
	cloister_config_clear(&config);
	for (size_t i = 10; i < size; i++)
		text[i] = "a\n"[i % 2];
	assert_int_equal(cloister_config_parse(&config, text, size, "test.conf", &err), 0);
	assert_true(config.n_faults > 0);
	cloister_config_clear(&config);
	free(text);
}

static void test_values(void **unused)
{
	static const struct {
		const char *key, *value;
		int result;
	} cases[] = {
		{"refuse", "Back at 18:00.", 0},
		{"refuse", "", 0},
		{"refuse", "a\tb", -EINVAL},
		{"refuse_except", "sftp", 0},
		{"refuse_except", "none", 0},
		{"refuse_except", "scp", -EINVAL},
		{"timeout", "10", 0},
		{"timeout", "0", -EINVAL},
		{"timeout", "1x", -EINVAL},
		{"timeout", "-1", -EINVAL},
		{"timeout", "0x10", -EINVAL},
		{"timeout", "", -EINVAL},
		{"timeout", " 5", -EINVAL},
		{"timeout", "99999999999999999999999", -EINVAL},
		{"rootfs", "/srv/a", 0},
		{"rootfs", "srv", -EINVAL},
		{"rootfs", "/srv/../etc", -EINVAL},
		{"rootfs", "/srv//a", -EINVAL},
		{"rootfs", "/srv/", -EINVAL},
		{"rootfs", "", -EINVAL},
		{"rootfs", "%h/rootfs", 0},
		{"rootfs", "/x/%q", -EINVAL},
		{"rootfs", "/x/%", -EINVAL},
		{"bind", "/a:/", -EINVAL},
		{"bind", "/a:/b:rw", -EINVAL},
		{"bind", ":/b", -EINVAL},
		{"tmpfs", "/x:size=1G", 0},
		{"tmpfs", "/x:size=1G:files=10", 0},
		{"tmpfs", "/x:files=10", 0},
		{"tmpfs", "/x:files=0", -EINVAL},
		{"tmpfs", "/x:files=10:size=1G", -EINVAL},
		{"writable_max", "2G", 0},
		{"writable_max", "0", -EINVAL},
		{"writable_max", "-1", -EINVAL},
		{"writable_files_max", "200000", 0},
		{"writable_files_max", "2G", -EINVAL},
		{"writable_files_max", "0", -EINVAL},
		{"ptys_max", "20", 0},
		{"ptys_max", "0", -EINVAL},
		{"ptys_max", "max", -EINVAL},
		{"tmpfs", "/x:size=", -EINVAL},
		{"tmpfs", "/x:size=1Q", -EINVAL},
		{"tmpfs", "/x:size=99999999999G", -EINVAL},
		{"network", "netns:lab", 0},
		{"network", "netns:", -EINVAL},
		{"network", "netns:../x", -EINVAL},
		{"network", "bridge", -EINVAL},
		{"network", "netns:a,b", -EINVAL},
		{"network", "netns:.", -EINVAL},
		{"publish", "8080", 0},
		{"publish", "8080:80", 0},
		{"publish", "192.0.2.1/8080:80", 0},
		{"publish", "::1/8080", 0},
		{"publish", "localhost/8080", -EINVAL},
		{"publish", "/8080", -EINVAL},
		{"publish", "0", -EINVAL},
		{"publish", "65536", -EINVAL},
		{"publish", "8080:", -EINVAL},
		{"publish", "8080:80:80", -EINVAL},
		{"publish", "8080-8090", -EINVAL},
		{"publish", "8080,81", -EINVAL},
		{"publish", "none", -EINVAL},
		{"isolate", "Yes", -EINVAL},
		{"isolate", "true", -EINVAL},
		{"hostname", "a.b-c", 0},
		{"hostname", "a b", -EINVAL},
		{"hostname", "-a", -EINVAL},
		{"capabilities", "none", 0},
		{"capabilities", "cap_net_raw", 0},
		{"capabilities", "cap_nonsense", -EINVAL},
		{"id_range", "auto", 0},
		{"id_range", "100000:65536", 0},
		{"id_range", "0:65536", -EINVAL},
		{"id_range", "100000:10", -EINVAL},
		{"id_range", "4294910000:65536", -EINVAL},
		{"linger", "yes", 0},
		{"linger", "60", 0},
		{"linger", "-5", -EINVAL},
		{"nonsense", "1", -EINVAL},
		{"seccomp", "default", 0},
		{"seccomp", "off", -EINVAL},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cloister_error err = {0};

		if (cloister_policy_check_value(cases[i].key, cases[i].value, &err) != cases[i].result)
			fail_msg("%s = %s should give %d: %s", cases[i].key, cases[i].value, cases[i].result, err.text);
	}
}

/* A home from the name service that is no plain path must not become a mount. */
static void test_hostile_home(void **unused)
{
	struct cloister_account account = alice();
	struct cloister_policy *policy = NULL;
	struct cloister_error err = {0};
	char hostile[] = "/home/../etc";

	(void)unused;
	account.home = hostile;
	assert_int_equal(policy_of("[user:alice]\nisolate = yes\nrootfs = %h/root\n", &account, &policy, &err),
	                 -EINVAL);
}

static const char *hostname_on(const char *host_name)
{
	static char text[128];
	const struct cloister_tokens tokens = {.session_id = "alice-01", .host_name = host_name};
	struct cloister_account account = alice();
	struct cloister_config config = {0};
	struct cloister_policy *policy = NULL;
	struct cloister_error err = {0};

	assert_int_equal(cloister_policy_for_user(&config, &account, &tokens, &policy, &err), 0);
	snprintf(text, sizeof(text), "%s", policy->hostname);
	cloister_policy_free(policy);
	return text;
}

/* The machine's name is not the configuration's fault. */
static void test_host_names(void **unused)
{
	char long_name[100];

	(void)unused;
	assert_string_equal(hostname_on("login1.example.org"), "login1.example.org");
	assert_string_equal(hostname_on("(none)"), "none-");
	assert_string_equal(hostname_on("my_host"), "my-host");
	assert_string_equal(hostname_on(""), "localhost");
	assert_string_equal(hostname_on("__"), "localhost");
	memset(long_name, 'h', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(strlen(hostname_on(long_name)), 64);
}

static const char *explained(const struct cloister_setting *settings, ssize_t n, const char *key, unsigned *line)
{
	static char values[256];

	values[0] = '\0';
	*line = 0;
	for (ssize_t i = 0; i < n; i++) {
		if (strcmp(settings[i].key, key) != 0)
			continue;
		size_t used = strlen(values);
		snprintf(values + used, sizeof(values) - used, "%s%s", used > 0 ? ";" : "", settings[i].value);
		*line = settings[i].entry != NULL ? settings[i].entry->line : 0;
	}
	return values;
}

static void test_explained(void **unused)
{
	static const char text[] = "[default]\nisolate = yes\nrootfs = /a\nbind = /x\nbind = /y\nmask = /m\n"
				   "[group:students]\nrootfs = /b\nbind = /z\n[group:others]\nrootfs = /c\n"
				   "[user:alice]\nhome = tmpfs\nhome = none\nmask =\n[user:bob]\nhome = bind\n";
	struct cloister_account account = alice();
	struct cloister_config config = {0};
	struct cloister_setting *settings = NULL;
	struct cloister_error err = {0};
	unsigned line;

	(void)unused;
	assert_int_equal(cloister_config_parse(&config, text, strlen(text), "test.conf", &err), 0);
	ssize_t n = cloister_policy_explain(&config, &account, &settings);
	assert_true(n > 20);
	assert_string_equal(explained(settings, n, "isolate", &line), "yes");
	assert_int_equal(line, 2);
	assert_string_equal(explained(settings, n, "rootfs", &line), "/b");
	assert_int_equal(line, 8);
	assert_string_equal(explained(settings, n, "bind", &line), "/z");
	assert_string_equal(explained(settings, n, "home", &line), "none");
	assert_int_equal(line, 14);
	assert_string_equal(explained(settings, n, "mask", &line), "");
	assert_int_equal(line, 15);
	assert_string_equal(explained(settings, n, "users", &line), "same");
	assert_int_equal(line, 0);
	free(settings);
	cloister_config_clear(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_token_of_a_shared_session),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_sections_override),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_root_has_its_own_section_alone),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_nul_is_a_fault),
		cmocka_unit_test(test_long_input),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_hostile_home),
		cmocka_unit_test(test_explained),
		cmocka_unit_test(test_host_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
