/* SPDX-License-Identifier: MIT */
/* Looking up a user and all of their groups in the host's name service. */
#include "cloister/account.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloister/cleanup.h"

/* A record larger than this is a broken or hostile directory server's, not a user's. */
#define RECORD_SIZE_FIRST 4096U
#define RECORD_SIZE_MAX   (16U * 1024U * 1024U)

static const char step[] = "account";

static bool name_is_safe(const char *name)
{
	size_t length = strnlen(name, LOGIN_NAME_MAX);

	/* What begins with a dot is hidden in the registry, as an entry that is not written yet. */
	if (length == 0 || length >= LOGIN_NAME_MAX || name[0] == '-' || name[0] == '.')
		return false;
	for (const char *c = name; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '/' || *c == ':')
			return false;
	}
	return true;
}

bool cloister_account_is_not_found(int code)
{
	return code == 0 || code == ENOENT || code == ESRCH || code == EBADF || code == EPERM;
}

/* Doubles a buffer for a record that did not fit. */
static int grow(char **buffer, size_t *size)
{
	size_t larger = *size == 0 ? RECORD_SIZE_FIRST : *size * 2;

	if (larger > RECORD_SIZE_MAX)
		return ERANGE;
	free(*buffer);
	*buffer = malloc(larger);
	*size = *buffer != NULL ? larger : 0;
	return *buffer != NULL ? 0 : ENOMEM;
}

/* Returns 0 with *found NULL for a user that does not exist, else a positive errno. name NULL: by uid. */
static int find_user(const char *name, uid_t uid, struct passwd *record, char **buffer, struct passwd **found)
{
	size_t size = 0;
	int code = ERANGE;

	*found = NULL;
	while (code == ERANGE) {
		code = grow(buffer, &size);
		if (code != 0)
			return code;
		code = name != NULL ? getpwnam_r(name, record, *buffer, size, found)
		                    : getpwuid_r(uid, record, *buffer, size, found);
	}
	return *found == NULL && cloister_account_is_not_found(code) ? 0 : code;
}

/* *name stays NULL for a group without a name. Returns a positive errno. */
static int find_group_name(gid_t gid, char **name)
{
	char _cleanup_free_ *buffer = NULL;
	struct group record, *found = NULL;
	size_t size = 0;
	int code = ERANGE;

	while (code == ERANGE) {
		code = grow(&buffer, &size);
		if (code != 0)
			return code;
		code = getgrgid_r(gid, &record, buffer, size, &found);
	}
	if (found == NULL)
		return cloister_account_is_not_found(code) ? 0 : code;
	*name = strdup(record.gr_name);
	return *name != NULL ? 0 : ENOMEM;
}

/* Returns a positive errno. */
static int list_groups(struct cloister_account *account)
{
	int n = 64, written = -1;

	while (written < 0) {
		int asked = n;
		gid_t *larger = reallocarray(account->groups, (size_t)n, sizeof(*larger));

		if (larger == NULL)
			return ENOMEM;
		account->groups = larger;
		written = getgrouplist(account->name, account->gid, account->groups, &n);
		/* NGROUPS_MAX groups are all that setgroups(2) would take, and the primary one comes on top. */
		if (written < 0 && (n <= asked || n > NGROUPS_MAX + 1))
			return E2BIG;
	}
	account->n_groups = (size_t)written;
	return 0;
}

/* A group whose name is unknown because a server is down may be one that isolates the user: that is an error. */
static int name_groups(struct cloister_account *account)
{
	account->group_names = calloc(account->n_groups + 1, sizeof(*account->group_names));
	if (account->group_names == NULL)
		return ENOMEM;
	for (size_t i = 0; i < account->n_groups; i++) {
		int code = find_group_name(account->groups[i], &account->group_names[i]);

		if (code != 0)
			return code;
	}
	return 0;
}

static char *copy_or_empty(const char *text)
{
	return strdup(text != NULL ? text : "");
}

/* "/home/alice/" and "/home//alice" are "/home/alice", which is what places are compared with. */
static void squeeze_slashes(char *path)
{
	char *to = path;

	for (const char *from = path; *from != '\0'; from++) {
		if (*from != '/' || to == path || to[-1] != '/')
			*to++ = *from;
	}
	if (to - path > 1 && to[-1] == '/')
		to--;
	*to = '\0';
}

