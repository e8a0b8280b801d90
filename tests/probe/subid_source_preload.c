/* SPDX-License-Identifier: MIT */
/* A source of subordinate ids beside the files, as SSSD brings one for libsubid: "subid: test" in nsswitch.conf. It
 * knows iris, and cannot be reached while /run/subid-source-fails is there. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shadow/subid.h>

enum subid_status shadow_subid_has_range(const char *owner, unsigned long start, unsigned long count,
                                         enum subid_type type, bool *result)
{
	(void)type;
	*result = strcmp(owner, "iris") == 0 && start >= 700000 && start + count <= 765536;
	return SUBID_STATUS_SUCCESS;
}

enum subid_status shadow_subid_list_owner_ranges(const char *owner, enum subid_type type, struct subid_range **ranges,
                                                 int *count)
{
	(void)type;
	*count = 0;
	/* What is left of a failed connect(2): libsubid has one answer for this and for an unknown user. */
	if (access("/run/subid-source-fails", F_OK) == 0) {
		errno = ECONNREFUSED;
		return SUBID_STATUS_ERROR_CONN;
	}
	if (strcmp(owner, "iris") != 0)
		return SUBID_STATUS_UNKNOWN_USER;
	*ranges = malloc(sizeof(**ranges));
	if (*ranges == NULL)
		return SUBID_STATUS_ERROR;
	(*ranges)[0] = (struct subid_range){700000, 65536};
	*count = 1;
	return SUBID_STATUS_SUCCESS;
}

enum subid_status shadow_subid_find_subid_owners(unsigned long id, enum subid_type type, uid_t **uids, int *count)
{
	(void)id;
	(void)type;
	(void)uids;
	*count = 0;
	return SUBID_STATUS_SUCCESS;
}
