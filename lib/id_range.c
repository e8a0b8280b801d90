/* SPDX-License-Identifier: MIT */
/* Where the unprivileged range of a user comes from. */
#include <errno.h>

#include "cloister/ids.h"
#include "subordinate.h"

static int find_subordinate(const struct cloister_account *account, struct cloister_id_range *range,
                            struct cloister_error *err)
{
	uint32_t uid_base = 0, gid_base = 0;

	/* A list that cannot be read is no empty one: the user would come into the range that others share. */
	int r = cloister_subordinate_find(account, CLOISTER_ID_COUNT_DEFAULT, &uid_base, &gid_base, err);
	if (r == 0 && uid_base != 0 && gid_base != 0)
		*range = (struct cloister_id_range){uid_base, gid_base, CLOISTER_ID_COUNT_DEFAULT};
	return r;
}

/*
 * users = root: the user is every id of the range at will, and can leave set-user-ID files of them in a home, where the
 * host's users find them. A range that others share would be theirs, too: one for each uid, above the shared one.
 */
static int own_default_range(uid_t uid, struct cloister_id_range *range, struct cloister_error *err)
{
	const uint32_t most = (UINT32_MAX - CLOISTER_ID_BASE_DEFAULT) / CLOISTER_ID_COUNT_DEFAULT - 1;

	if (uid == 0 || uid > most)
		return cloister_fail(err, ENOENT, "ids", CLOISTER_SUBUID_FILE,
		                     "users = root needs a range of the user's own: usermod --add-subuids and "
		                     "--add-subgids, or id_range");
	uint32_t base = CLOISTER_ID_BASE_DEFAULT + uid * CLOISTER_ID_COUNT_DEFAULT;
	*range = (struct cloister_id_range){base, base, CLOISTER_ID_COUNT_DEFAULT};
	return 0;
}

int cloister_id_range_find(const struct cloister_policy *policy, const struct cloister_account *account, int privileged,
                           struct cloister_id_range *range, struct cloister_error *err)
{
	struct cloister_id_range found = {0, 0, 0};
	int r = 0;

	if (policy->id_count != 0 && privileged)
		found = (struct cloister_id_range){policy->id_base, policy->id_base, policy->id_count};
	else
		r = find_subordinate(account, &found, err);
	if (r < 0)
		return r;
	if (found.count == 0 && privileged && policy->users == CLOISTER_USERS_ROOT && account->uid != 0) {
		r = own_default_range(account->uid, &found, err);
		if (r < 0)
			return r;
	}
	if (found.count == 0 && privileged)
		found = (struct cloister_id_range){CLOISTER_ID_BASE_DEFAULT, CLOISTER_ID_BASE_DEFAULT,
		                                   CLOISTER_ID_COUNT_DEFAULT};
	if (privileged &&
	    (account->uid >= CLOISTER_OUTSIDE_ID_BASE || found.uid_base > CLOISTER_OUTSIDE_ID_BASE - found.count))
		return cloister_fail(err, ERANGE, "ids", NULL,
		                     "ids of %s are among those from %u on, which no session may have", account->name,
		                     CLOISTER_OUTSIDE_ID_BASE);
	*range = found;
	return 0;
}