static int make_account(const struct passwd *record, struct cloister_account **out, struct cloister_error *err)
{
	struct cloister_account _cleanup_account_ *account = calloc(1, sizeof(*account));
	int code;

	if (account == NULL)
		return cloister_fail(err, ENOMEM, step, NULL, "no memory for an account");
	account->uid = record->pw_uid;
	account->gid = record->pw_gid;
	account->name = copy_or_empty(record->pw_name);
	account->gecos = copy_or_empty(record->pw_gecos);
	account->home = copy_or_empty(record->pw_dir);
	account->shell = copy_or_empty(record->pw_shell);
	if (account->name == NULL || account->gecos == NULL || account->home == NULL || account->shell == NULL)
		return cloister_fail(err, ENOMEM, step, NULL, "no memory for an account");
	squeeze_slashes(account->home);
	/* setresuid(2) and chown(2) take -1 for "leave it as it is", so it can be nobody's id. */
	if (!name_is_safe(account->name) || account->uid == (uid_t)-1 || account->gid == (gid_t)-1)
		return cloister_fail(err, EINVAL, step, NULL, "the name service has an unusable record for user %s",
		                     account->name);
	code = list_groups(account);
	if (code == 0)
		code = name_groups(account);
	if (code != 0)
		return cloister_fail(err, code, step, NULL, "cannot list the groups of user %s", account->name);
	*out = TAKE_PTR(account);
	return 0;
}

int cloister_account_by_name(const char *name, struct cloister_account **out, struct cloister_error *err)
{
	char _cleanup_free_ *buffer = NULL;
	struct passwd record, *found;
	int code;

	if (name == NULL || !name_is_safe(name))
		return cloister_fail(err, EINVAL, step, NULL, "not a user name: %s", name != NULL ? name : "(none)");
	code = find_user(name, 0, &record, &buffer, &found);
	if (code != 0)
		return cloister_fail(err, code, step, NULL, "cannot look up user %s", name);
	if (found == NULL)
		return cloister_fail(err, ENOENT, step, NULL, "no user %s", name);
	return make_account(found, out, err);
}

int cloister_account_by_uid(uid_t uid, struct cloister_account **out, struct cloister_error *err)
{
	char _cleanup_free_ *buffer = NULL;
	struct passwd record, *found;
	int code;

	if (uid == (uid_t)-1)
		return cloister_fail(err, EINVAL, step, NULL, "-1 is no uid");
	code = find_user(NULL, uid, &record, &buffer, &found);
	if (code != 0)
		return cloister_fail(err, code, step, NULL, "cannot look up uid %u", uid);
	if (found == NULL)
		return cloister_fail(err, ENOENT, step, NULL, "no user has the uid %u", uid);
	return make_account(found, out, err);
}

bool cloister_account_in_group(const struct cloister_account *account, const char *name)
{
	for (size_t i = 0; i < account->n_groups; i++) {
		if (account->group_names[i] != NULL && strcmp(account->group_names[i], name) == 0)
			return true;
	}
	return false;
}

/* -1: not one of the account's groups. */
static ssize_t index_of(const struct cloister_account *account, gid_t gid)
{
	for (size_t i = 0; i < account->n_groups; i++) {
		if (account->groups[i] == gid)
			return (ssize_t)i;
	}
	return -1;
}

static bool is_listed(const struct group *group, const char *name)
{
	for (char **member = group->gr_mem; *member != NULL; member++) {
		if (strcmp(*member, name) == 0)
			return true;
	}
	return false;
}

static int confirm_group(const struct cloister_account *account, const char *name, struct cloister_error *err)
{
	char _cleanup_free_ *buffer = NULL;
	struct group record, *found = NULL;
	size_t size = 0;
	int code = ERANGE;

	if (cloister_account_in_group(account, name))
		return 0;
	while (code == ERANGE) {
		code = grow(&buffer, &size);
		if (code == 0)
			code = getgrnam_r(name, &record, buffer, size, &found);
	}
	if (found == NULL && !cloister_account_is_not_found(code))
		return cloister_fail(err, code, step, NULL, "cannot look up group %s", name);
	if (found == NULL)
		return 0;
	ssize_t at = index_of(account, found->gr_gid);
	/* One gid may have two names; the first one counts. */
	if (at >= 0 ? account->group_names[at] != NULL : !is_listed(found, account->name))
		return 0;
	return cloister_fail(err, EIO, step, NULL,
	                     "the name service has user %s in group %s, and does not say so when asked for their "
	                     "groups",
	                     account->name, name);
}

int cloister_account_confirm_groups(const struct cloister_account *account, const struct cloister_config *config,
                                    struct cloister_error *err)
{
	const char *last = "";
	int r = 0;

	/* Root is in no group, to the configuration. */
	for (size_t i = 0; r == 0 && account->uid != 0 && i < config->n_entries + config->n_faults; i++) {
		bool is_entry = i < config->n_entries;
		size_t at = is_entry ? i : i - config->n_entries;
		const char *name = is_entry ? config->entries[at].name : config->faults[at].name;

		if ((is_entry ? config->entries[at].section : config->faults[at].section) != CLOISTER_SECTION_GROUP ||
		    strcmp(name, last) == 0)
			continue;
		last = name;
		r = confirm_group(account, name, err);
	}
	return r;
}

void cloister_account_free(struct cloister_account *account)
{
	if (account == NULL)
		return;
	for (size_t i = 0; account->group_names != NULL && i < account->n_groups; i++)
		free(account->group_names[i]);
	free(account->group_names);
	free(account->groups);
	free(account->name);
	free(account->gecos);
	free(account->home);
	free(account->shell);
	free(account);
}
