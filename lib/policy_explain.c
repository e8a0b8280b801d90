/* SPDX-License-Identifier: MIT */
/* Which line set each value: the same rules as in policy.c, read the other way round. Pure. */
#include <errno.h>
#include <string.h>

#include "cloister/cleanup.h"
#include "policy_keys.h"

/* A key's lines in sections of one kind: all that count of a repeated key, which an empty value clears, or the last. */
static size_t explain_kind(const struct cloister_config *config, const struct cloister_account *account,
                           enum cloister_section_kind kind, const struct cloister_key *key,
                           struct cloister_setting *settings)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_entries; i++) {
		const struct cloister_config_entry *entry = &config->entries[i];

		if (entry->section != kind || strcmp(entry->key, key->key) != 0 ||
		    !cloister_policy_section_holds(account, kind, entry->name))
			continue;
		bool cleared = n > 0 && *settings[n - 1].value == '\0';
		if (!key->repeated || cleared || *entry->value == '\0')
			n = 0;
		settings[n++] = (struct cloister_setting){key->key, entry->value, entry};
	}
	return n;
}

ssize_t cloister_policy_explain(const struct cloister_config *config, const struct cloister_account *account,
                                struct cloister_setting **settings)
{
	static const enum cloister_section_kind kinds[] = {CLOISTER_SECTION_USER, CLOISTER_SECTION_GROUP,
	                                                   CLOISTER_SECTION_DEFAULT};
	size_t n = 0, n_keys = 0;

	while (cloister_keys[n_keys].key != NULL)
		n_keys++;
	struct cloister_setting _cleanup_free_ *list = calloc(n_keys + config->n_entries, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	for (const struct cloister_key *key = cloister_keys; key->key != NULL; key++) {
		size_t found = 0;

		for (size_t kind = 0; kind < sizeof(kinds) / sizeof(*kinds) && found == 0; kind++)
			found = explain_kind(config, account, kinds[kind], key, list + n);
		if (found == 0)
			list[n + found++] = (struct cloister_setting){key->key, key->standard, NULL};
		n += found;
	}
	*settings = TAKE_PTR(list);
	return (ssize_t)n;
}
