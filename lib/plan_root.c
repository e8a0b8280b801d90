/* SPDX-License-Identifier: MIT */
/* users = root in a plan: what it needs, its ids and its capabilities. Pure. */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "plan_rows.h"

#define CAP_BIT(capability) (UINT64_C(1) << (capability))

/* What dpkg, apt, apk, adduser and chown were found to need, and no more. chroot(2) is apk's, for each script. */
#define ROOT_CAPABILITIES                                                                             \
	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) | \
	 CAP_BIT(CAP_KILL) | CAP_BIT(CAP_SETGID) | CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SYS_CHROOT))

int cloister_plan_root_check(const struct cloister_policy *policy, const struct cloister_account *account,
                             const struct cloister_plan_facts *facts, struct cloister_error *err)
{
	if (policy->users != CLOISTER_USERS_ROOT || !facts->privileged)
		return 0;
	if (account->uid == 0)
		return cloister_fail(err, EPERM, "policy", NULL, "root cannot be isolated with users = root");
	/* What root inside writes is root's on the disk: no check of owners could tell that it is the user's. */
	if (facts->moves)
		return cloister_fail(err, EPERM, "policy", NULL,
		                     "with users = root the user writes what a login program would load that is not "
		                     "known to fork(2) (entry = process; entry = child says that it does)");
	/* Root inside reads every file of the rootfs that root alone may read: here the host's keys and passwords. */
	if (strcmp(policy->rootfs, "/") == 0)
		return cloister_fail(err, EPERM, "policy", "/",
		                     "users = root needs a rootfs of its own: in the host's own files it would be the "
		                     "owner of every secret");
	return 0;
}

void cloister_plan_root_capabilities(struct cloister_plan *plan, const struct cloister_policy *policy)
{
	uint64_t capabilities = policy->capabilities_set ? policy->capabilities : ROOT_CAPABILITIES;

	if (!plan->root_inside && plan->inside_uid == plan->uid)
		return;
	/* In the session's own user namespace nobody keeps one: it owns the mounts and the network. */
	plan->capabilities = plan->root_inside ? 0 : capabilities;
	plan->root_capabilities = plan->root_inside ? capabilities : 0;
}

int cloister_plan_root_ids(struct cloister_plan *plan, const struct cloister_plan_facts *facts,
                           struct cloister_error *err)
{
	const struct cloister_id_range *range = &facts->range;

	int r = cloister_id_map_root(plan->uid, range->uid_base, range->count, &plan->uid_map, &plan->root_uid_map,
	                             err);
	if (r < 0)
		return r;
	return cloister_id_map_root(plan->gid, range->gid_base, range->count, &plan->gid_map, &plan->root_gid_map, err);
}

void cloister_plan_root_own_ids(struct cloister_plan *plan, const struct cloister_plan_facts *facts)
{
	const struct cloister_id_range *range = &facts->range;

	/* As newuidmap(1) and newgidmap(1) grant it. */
	plan->uid_map = (struct cloister_id_map){.extents = {{0, plan->uid, 1}, {1, range->uid_base, range->count}},
	                                         .n = range->count > 0 ? 2 : 1};
	plan->gid_map = (struct cloister_id_map){.extents = {{0, plan->gid, 1}, {1, range->gid_base, range->count}},
	                                         .n = range->count > 0 ? 2 : 1};
}
