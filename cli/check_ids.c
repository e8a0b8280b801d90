/* SPDX-License-Identifier: MIT */
/* The part of cloister check that is about the unprivileged ids of a session: they must be nobody's on the host. */
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>

#include "findings.h"

/* An id that is the same inside and outside is the user's own, or a group of theirs. */
static bool is_shifted(const struct cloister_id_map *map, uint32_t id)
{
	uint32_t inside = cloister_id_map_inside(map, id);

	return inside != UINT32_MAX && inside != id;
}

static void find(const char *kind, const char *name, uint32_t id, struct cli_findings *findings)
{
	cli_find(findings, CLI_WARNING, "ids", NULL,
	         "the range of unprivileged ids holds %s %s (%" PRIu32
	         "): what a session calls root's or another's is theirs",
	         kind, name, id);
	cli_find_advice(findings, "id_range = START:COUNT, or /etc/subuid and /etc/subgid, with ids that nobody has");
}

/* Of the accounts that the name service lists: a directory service may list none, and have them all the same. */
void cli_check_ids(const struct cloister_plan *plan, struct cli_findings *findings)
{
	const struct passwd *account;
	const struct group *group;

	setpwent();
	do {
		account = getpwent();
	} while (account != NULL && !is_shifted(&plan->uid_map, account->pw_uid));
	if (account != NULL)
		find("user", account->pw_name, account->pw_uid, findings);
	endpwent();
	setgrent();
	do {
		group = getgrent();
	} while (group != NULL && !is_shifted(&plan->gid_map, group->gr_gid));
	if (group != NULL)
		find("group", group->gr_name, group->gr_gid, findings);
	endgrent();
}
