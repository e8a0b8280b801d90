/* SPDX-License-Identifier: MIT */
/* One user's account as the host's name service tells it (getpwnam(3), getgrouplist(3)). */
#ifndef CLOISTER_ACCOUNT_H
#define CLOISTER_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cloister/config.h"
#include "cloister/error.h"

struct cloister_account {
	char *name;
	uid_t uid;
	gid_t gid;
	char *gecos;
	char *home;
	char *shell;
	gid_t *groups;      /* every group of the user, the primary one included */
	char **group_names; /* the same order; NULL where a gid has no name */
	size_t n_groups;
};

/*
 * Looks a user up by name, or by uid. Names that could be taken for a path, an option or a log line
 * ("../x", "-rf", control characters, ':', '/') are refused with EINVAL; an unknown user is ENOENT.
 * It also warms the name service, so that no library of it is loaded later, in a session.
 * On success *out is owned by the caller (cloister_account_free).
 */
int cloister_account_by_name(const char *name, struct cloister_account **out, struct cloister_error *err);
int cloister_account_by_uid(uid_t uid, struct cloister_account **out, struct cloister_error *err);

/* Whether an errno of getpwnam(3) or getgrnam(3) says that there is none: some sources report it by one of several,
 * instead of by an empty result. Pure. */
bool cloister_account_is_not_found(int code);

/* Whether a group of this name is one of the account's. Pure. */
bool cloister_account_in_group(const struct cloister_account *account, const char *name);

/*
 * Holds the account's groups against the groups that the configuration names. glibc goes on to the next source when one
 * cannot be read ("files" for want of a descriptor), and if that one has nothing says so with success: a user would
 * not be in the group that isolates them. -EIO: a group says that the user is in it, and the list of the user's
 * groups does not.
 */
int cloister_account_confirm_groups(const struct cloister_account *account, const struct cloister_config *config,
                                    struct cloister_error *err);

/* Frees an account; NULL is allowed. */
void cloister_account_free(struct cloister_account *account);

static inline void cloister_cleanup_account(struct cloister_account **account)
{
	cloister_account_free(*account);
}
#define _cleanup_account_ __attribute__((cleanup(cloister_cleanup_account)))

#endif
