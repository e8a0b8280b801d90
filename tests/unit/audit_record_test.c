/* SPDX-License-Identifier: MIT */
/* The text of an audit record, and that nothing in it can be another field. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cloister/audit.h"

static char text[CLOISTER_AUDIT_RECORD_MAX];

static struct cloister_audit event(enum cloister_audit_event kind, const char *user, const char *host)
{
	struct cloister_login login = {.service = "sshd"};
	struct cloister_audit audit;

	snprintf(login.remote_host, sizeof(login.remote_host), "%s", host);
	cloister_audit_begin(&audit, user, 1001, &login);
	audit.event = kind;
	snprintf(audit.session, sizeof(audit.session), "iris-1a2b3c4d");
	snprintf(audit.rootfs, sizeof(audit.rootfs), "/");
	audit.init = 4711;
	return audit;
}

static void test_start(void **state)
{
	struct cloister_audit audit = event(CLOISTER_AUDIT_START, "iris", "192.0.2.1");

	(void)state;
	assert_string_equal(
		cloister_audit_record(&audit, text, sizeof(text)),
		"virt=cloister op=start reason=login vm=\"iris-1a2b3c4d\" vm-pid=4711 acct=\"iris\" id=1001 "
		"service=\"sshd\" rhost=\"192.0.2.1\" rootfs=\"/\"");
	assert_true(cloister_audit_succeeded(&audit));
}

static void test_end(void **state)
{
	struct cloister_audit audit = event(CLOISTER_AUDIT_END, "iris", "192.0.2.1");

	(void)state;
	snprintf(audit.reason, sizeof(audit.reason), "cloister kill");
	cloister_audit_record(&audit, text, sizeof(text));
	assert_non_null(strstr(text, "virt=cloister op=stop reason=cloister-kill vm="));
}

static void test_refuse(void **state)
{
	struct cloister_audit audit;
	struct cloister_error err = {0};

	(void)state;
	cloister_audit_begin(&audit, "iris", 1001, NULL);
	cloister_fail(&err, ENOENT, "host name", NULL, "x");
	cloister_audit_refused(&audit, &err);
	assert_string_equal(
		cloister_audit_record(&audit, text, sizeof(text)),
		"virt=cloister op=start reason=host-name vm=\"?\" vm-pid=0 acct=\"iris\" id=1001 service=\"\" "
		"rhost=\"?\" rootfs=\"?\"");
	assert_false(cloister_audit_succeeded(&audit));
}

/* As audit_encode_nv_string(3) has it. */
static void test_hostile_values(void **state)
{
	static const char *const hostile[] = {"x acct=root", "x\"", "\n", "\x1b[2J", "\xff", " "};

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		struct cloister_audit audit = event(CLOISTER_AUDIT_START, hostile[i], hostile[i]);
		char hexadecimal[64] = "";
		size_t blanks = 0, quotes = 0;

		for (const char *at = hostile[i]; *at != '\0'; at++)
			sprintf(hexadecimal + strlen(hexadecimal), "%02X", (unsigned char)*at);
		cloister_audit_record(&audit, text, sizeof(text));
		assert_non_null(strstr(text, hexadecimal));
		for (const char *at = text; *at != '\0'; at++) {
			blanks += *at == ' ';
			quotes += *at == '"';
			assert_true(*at >= 0x20 && *at < 0x7f);
		}
		assert_int_equal(blanks, 9);
		assert_int_equal(quotes, 6);
	}
}

static void test_very_long(void **state)
{
	struct cloister_audit audit = event(CLOISTER_AUDIT_REFUSE, "", "");
	char *const fields[] = {audit.user, audit.service, audit.remote_host, audit.rootfs, audit.session};

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		memset(fields[i], ' ', CLOISTER_AUDIT_VALUE_MAX - 1);
		fields[i][CLOISTER_AUDIT_VALUE_MAX - 1] = '\0';
	}
	cloister_audit_record(&audit, text, sizeof(text));
	/* Whole. */
	assert_non_null(strstr(text, "rootfs=2020"));
	assert_int_equal(strlen(strstr(text, "rootfs=")), strlen("rootfs=") + 2 * (CLOISTER_AUDIT_VALUE_MAX - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_start), cmocka_unit_test(test_end),
	                                   cmocka_unit_test(test_refuse), cmocka_unit_test(test_hostile_values),
	                                   cmocka_unit_test(test_very_long)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
