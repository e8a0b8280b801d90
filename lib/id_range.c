/* SPDX-License-Identifier: MIT */
/* Where the unprivileged range of a user comes from. */
#include <errno.h>
#include <shadow/subid.h>
#include <stdio.h>

#include "cloister/cleanup.h"
#include "cloister/ids.h"

/* The first range that is large enough; 0 when there is none. */
static uint32_t first_large(struct subid_range *ranges, int n)
{
	for (int i = 0; i < n; i++) {
		if (ranges[i].count >= CLOISTER_ID_COUNT_DEFAULT && ranges[i].start > 0 &&
		    ranges[i].start <= UINT32_MAX - CLOISTER_ID_COUNT_DEFAULT)
			return (uint32_t)ranges[i].start;
	}
	return 0;
}

/* Where the large range of one kind begins; *base is 0 when there is none. A list that cannot be read is no empty one:
 * the user would come into the range that others share. */
static int find_base(int (*list)(const char *name, struct subid_range **ranges), const char *file, const char *name,
                     uint32_t *base, struct cloister_error *err)
{
	struct subid_range *ranges = NULL;

	errno = 0;
	int n = list(name, &ranges);
	int code = errno;
	*base = first_large(ranges, n);
	free(ranges);
	/* Without an errno a source of nsswitch.conf does not know the user. */
	return n < 0 && code != 0 && code != ENOENT ? cloister_fail(err, code, "ids", file, "cannot read") : 0;
}

static int find_subordinate(const char *name, struct cloister_id_range *range, struct cloister_error *err)
{
	uint32_t uid_base = 0, gid_base = 0;

	int r = find_base(subid_get_uid_ranges, "/etc/subuid", name, &uid_base, err);
	if (r == 0)
		r = find_base(subid_get_gid_ranges, "/etc/subgid", name, &gid_base, err);
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
		return cloister_fail(err, ENOENT, "ids", "/etc/subuid",
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
	/* libsubid tells what it misses on stderr unless it is given another stream, and stderr is the login program's.
	 */
	FILE _cleanup_fclose_ *silence = fopen("/dev/null", "we");

	if (silence == NULL)
		return cloister_fail(err, errno, "ids", "/dev/null", "cannot open");
	int r = 0;
	if (policy->id_count != 0 && privileged)
		found = (struct cloister_id_range){policy->id_base, policy->id_base, policy->id_count};
	else if (subid_init("cloister", silence))
		r = find_subordinate(account->name, &found, err);
	else
		r = cloister_fail(err, ENOMEM, "ids", NULL, "cannot start libsubid");
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
	*range = found;
	return 0;
}
