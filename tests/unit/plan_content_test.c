/* SPDX-License-Identifier: MIT */
/*
 * What the configuration puts into a session: places, order, overlaps, the host's own file systems and hidden places,
 * and whole plans against the files of tests/golden (CLOISTER_GOLDEN_WRITE=1 writes them anew: read the difference).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "cloister/config.h"
#include "cloister/plan.h"

static gid_t groups[] = {1000, 2000};
static char alice[] = "alice", project[] = "project", gecos[] = "Alice", shell[] = "/bin/bash";
static char *group_names[] = {alice, project};
static char home[64] = "/home/alice";

/* A machine with /usr, /opt, /srv, a module tree, a container engine, a user's own sshfs and a chroot. */
static const char machine[] = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
			      "2 1 8:2 / /usr rw - ext4 /dev/sda2 rw\n"
			      "3 2 0:50 / /usr/local ro - nfs4 server:/local ro\n"
			      "4 1 8:3 / /opt rw - ext4 /dev/sda3 rw\n"
			      "5 4 0:51 / /opt/software ro - nfs4 server:/software ro\n"
			      "6 4 0:52 / /opt/chroot/proc rw - proc proc rw\n"
			      "7 4 0:53 / /opt/auto rw - autofs systemd-1 rw\n"
			      "8 4 0:54 / /opt/mine rw - fuse.sshfs host: rw,user_id=1000,group_id=1000\n"
			      "9 4 0:55 / /opt/cvmfs ro - fuse.cvmfs2 cvmfs2 ro,user_id=0,group_id=0,allow_other\n"
			      "10 1 8:4 / /srv rw - ext4 /dev/sda4 rw\n"
			      "11 1 8:5 / /home rw - ext4 /dev/sda5 rw\n"
			      "12 1 0:56 / /proc rw - proc proc rw\n"
			      "13 1 0:57 / /run rw - tmpfs tmpfs rw\n"
			      "14 13 0:58 / /run/lock rw - tmpfs tmpfs rw\n"
			      "15 1 8:6 / /boot rw - ext4 /dev/sda6 rw\n"
			      "16 1 0:59 / /mnt/backup rw - nfs4 server:/backup rw\n"
			      "17 1 0:60 / /var/lib/docker/overlay2/a/merged rw - overlay overlay rw\n"
			      "18 5 8:7 / /opt/software/deep rw - ext4 /dev/sda7 rw\n";

static struct cloister_plan *build(const char *lines, bool privileged, const char *mounts, struct cloister_error *err)
{
	struct cloister_config config = {0};
	struct cloister_policy *policy = NULL;
	struct cloister_plan *plan = NULL;
	struct cloister_mount_table *table = NULL;
	const struct cloister_account account = {.name = alice,
	                                         .uid = 1000,
	                                         .gid = 1000,
	                                         .gecos = gecos,
	                                         .home = home,
	                                         .shell = shell,
	                                         .groups = groups,
	                                         .group_names = group_names,
	                                         .n_groups = 2};
	const struct cloister_tokens tokens = {.session_id = "alice-01234567", .host_name = "cell"};
	struct cloister_plan_facts facts = {.privileged = privileged,
	                                    .session_id = "alice-01234567",
	                                    .init_path = "/usr/libexec/cloister/cloister-init",
	                                    .shell_check = true};
	char text[4096];

	snprintf(text, sizeof(text), "[user:alice]\nisolate = yes\n%s", lines);
	if (privileged)
		facts.range = (struct cloister_id_range){100000, 200000, 65536};
	assert_int_equal(cloister_config_parse(&config, text, strlen(text), "cloister.conf", err), 0);
	if (mounts != NULL)
		assert_int_equal(cloister_mount_table_parse(mounts, strlen(mounts), &table, err), 0);
	facts.mounts = table;
	if (cloister_policy_for_user(&config, &account, &tokens, &policy, err) == 0)
		cloister_plan_build(policy, &account, &facts, &plan, err);
	cloister_policy_free(policy);
	cloister_mount_table_free(table);
	cloister_config_clear(&config);
	return plan;
}

static struct cloister_plan *good(const char *lines, bool privileged, const char *mounts)
{
	struct cloister_error err = {0};
	struct cloister_plan *plan = build(lines, privileged, mounts, &err);

