/* SPDX-License-Identifier: MIT */
/* The line of an event: what it says, and that no value can be more than a value. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cloister/audit.h"

static char line[CLOISTER_AUDIT_LINE_MAX];

static struct cloister_audit event(enum cloister_audit_event kind)
{
	const struct cloister_login login = {.service = "sshd", .tty = "ssh", .remote_host = "192.0.2.1"};
	struct cloister_audit audit;

	cloister_audit_begin(&audit, "iris", 1001, &login);
	audit.event = kind;
	snprintf(audit.session, sizeof(audit.session), "iris-1a2b3c4d");
	snprintf(audit.rootfs, sizeof(audit.rootfs), "/");
	snprintf(audit.network, sizeof(audit.network), "none");
	audit.init = 4711;
	for (size_t i = 0; i < CLOISTER_NAMESPACE_KINDS; i++)
		audit.namespaces[i] = 4026532300 + i;
	return audit;
}

/* What a program that splits the line at its double quotes finds behind key: the n-th one. NULL: there is none. */
static const char *value_of(const char *key, unsigned n)
{
	static char value[CLOISTER_AUDIT_LINE_MAX];
	char copy[CLOISTER_AUDIT_LINE_MAX], *rest = copy;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *before; (before = strsep(&rest, "\"")) != NULL;) {
		const char *inside = strsep(&rest, "\"");
		char *name = strrchr(before, ' ');

		if (inside == NULL)
			return NULL;
		name = name != NULL ? name + 1 : before;
		if (strlen(name) == strlen(key) + 1 && strncmp(name, key, strlen(key)) == 0 && n-- == 0) {
			snprintf(value, sizeof(value), "%s", inside);
			return value;
		}
	}
	return NULL;
}

static size_t count(const char *text, char wanted)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == wanted;
	return n;
}

static void test_start(void **state)
{
	struct cloister_audit audit = event(CLOISTER_AUDIT_START);

	(void)state;
	assert_string_equal(cloister_audit_line(&audit, line, sizeof(line)),
	                    "session iris-1a2b3c4d of iris started; event=\"start\" session=\"iris-1a2b3c4d\" "
	                    "user=\"iris\" uid=\"1001\" service=\"sshd\" tty=\"ssh\" rhost=\"192.0.2.1\" "
	                    "init=\"4711\" network=\"none\" userns=\"4026532300\" mntns=\"4026532301\" "
	                    "pidns=\"4026532302\" utsns=\"4026532303\" ipcns=\"4026532304\" cgroupns=\"4026532305\" "
	                    "netns=\"4026532306\" rootfs=\"/\"");
}

static void test_namespaces_have_their_names(void **state)
{
	static const char *const keys[] = {"user", "mnt", "pid", "uts", "ipc", "cgroup", "net"};

	(void)state;
	for (size_t i = 0; i < CLOISTER_NAMESPACE_KINDS; i++)
		assert_string_equal(cloister_namespace_kinds[i].name, keys[i]);
}

static void test_end(void **state)
{
	struct cloister_audit audit = event(CLOISTER_AUDIT_END);

	(void)state;
	audit.duration = 61007;
	audit.status = 3 << 8;
	audit.memory_peak = 1048576;
	audit.oom_kills = 0;
	snprintf(audit.reason, sizeof(audit.reason), "logout");
	cloister_audit_line(&audit, line, sizeof(line));
	assert_non_null(strstr(line, "session iris-1a2b3c4d ended; event=\"end\""));
	assert_string_equal(value_of("duration", 0), "61.007");
	assert_string_equal(value_of("exit", 0), "3");
	assert_string_equal(value_of("memory_peak", 0), "1048576");
	assert_string_equal(value_of("oom_kills", 0), "0");
	assert_string_equal(value_of("reason", 0), "logout");
	audit.status = 9;
	audit.memory_peak = -1;
	audit.oom_kills = -1;
	cloister_audit_line(&audit, line, sizeof(line));
	assert_string_equal(value_of("signal", 0), "9");
	assert_null(value_of("exit", 0));
	assert_null(value_of("memory_peak", 0));
	assert_null(value_of("oom_kills", 0));
}

static void test_refuse(void **state)
{
	struct cloister_audit audit;
	struct cloister_error err = {0};

	(void)state;
	cloister_fail(&err, ENOENT, "rootfs", "/srv/x", "cannot open");
	cloister_audit_begin(&audit, "iris", 1001, NULL);
	cloister_audit_refused(&audit, &err);
	assert_string_equal(cloister_audit_line(&audit, line, sizeof(line)),
	                    "session for iris refused: rootfs: cannot open: /srv/x: No such file or directory (errno "
	                    "ENOENT); event=\"refuse\" user=\"iris\" uid=\"1001\" step=\"rootfs\" errno=\"ENOENT\" "
	                    "path=\"/srv/x\"");
}

