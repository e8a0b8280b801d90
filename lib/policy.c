/* SPDX-License-Identifier: MIT */
/* Which lines of the configuration hold for a user, and whom a broken one concerns. */
#include "cloister/policy.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cloister/cleanup.h"
#include "policy_keys.h"

bool cloister_policy_section_holds(const struct cloister_account *account, enum cloister_section_kind section,
                                   const char *name)
{
	switch (section) {
	case CLOISTER_SECTION_NONE:
	case CLOISTER_SECTION_DEFAULT:
		return account->uid != 0;
	case CLOISTER_SECTION_GROUP:
		return account->uid != 0 && cloister_account_in_group(account, name);
	case CLOISTER_SECTION_USER:
		return strcmp(account->name, name) == 0;
	default:
		return false;
	}
}

/* What is wrong, in the order found: for those whom a section names, and for everybody else who is isolated. */
struct verdict {
	struct cloister_error named, general;
};

static void note_fault(struct verdict *verdict, enum cloister_section_kind section, const char *file, unsigned line,
                       const char *text)
{
	bool named = section == CLOISTER_SECTION_GROUP || section == CLOISTER_SECTION_USER;
	struct cloister_error *err = named ? &verdict->named : &verdict->general;

	if (err->code == 0)
		cloister_fail(err, EINVAL, "configuration", file, "line %u: %s", line, text);
}

static void note_faults(const struct cloister_config *config, const struct cloister_account *account,
                        struct verdict *verdict)
{
	for (size_t i = 0; i < config->n_faults; i++) {
		const struct cloister_config_fault *fault = &config->faults[i];

		if (cloister_policy_section_holds(account, fault->section, fault->name))
			note_fault(verdict, fault->section, fault->file, fault->line, fault->text);
	}
}

/* The lines of one kind of section. The first line of a list key takes the place of a less specific kind's list. */
static void apply_kind(const struct cloister_config *config, const struct cloister_expansion *expansion,
                       enum cloister_section_kind kind, struct cloister_policy *policy, struct verdict *verdict)
{
	bool replaced[64] = {false};

	for (size_t i = 0; i < config->n_entries; i++) {
		const struct cloister_config_entry *entry = &config->entries[i];
		struct cloister_error err = {0};

		if (entry->section != kind || !cloister_policy_section_holds(expansion->account, kind, entry->name))
			continue;
		for (size_t key = 0; key < 64 && cloister_keys[key].key != NULL; key++) {
			if (cloister_keys[key].repeated && !replaced[key] &&
			    strcmp(cloister_keys[key].key, entry->key) == 0) {
				cloister_policy_clear_list(policy, entry->key);
				replaced[key] = true;
			}
		}
		char origin[PATH_MAX + 16];
		struct cloister_expansion here = *expansion;
		snprintf(origin, sizeof(origin), "%s:%u", entry->file, entry->line);
		here.origin = origin;
		if (cloister_policy_set(policy, entry->key, entry->value, &here, &err) < 0) {
			char text[300];

			snprintf(text, sizeof(text), "%.100s = %.100s: %.90s", entry->key, entry->value, err.text);
			note_fault(verdict, kind, entry->file, entry->line, text);
		}
	}
}

static const char *primary_group(const struct cloister_account *account, char *number, size_t size)
{
	for (size_t i = 0; i < account->n_groups; i++) {
		if (account->groups[i] == account->gid && account->group_names[i] != NULL)
			return account->group_names[i];
	}
	snprintf(number, size, "%u", account->gid);
	return number;
}

static int evaluate(const struct cloister_config *config, const struct cloister_account *account,
                    const struct cloister_tokens *tokens, struct cloister_policy **out, struct cloister_error *err)
{
	char number[16];
	struct verdict verdict = {0};
	const struct cloister_expansion expansion = {.account = account,
	                                             .group = primary_group(account, number, sizeof(number)),
	                                             .tokens = tokens};
	struct cloister_policy *policy = cloister_policy_defaults(&expansion, err);

	if (policy == NULL)
		return -EINVAL;
	note_faults(config, account, &verdict);
	apply_kind(config, &expansion, CLOISTER_SECTION_DEFAULT, policy, &verdict);
	apply_kind(config, &expansion, CLOISTER_SECTION_GROUP, policy, &verdict);
	apply_kind(config, &expansion, CLOISTER_SECTION_USER, policy, &verdict);

	const struct cloister_error *reason = NULL;
	if (verdict.named.code != 0)
		reason = &verdict.named;
	else if (verdict.general.code != 0 && policy->isolate)
		reason = &verdict.general;
	if (reason != NULL) {
		cloister_policy_free(policy);
		return cloister_fail(err, reason->code, reason->step, reason->path, "%s", reason->text);
	}
	*out = policy;
	return 0;
}

int cloister_policy_for_user(const struct cloister_config *config, const struct cloister_account *account,
                             const struct cloister_tokens *tokens, struct cloister_policy **out,
                             struct cloister_error *err)
{
	struct cloister_policy *policy = NULL;
	int r = evaluate(config, account, tokens, &policy, err);

	if (r < 0)
		return r;
	if (policy->scope == CLOISTER_SCOPE_USER && strcmp(tokens->session_id, account->name) != 0) {
		/* The session is the user's: a new number with each login would make each a session of its own. */
		const struct cloister_tokens of_user = {.session_id = account->name, .host_name = tokens->host_name};

		cloister_policy_free(policy);
		policy = NULL;
		r = evaluate(config, account, &of_user, &policy, err);
		if (r < 0)
			return r;
	}
	*out = policy;
	return 0;
}

int cloister_policy_check_value(const char *key, const char *value, struct cloister_error *err)
{
	char name[] = "user", home[] = "/home/user", shell[] = "/bin/sh", gecos[] = "";
	const struct cloister_account account = {
		.name = name, .uid = 1000, .gid = 1000, .gecos = gecos, .home = home, .shell = shell};
	const struct cloister_tokens tokens = {.session_id = "user-00000000", .host_name = "host"};
	const struct cloister_expansion expansion = {.account = &account, .group = "user", .tokens = &tokens};
	struct cloister_policy *policy = cloister_policy_defaults(&expansion, err);

	if (policy == NULL)
		return -EINVAL;
	int r = cloister_policy_set(policy, key, value, &expansion, err);
	cloister_policy_free(policy);
	return r;
}

void cloister_policy_transfer_only(struct cloister_policy *policy)
{
	policy->network = CLOISTER_NETWORK_NONE;
	cloister_policy_clear_list(policy, "publish");
	policy->scope = CLOISTER_SCOPE_SESSION;
	policy->linger = 0;
}
