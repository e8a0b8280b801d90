/* SPDX-License-Identifier: MIT */
/* Files of the registry and /proc/PID/stat. Input: the entry, and behind a byte 0x1e what is looked for in it. */
#include <errno.h>

#include "cloister/number.h"
#include "fuzz.h"
#include "lib/registry_entries.h"

static bool is_cut_text(const char *text, size_t size)
{
	return strnlen(text, size) < size && strchr(text, '\n') == NULL;
}

static void check_session(const char *text)
{
	static struct cloister_registered session;

	cloister_registry_parse_session("alice-01234567", text, 7, &session);
	FUZZ_REQUIRE(session.pidfd == 7 && is_cut_text(session.user, sizeof(session.user)));
	FUZZ_REQUIRE(is_cut_text(session.rootfs, sizeof(session.rootfs)));
	FUZZ_REQUIRE(is_cut_text(session.network, sizeof(session.network)));
}

static void check_processes(const char *text)
{
	uint64_t start = 0, inode = 0, ticks = 0;
	pid_t pid = 0, init = 0;
	struct cloister_login login = {0};
	char value[16];

	if (cloister_registry_parse_init(text, &init, &start, &inode) == 0)
		FUZZ_REQUIRE(init > 1);
	if (cloister_registry_parse_login(text, &login, &start) == 0) {
		pid = login.pid;
		FUZZ_REQUIRE(pid > 1 && is_cut_text(login.service, sizeof(login.service)));
		FUZZ_REQUIRE(is_cut_text(login.tty, sizeof(login.tty)));
		FUZZ_REQUIRE(is_cut_text(login.remote_host, sizeof(login.remote_host)));
	}
	/* One and the same process for both. */
	FUZZ_REQUIRE(pid == 0 || init == 0 || pid == init);
	(void)cloister_registry_parse_stat(text, &ticks);
	cloister_registry_text(text, "session", value, sizeof(value));
	FUZZ_REQUIRE(is_cut_text(value, sizeof(value)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size < CLOISTER_REGISTRY_ENTRY_MAX ? size : CLOISTER_REGISTRY_ENTRY_MAX - 1};
	char *text = fuzz_part(&input, 0x1e), *wanted = fuzz_rest(&input);

	check_session(text);
	check_processes(text);
	/* As it is asked: "\nstate=...\nrootfs=...\nids=...\n". */
	if (wanted[0] == '\n') {
		int r = cloister_registry_same_overlay(text, wanted);

		FUZZ_REQUIRE(r == 1 || r == 0 || r == -EBUSY);
		FUZZ_REQUIRE((r == 1) == (strstr(text, wanted) != NULL));
	}
	free(text);
	free(wanted);
	return 0;
}