/* The texts that come from outside, each of which would like to be root's, or a line of its own. */
static void test_hostile_values(void **state)
{
	static const char *const hostile[] = {"\" uid=\"0\" x=\"",
	                                      "x\nevent=\"start\" user=\"root\"",
	                                      "\x1b[2J\x1b]0;x\x07",
	                                      "\\\" uid=\"0",
	                                      "\\",
	                                      "a b=c uid=0 user=root",
	                                      "\xc2\x9b"
	                                      "31m",
	                                      "\xff\xfe\x80",
	                                      "\xe2\x80\xae"
	                                      "drowssap",
	                                      "\r\x7f\x01",
	                                      "\xe2\x80\xa8line"};

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		struct cloister_audit audit = event(CLOISTER_AUDIT_REFUSE);
		char *const fields[] = {audit.user,        audit.service, audit.tty,
		                        audit.remote_host, audit.rootfs,  audit.session};

		for (size_t field = 0; field < sizeof(fields) / sizeof(*fields); field++)
			snprintf(fields[field], CLOISTER_AUDIT_VALUE_MAX, "%s", hostile[i]);
		cloister_fail(&audit.error, ENOENT, hostile[i], hostile[i], "%s", hostile[i]);
		cloister_audit_line(&audit, line, sizeof(line));
		for (const char *at = line; *at != '\0'; at++) {
			assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
			assert_true((unsigned char)*at < 0x80);
		}
		assert_null(value_of("uid", 1));
		assert_string_equal(value_of("uid", 0), "1001");
		assert_string_equal(value_of("event", 0), "refuse");
		assert_null(value_of("event", 1));
		assert_null(value_of("x", 0));
		/* 8 texts, the network, 2 numbers, an errno, 7 namespaces and the event. */
		assert_int_equal(count(line, '"'), 2 * (8 + 1 + 2 + 1 + 7 + 1));
	}
}

static void test_names_stay_readable(void **state)
{
	struct cloister_audit audit = event(CLOISTER_AUDIT_START);

	(void)state;
	snprintf(audit.user, sizeof(audit.user), "ir\xc3\xads");
	snprintf(audit.rootfs, sizeof(audit.rootfs), "/a\"b\\c\xff");
	cloister_audit_line(&audit, line, sizeof(line));
	assert_string_equal(value_of("user", 0), "ir\xc3\xads");
	assert_string_equal(value_of("rootfs", 0), "/a\\x22b\\x5cc\\xff");
}

/* A line is cut between values, never in one, and what comes first in it is there. */
static void test_very_long(void **state)
{
	struct cloister_audit audit;
	struct cloister_login login;
	char text[5000];

	(void)state;
	memset(text, '\x01', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(&login, '\n', sizeof(login));
	login.service[sizeof(login.service) - 1] = '\0';
	login.tty[sizeof(login.tty) - 1] = '\0';
	login.remote_host[sizeof(login.remote_host) - 1] = '\0';
	cloister_audit_begin(&audit, text, 1001, &login);
	cloister_fail(&audit.error, ENOENT, text, text, "%s", text);
	audit.event = CLOISTER_AUDIT_REFUSE;
	for (size_t size = 0; size <= sizeof(line); size++) {
		memset(line, '"', sizeof(line));
		cloister_audit_line(&audit, line, size);
		if (size == 0)
			continue;
		assert_true(strlen(line) < size);
		assert_int_equal(count(line, '"') % 2, 0);
	}
	assert_string_equal(value_of("event", 0), "refuse");
	assert_string_equal(value_of("uid", 0), "1001");
	assert_string_equal(value_of("errno", 0), "ENOENT");
	/* One that was cut says so. */
	memset(text, 'x', sizeof(text) - 1);
	cloister_audit_begin(&audit, text, 1001, NULL);
	audit.event = CLOISTER_AUDIT_START;
	cloister_audit_line(&audit, line, sizeof(line));
	assert_string_equal(value_of("user", 0) + CLOISTER_AUDIT_VALUE_MAX - 1 - 4, "x...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_namespaces_have_their_names),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_hostile_values),
		cmocka_unit_test(test_names_stay_readable),
		cmocka_unit_test(test_very_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