	if (plan == NULL)
		fail_msg("%s: %s: %s", lines, err.text, err.path);
	return plan;
}

static void refused(const char *lines, int code, const char *path, const char *text)
{
	struct cloister_error err = {0};
	struct cloister_plan *plan = build(lines, true, NULL, &err);

	if (plan != NULL)
		fail_msg("not refused: %s", lines);
	assert_int_equal(err.code, code);
	assert_string_equal(err.path, path);
	if (strstr(err.text, text) == NULL)
		fail_msg("'%s' is not in: %s", text, err.text);
}

static const struct cloister_row *find(const struct cloister_plan *plan, const char *target)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		if (strcmp(plan->rows[i].target, target) == 0)
			return &plan->rows[i];
	}
	return NULL;
}

/* The same, where it must be there. */
static const struct cloister_row *at(const struct cloister_plan *plan, const char *target)
{
	const struct cloister_row *row = find(plan, target);

	if (row == NULL)
		fail_msg("nothing at %s", target);
	return row != NULL ? row : plan->rows;
}

static void test_overlaps_name_both_lines(void **unused)
{
	(void)unused;
	refused("bind = /srv/a:/data\ntmpfs = /data\n", EEXIST, "/data", "cloister.conf:3");
	refused("bind = /srv/a:/data\ntmpfs = /data\n", EEXIST, "/data", "cloister.conf:4");
	refused("bind = /srv/a:/data\nbind = /srv/b:/data:ro\n", EEXIST, "/data", "cloister.conf:4");
	refused("mask = /data\nbind = /srv/b:/data\n", EEXIST, "/data", "mask (cloister.conf:3)");
	refused("tmpfs = /home/alice\n", EEXIST, "/home/alice", "the home");
	refused("home = private\ntmpfs = /home/alice\n", EEXIST, "/home/alice", "the home");
	refused("bind = /srv/tmp:/tmp\n", EEXIST, "/tmp", "built in");
	cloister_plan_free(good("home = none\ntmpfs = /home/alice\n", true, NULL));
}

static void test_places_that_are_refused(void **unused)
{
	static const char *const lines[] = {"bind = /srv/a:/proc",
	                                    "bind = /srv/a:/proc/sys",
	                                    "bind = /srv/a:/proc/self/attr:ro",
	                                    "tmpfs = /proc/fs",
	                                    "mask = /proc",
	                                    "bind = /srv/a:/dev",
	                                    "bind = /srv/a:/dev/null",
	                                    "bind = /srv/a:/dev/shm",
	                                    "bind = /srv/a:/dev/pts/0",
	                                    "tmpfs = /dev/pts",
	                                    "tmpfs = /dev/log",
	                                    "mask = /dev",
	                                    "bind = /srv/a:/run/cloister",
	                                    "bind = /srv/a:/run/cloister/session",
	                                    "mask = /run/cloister/session",
	                                    "tmpfs = /run/cloister"};
	static const char *const harmless[] = {"bind = /srv/a:/process",   "bind = /srv/a:/run/service.sock",
	                                       "bind = /srv/a:/devel",     "bind = /srv/log:/dev/log",
	                                       "tmpfs = /dev/shm:size=1M", "mask = /proc/cmdline",
	                                       "mask = /dev/mqueue",       "bind = /srv/passwd:/etc/passwd:ro",
	                                       "bind = /srv/a:/tmp/x",     "bind = /srv/a:%h/a/b"};

	(void)unused;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		const char *target = strrchr(lines[i], ':') != NULL ? strchr(lines[i], ':') + 1 : strchr(lines[i], '/');
		char path[64];

		snprintf(path, sizeof(path), "%.*s", (int)strcspn(target, ":"), target);
		refused(lines[i], EINVAL, path, "cloister.conf:3");
	}
	refused("tmpfs = /tmp\nbind = /srv/a:/run\n", EINVAL, "/run", "cloister.conf:4");
	refused("tmpfs = /tmp\nmask = /run\n", EINVAL, "/run", "cloister.conf:4");
	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
		cloister_plan_free(good(harmless[i], true, NULL));
}

