/* SPDX-License-Identifier: MIT */
/* cloister.conf(5) as a file: entries and faults, the policy for three accounts, and the plan of whoever is isolated.
 */
#include "cloister/config.h"
#include "plan_check.h"

static char alice[] = "alice", root[] = "root", staff[] = "staff", home[] = "/home/alice", shell[] = "/bin/bash",
	    nobody[] = "nobody", empty[] = "";
static gid_t groups[] = {1000, 2000}, zero[] = {0};
static char *group_names[] = {alice, staff}, *no_name[] = {NULL};

static const struct cloister_account accounts[] = {
	{alice, 1000, 1000, empty, home, shell, groups, group_names, 2},
	{nobody, 65534, 65534, empty, empty, empty, zero, no_name, 1},
	{root, 0, 0, empty, home, shell, zero, no_name, 1},
};

static void check_plan(const struct cloister_policy *policy, const struct cloister_account *account, bool privileged)
{
	struct cloister_error err = {0};
	struct cloister_plan *plan = NULL;
	const struct cloister_plan_facts facts = {.privileged = privileged,
	                                          .session_id = "alice-01234567",
	                                          .range = {100000, 200000, privileged ? 65536 : 0},
	                                          .init_path = "/usr/libexec/cloister/cloister-init",
	                                          .shell_check = true};

	if (cloister_plan_build(policy, account, &facts, &plan, &err) == 0)
		plan_check_computed(plan);
	else
		FUZZ_REQUIRE(err.code != 0 && *err.text != '\0');
	cloister_plan_free(plan);
}

/* Whether a fault names the account: its own section, or one of a group of its. */
static bool is_named(const struct cloister_config *config, const struct cloister_account *account)
{
	for (size_t i = 0; i < config->n_faults; i++) {
		const struct cloister_config_fault *fault = &config->faults[i];

		if (fault->section == CLOISTER_SECTION_USER && strcmp(fault->name, account->name) == 0)
			return true;
	}
	return false;
}

static void check_account(const struct cloister_config *config, const struct cloister_account *account)
{
	const struct cloister_tokens tokens = {.session_id = "alice-01234567", .host_name = "cell"};
	struct cloister_policy *policy = NULL;
	struct cloister_setting *settings = NULL;
	struct cloister_error err = {0};

	int r = cloister_policy_for_user(config, account, &tokens, &policy, &err);
	FUZZ_REQUIRE(r == 0 ? policy != NULL : err.code == -r && *err.text != '\0');
	FUZZ_REQUIRE(r < 0 || !is_named(config, account));
	if (r == 0 && policy->isolate) {
		check_plan(policy, account, true);
		check_plan(policy, account, false);
	}
	ssize_t n = cloister_policy_explain(config, account, &settings);
	FUZZ_REQUIRE(n > 0);
	for (ssize_t i = 0; i < n; i++)
		FUZZ_REQUIRE(settings[i].key != NULL && settings[i].value != NULL);
	free(settings);
	cloister_policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cloister_config config = {0};
	struct cloister_error err = {0};

	FUZZ_REQUIRE(cloister_config_parse(&config, (const char *)data, size, "cloister.conf", &err) == 0);
	for (size_t i = 0; i < config.n_entries; i++) {
		const struct cloister_config_entry *entry = &config.entries[i];

		FUZZ_REQUIRE(entry->section != CLOISTER_SECTION_NONE && *entry->key != '\0' && entry->line > 0);
		for (const char *c = entry->value; *c != '\0'; c++)
			FUZZ_REQUIRE(((unsigned char)*c >= ' ' && *c != 0x7f) || *c == '\t');
	}
	for (size_t i = 0; i < sizeof(accounts) / sizeof(*accounts); i++)
		check_account(&config, &accounts[i]);
	cloister_config_clear(&config);
	return 0;
}
