/* SPDX-License-Identifier: MIT */
/*
 * One key and its value, whose tokens stand for what a name service, a machine's name and a session's id may hold.
 * Input, in lines: key, value, user, home, group, session id; the rest is the machine's name.
 */
#include <ctype.h>

#include "cloister/path.h"
#include "fuzz.h"
#include "lib/policy_keys.h"

static void check_path(const char *path)
{
	FUZZ_REQUIRE(path == NULL || cloister_path_is_plain(path));
}

static void check(const struct cloister_policy *policy)
{
	check_path(policy->rootfs);
	check_path(policy->state);
	check_path(policy->shell);
	for (size_t i = 0; i < policy->n_binds; i++) {
		check_path(policy->binds[i].source);
		check_path(policy->binds[i].target);
		FUZZ_REQUIRE(strcmp(policy->binds[i].target, "/") != 0);
	}
	for (size_t i = 0; i < policy->n_tmpfs; i++)
		check_path(policy->tmpfs[i].path);
	for (size_t i = 0; i < policy->n_masks; i++)
		check_path(policy->masks[i].path);
	FUZZ_REQUIRE(*policy->hostname != '\0' && strlen(policy->hostname) <= 64);
	for (const char *c = policy->hostname; *c != '\0'; c++)
		FUZZ_REQUIRE(isalnum((unsigned char)*c) || *c == '-' || *c == '.');
	FUZZ_REQUIRE(policy->network_name == NULL || strchr(policy->network_name, '/') == NULL);
	FUZZ_REQUIRE(policy->timeout >= 1 && policy->timeout <= 600);
	FUZZ_REQUIRE((uint64_t)policy->id_base + policy->id_count <= UINT32_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	char *key = fuzz_part(&input, '\n'), *value = fuzz_part(&input, '\n'), *name = fuzz_part(&input, '\n'),
	     *home = fuzz_part(&input, '\n'), *group = fuzz_part(&input, '\n'), *id = fuzz_part(&input, '\n'),
	     *host = fuzz_rest(&input), empty[] = "";
	gid_t gid = 1000;
	const struct cloister_account account = {name, 1000, 1000, empty, home, empty, &gid, &group, 1};
	const struct cloister_tokens tokens = {.session_id = id, .host_name = host};
	const struct cloister_expansion expansion = {.account = &account, .group = group, .tokens = &tokens};
	struct cloister_error err = {0};
	/* Only %U and %H are in the defaults: they do for everybody. */
	struct cloister_policy *policy = cloister_policy_defaults(&expansion, &err);

	FUZZ_REQUIRE(policy != NULL);
	for (int i = 0; i < 2; i++) {
		int r = cloister_policy_set(policy, key, value, &expansion, &err);

		FUZZ_REQUIRE(r == 0 || err.code == -r);
		check(policy);
	}
	(void)cloister_policy_check_value(key, value, &err);
	cloister_policy_free(policy);
	free(key);
	free(value);
	free(name);
	free(home);
	free(group);
	free(id);
	free(host);
	return 0;
}