static void test_parents_first(void **unused)
{
	struct cloister_plan *plan =
		good("bind = /srv/c:/data/a/c\nbind = /srv/a:/data/a\nmask = /data/a/c/secret\n"
	             "bind = /srv/d:/data\nbind = /srv/courses:%h/courses:ro\ntmpfs = %h/courses/tmp\n",
	             true, NULL);
	static const char *const order[] = {"/data",
	                                    "/data/a",
	                                    "/data/a/c",
	                                    "/data/a/c/secret",
	                                    "/home/alice",
	                                    "/home/alice/courses",
	                                    "/home/alice/courses/tmp"};

	(void)unused;
	for (size_t i = 0; i + 1 < sizeof(order) / sizeof(*order); i++) {
		assert_non_null(find(plan, order[i]));
		assert_true(find(plan, order[i]) < find(plan, order[i + 1]));
	}
	cloister_plan_free(plan);
}

static void test_room_below_what_is_hidden(void **unused)
{
	struct cloister_plan *plan =
		good("bind = /mnt/data\nmask = /data\nbind = /srv/x:/data/x\nmask = /other\n", true, NULL);

	(void)unused;
	assert_int_equal(at(plan, "/mnt")->kind, CLOISTER_ROW_TMPFS);
	assert_true(find(plan, "/mnt") < find(plan, "/mnt/data"));
	assert_int_equal(at(plan, "/media")->kind, CLOISTER_ROW_MASK);
	assert_int_equal(at(plan, "/data")->kind, CLOISTER_ROW_TMPFS);
	assert_int_equal(at(plan, "/other")->kind, CLOISTER_ROW_MASK);
	cloister_plan_free(plan);
}

static void test_file_systems_that_are_shown(void **unused)
{
	static const char *const shown[] = {"/usr", "/usr/local", "/opt", "/opt/software", "/opt/cvmfs"};
	static const char *const others[] = {"/opt/chroot/proc",
	                                     "/opt/software/deep",
	                                     "/opt/auto",
	                                     "/opt/mine",
	                                     "/srv",
	                                     "/run/lock",
	                                     "/mnt/backup",
	                                     "/var/lib/docker/overlay2/a/merged"};
	struct cloister_plan *plan = good("", true, machine);

	(void)unused;
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
		const struct cloister_row *row = at(plan, shown[i]);

		assert_int_equal(row->kind, CLOISTER_ROW_BIND);
		assert_string_equal(row->source, shown[i]);
		assert_true(row->flags & CLOISTER_ROW_ALONE);
		assert_int_equal(row->attributes, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_null(find(plan, others[i]));
	assert_true(find(plan, "/usr") < find(plan, "/usr/local"));
	cloister_plan_free(plan);
	/* The configuration's own line takes the place of a row; and another rootfs has nothing to do with it. */
	plan = good("bind = /opt\n", true, machine);
	assert_string_equal(at(plan, "/opt")->origin, "cloister.conf:3");
	cloister_plan_free(plan);
	plan = good("rootfs = /srv/tree\n", true, machine);
	assert_null(find(plan, "/usr"));
	cloister_plan_free(plan);
	plan = good("users = host\n", true, machine);
	assert_true(at(plan, "/usr")->flags & CLOISTER_ROW_ROOT_ONLY);
	cloister_plan_free(plan);
}

/* There "/" comes with all that is mounted below it. */
static void test_file_systems_without_root(void **unused)
{
	struct cloister_plan *plan = good("bind = /srv/courses\n", false, machine);
	static const char *const masked[] = {"/opt/chroot/proc", "/opt/auto", "/opt/mine", "/boot", "/sys"};
	static const char *const covered[] = {"/run/lock", "/mnt/backup", "/var/lib/docker/overlay2/a/merged"};

	(void)unused;
	for (size_t i = 0; i < sizeof(masked) / sizeof(*masked); i++) {
		if (find(plan, masked[i]) == NULL)
			fail_msg("%s is not hidden", masked[i]);
		assert_int_equal(at(plan, masked[i])->kind, CLOISTER_ROW_MASK);
	}
	assert_int_equal(at(plan, "/srv")->kind, CLOISTER_ROW_TMPFS);
	for (size_t i = 0; i < sizeof(covered) / sizeof(*covered); i++)
		assert_null(find(plan, covered[i]));
	assert_null(find(plan, "/usr"));
	assert_null(find(plan, "/opt"));
	cloister_plan_free(plan);
}

static void test_homes_of_others(void **unused)
{
	static const struct {
		const char *home, *hidden;
	} cases[] = {{"/srv/people/alice", "/srv/people"},
	             {"/data/home/a/al/alice", "/data/home"},
	             {"/alice", NULL},
	             {"/var/lib/alice", NULL},
	             {"/opt/alice", NULL},
	             {"/usr/home/alice", NULL},
	             {"/home/students/alice", "/home"},
	             {"/export/home/alice", "/export/home"},
	             {"/home/alice", "/home"}};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(home, sizeof(home), "%s", cases[i].home);
		struct cloister_plan *plan = good("", true, NULL);

		if (cases[i].hidden != NULL) {
			if (find(plan, cases[i].hidden) == NULL)
				fail_msg("%s: %s is not hidden", home, cases[i].hidden);
			assert_int_equal(at(plan, cases[i].hidden)->kind, CLOISTER_ROW_TMPFS);
			assert_true(find(plan, cases[i].hidden) < find(plan, home));
		}
		assert_null(find(plan, "/var"));
		assert_null(find(plan, "/var/lib"));
		assert_null(find(plan, "/opt"));
		assert_null(find(plan, "/usr"));
		cloister_plan_free(plan);
	}
	snprintf(home, sizeof(home), "/home/alice");
}

