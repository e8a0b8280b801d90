/* SPDX-License-Identifier: MIT */
/* Rows of a plan: what a session says of itself and of its user, and what leads the login program to the launcher.
 * Pure. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "account_lines.h"
#include "cloister/cleanup.h"
#include "plan_rows.h"

#define SAFE    CLOISTER_SAFE
#define NO_EXEC ((uint64_t)MOUNT_ATTR_NOEXEC)
#define RDONLY  ((uint64_t)MOUNT_ATTR_RDONLY)

bool cloister_plan_is_launcher(const char *shell)
{
	const char *slash = strrchr(shell, '/');

	return strcmp(slash != NULL ? slash + 1 : shell, "cloister-sh") == 0;
}

static bool transfers_only(const struct cloister_policy *policy)
{
	return policy->refuse != NULL && policy->refuse_except_sftp;
}

/* The session's file for a login of which only the transfer of files is let through. */
static char *with_refusal(char *text, const struct cloister_policy *policy)
{
	char *longer = NULL;

	if (text == NULL || !transfers_only(policy))
		return text;
	if (asprintf(&longer, "%srefuse=%s\n", text, policy->refuse) < 0)
		longer = NULL;
	free(text);
	return longer;
}

/* What the launcher has to know for users = root: the user's groups as well, since the rootfs's own group(5) is all
 * that a login program knows inside. */
