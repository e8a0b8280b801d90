/* SPDX-License-Identifier: MIT */
/* The part of cloister check that is about whom the sections are for: a name that is wrong isolates nobody. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "findings.h"

static bool came_before(const struct cloister_config *config, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (config->entries[i].section == config->entries[at].section &&
		    strcmp(config->entries[i].name, config->entries[at].name) == 0)
			return true;
	}
	return false;
}

void cli_check_names(const struct cloister_config *config, struct cli_findings *findings)
{
	for (size_t i = 0; i < config->n_entries; i++) {
		const struct cloister_config_entry *entry = &config->entries[i];
		bool is_group = entry->section == CLOISTER_SECTION_GROUP;
		char where[PATH_MAX + 16];

		if ((!is_group && entry->section != CLOISTER_SECTION_USER) || came_before(config, i))
			continue;
		errno = 0;
		if (is_group ? getgrnam(entry->name) != NULL : getpwnam(entry->name) != NULL)
			continue;
		int code = errno;
		const char *kind = is_group ? "group" : "user";
		snprintf(where, sizeof(where), "%s:%u", entry->file, entry->line);
		if (cloister_account_is_not_found(code))
			cli_find(findings, CLI_WARNING, "configuration", where,
			         "%s: there is no %s %s: its section is for nobody", where, kind, entry->name);
		else
			cli_find(findings, CLI_WARNING, "configuration", where, "%s: %s %s cannot be looked up: %s",
			         where, kind, entry->name, strerror(code));
	}
}