static void test_private_home(void **unused)
{
	struct cloister_plan *plan = good("home = private\nrootfs = /srv/tree\nwritable = direct\n", true, NULL);
	const struct cloister_row *row = at(plan, "/home/alice");
	struct cloister_error err = {0};

	(void)unused;
	assert_int_equal(row->kind, CLOISTER_ROW_HOME);
	assert_string_equal(row->data, "/var/lib/cloister/users/1000");
	assert_string_equal(row->source, "/etc/skel");
	cloister_plan_free(plan);
	assert_null(build("home = private\n", false, NULL, &err));
	assert_int_equal(err.code, EOPNOTSUPP);
	assert_non_null(strstr(err.text, "home = private without root"));
}

static void compare_golden(const char *name, const char *lines, bool privileged, const char *mounts)
{
	struct cloister_plan *plan = good(lines, privileged, mounts);
	char *text = cloister_plan_text(plan), path[128], expected[65536];

	snprintf(path, sizeof(path), "tests/golden/%s.plan", name);
	if (getenv("CLOISTER_GOLDEN_WRITE") != NULL) {
		FILE *out = fopen(path, "w");

		assert_non_null(out);
		fputs(text, out);
		assert_int_equal(fclose(out), 0);
	}
	FILE *in = fopen(path, "r");
	if (in == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	size_t n = fread(expected, 1, sizeof(expected) - 1, in);
	expected[n] = '\0';
	fclose(in);
	if (strcmp(expected, text) != 0) {
		size_t same = 0;

		while (expected[same] == text[same])
			same++;
		while (same > 0 && text[same - 1] != '\n')
			same--;
		fail_msg("%s: the plan is another now, from here on: %.200s", path, text + same);
	}
	free(text);
	cloister_plan_free(plan);
}

static void test_golden(void **unused)
{
	(void)unused;
	compare_golden("default", "", true, NULL);
	compare_golden("host-with-file-systems", "", true, machine);
	compare_golden("without-root", "", false, machine);
	compare_golden(
		"directory-with-private-home",
		"rootfs = /srv/tree\nwritable = tmpfs\nhome = private\ntmpfs = /tmp:size=1M\ntmpfs = /run\n"
		"bind = /srv/courses:%h/courses:ro\nbind = /srv/data:/data\nmask = /data/secret\nnetwork = host\n",
		true, NULL);
	compare_golden("direct-users-host", "rootfs = /srv/tree\nwritable = direct\nusers = host\nhome = tmpfs\n", true,
	               NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overlaps_name_both_lines),
		cmocka_unit_test(test_places_that_are_refused),
		cmocka_unit_test(test_parents_first),
		cmocka_unit_test(test_room_below_what_is_hidden),
		cmocka_unit_test(test_file_systems_that_are_shown),
		cmocka_unit_test(test_file_systems_without_root),
		cmocka_unit_test(test_homes_of_others),
		cmocka_unit_test(test_private_home),
		cmocka_unit_test(test_golden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