static char *root_session_text(const struct cloister_plan *plan, const struct cloister_account *account)
{
	uint32_t groups[CLOISTER_ID_EXTENTS_MAX];
	size_t n = cloister_ids_own_groups(account, groups, CLOISTER_ID_EXTENTS_MAX);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	fprintf(out, "session=%s\nuser=%s\nuid=%u\nshell=%s\nlogin_shell=%s\nroot_capabilities=%llu\nroot_groups=0",
	        plan->session_id, plan->user, plan->uid, plan->shell, account->shell,
	        (unsigned long long)plan->root_capabilities);
	for (size_t i = 1; i < n; i++) {
		if (groups[i] != account->gid)
			fprintf(out, " %u", groups[i]);
	}
	fputc('\n', out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/*
 * users = root. A mount of its own, sealed in the end: root inside must not be able to rename it, or what is in it.
 */
static void add_root_users(struct cloister_row_list *list, const struct cloister_policy *policy,
                           const struct cloister_account *account, const struct cloister_plan_facts *facts)
{
	struct cloister_plan *plan = list->plan;
	char _cleanup_free_ *text = with_refusal(root_session_text(plan, account), policy);

	if (text == NULL) {
		list->error = ENOMEM;
		return;
	}
	cloister_row_add(list, CLOISTER_ROW_TMPFS, "", "/run/cloister", "mode=0755")->attributes = SAFE;
	cloister_row_add(list, CLOISTER_ROW_USERS, "", CLOISTER_USERS_FILE, "")->attributes = SAFE | NO_EXEC | RDONLY;
	/* After it: the file names the inode of both user namespaces. */
	cloister_row_add(list, CLOISTER_ROW_FILE, "", CLOISTER_SESSION_FILE, text)->mode = 0444;
	cloister_row_add(list, CLOISTER_ROW_DIRECTORY, "", CLOISTER_USERS_TREE, "")->mode = 0755;
	struct cloister_row *row = cloister_row_add(list, CLOISTER_ROW_BIND, facts->init_path, CLOISTER_DOOR, "");
	row->attributes = SAFE | RDONLY;
	row->flags = CLOISTER_ROW_ROOT_ONLY;
}

/*
 * What the login program executes must come to the launcher. Not by a mount on the program itself: nobody, root inside
 * neither, could replace it then (rename(2), EBUSY), as an upgrade of its package does. So the directories are covered,
 * and the user's programs have a second tree of the same mounts as their root, in which they are not.
 */
void cloister_plan_add_doors(struct cloister_row_list *list, const struct cloister_policy *policy,
                             const struct cloister_account *account)
{
	static const char *const directories[] = {"/bin",      "/usr/bin",       "/sbin",
	                                          "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"};
	const char *slash = strrchr(account->shell, '/');

	cloister_row_add(list, CLOISTER_ROW_SEAL, "", "/run/cloister", "")->attributes = SAFE | RDONLY;
	cloister_row_add(list, CLOISTER_ROW_TREE, "", CLOISTER_USERS_TREE, "");
	if (slash != NULL && slash != account->shell) {
		char _cleanup_free_ *directory = strndup(account->shell, (size_t)(slash - account->shell));

		if (directory == NULL)
			list->error = ENOMEM;
		else
			cloister_row_add(list, CLOISTER_ROW_DOORS, "", directory, slash + 1)->attributes =
				SAFE | RDONLY;
	}
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		struct cloister_row *row = cloister_row_add(list, CLOISTER_ROW_DOORS, "", directories[i], "");

		row->attributes = SAFE | RDONLY;
		row->flags = CLOISTER_ROW_IF_PRESENT;
	}
	if (policy->writable == CLOISTER_WRITABLE_NO)
		cloister_row_add(list, CLOISTER_ROW_SEAL, "", CLOISTER_USERS_TREE, "")->attributes = SAFE | RDONLY;
}

void cloister_plan_add_session_files(struct cloister_row_list *list, const struct cloister_policy *policy,
                                     const struct cloister_account *account, const struct cloister_plan_facts *facts)
{
	struct cloister_plan *plan = list->plan;
	char _cleanup_free_ *text = NULL;
	const char *login_shell = account->shell;

	/* As late as it can be: the session file names the namespaces. */
	cloister_plan_add_network_namespace(list);
	if (plan->root_inside) {
		add_root_users(list, policy, account, facts);
		return;
	}
	if (asprintf(&text, "session=%s\nuser=%s\nuid=%u\nshell=%s\n", plan->session_id, plan->user, plan->uid,
	             plan->shell) < 0)
		text = NULL;
	text = with_refusal(text, policy);
	if (text == NULL) {
		list->error = ENOMEM;
		return;
	}
	cloister_row_add(list, CLOISTER_ROW_DIRECTORY, "", "/run/cloister", "")->mode = 0755;
	cloister_row_add(list, CLOISTER_ROW_FILE, "", CLOISTER_SESSION_FILE, text)->mode = 0444;

	/* sshd execs the passwd shell's path from inside: the launcher must be there under that name, and be ours. */
	if (facts->privileged && facts->init_path != NULL && *login_shell == '/' &&
	    (cloister_plan_is_launcher(login_shell) || transfers_only(policy) ||
	     (policy->shell != NULL && strcmp(policy->shell, login_shell) != 0))) {
		struct cloister_row *row = cloister_row_add(list, CLOISTER_ROW_BIND, facts->init_path, login_shell, "");

		row->attributes = SAFE | RDONLY;
		row->flags = CLOISTER_ROW_ROOT_ONLY;
	}
}

static char *group_lines(const struct cloister_account *account)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < account->n_groups; i++) {
		bool own = account->groups[i] == account->gid;

		if (account->group_names[i] != NULL && cloister_account_field_fits(account->group_names[i]) &&
		    (own || account->groups[i] >= CLOISTER_FIRST_USER_GID))
			fprintf(out, "%s:x:%u:%s\n", account->group_names[i], account->groups[i],
			        own ? "" : account->name);
	}
	fputs("root:x:0:\ntty:x:5:\nnogroup:x:65534:\n", out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* The user comes first: of two lines with one id, the first one gives its name. */
void cloister_plan_add_account_lines(struct cloister_row_list *list, const struct cloister_account *account)
{
	char _cleanup_free_ *users = NULL;
	char _cleanup_free_ *groups = group_lines(account);
	const char *gecos = cloister_account_field_fits(account->gecos) ? account->gecos : "";

	/* users = root: the user is root inside, and adduser(8) renames a new file over these, which a mount forbids.
	 */
	if (list->plan->root_inside || list->plan->inside_uid != list->plan->uid) {
		uint32_t if_present = list->plan->privileged ? 0 : CLOISTER_ROW_IF_PRESENT;

		cloister_row_add(list, CLOISTER_ROW_ACCOUNT, "", "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
			->flags = if_present;
		cloister_row_add(list, CLOISTER_ROW_ACCOUNT, "", "/etc/group", "root:x:0:\n")->flags = if_present;
		return;
	}

	if (asprintf(&users,
	             "%s:x:%u:%u:%s:%s:%s\nroot:x:0:0:root:/root:/bin/sh\n"
	             "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
	             account->name, account->uid, account->gid, gecos, account->home, account->shell) < 0 ||
	    groups == NULL) {
		list->error = ENOMEM;
		return;
	}
	/* A read-only rootfs without the file cannot be given one. */
	uint32_t flags = list->plan->privileged ? 0 : CLOISTER_ROW_IF_PRESENT;
	cloister_row_add(list, CLOISTER_ROW_ACCOUNT, "", "/etc/passwd", users)->flags = flags;
	cloister_row_add(list, CLOISTER_ROW_ACCOUNT, "", "/etc/group", groups)->flags = flags;
}
