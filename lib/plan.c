/* SPDX-License-Identifier: MIT */
/* Policy and account into a plan: what is asked for, whether this release can do it, ids and namespaces. */
#include "cloister/plan.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "account_lines.h"
#include "cloister/cleanup.h"
#include "cloister/path.h"
#include "plan_rows.h"

static const char *const row_names[CLOISTER_ROW_KINDS] = {
	[CLOISTER_ROW_ROOT] = "root",
	[CLOISTER_ROW_IMAGE] = "image",
	[CLOISTER_ROW_OVERLAY] = "overlay",
	[CLOISTER_ROW_TMPFS] = "tmpfs",
	[CLOISTER_ROW_DEVICE] = "device",
	[CLOISTER_ROW_DEVPTS] = "devpts",
	[CLOISTER_ROW_MQUEUE] = "mqueue",
	[CLOISTER_ROW_PROC] = "proc",
	[CLOISTER_ROW_BIND] = "bind",
	[CLOISTER_ROW_HOME] = "home",
	[CLOISTER_ROW_TERMINAL] = "terminal",
	[CLOISTER_ROW_SYMLINK] = "symlink",
	[CLOISTER_ROW_DIRECTORY] = "directory",
	[CLOISTER_ROW_FILE] = "file",
	[CLOISTER_ROW_ACCOUNT] = "account",
	[CLOISTER_ROW_COPY] = "copy",
	[CLOISTER_ROW_RESOLVER] = "resolver",
	[CLOISTER_ROW_MASK] = "mask",
	[CLOISTER_ROW_READ_ONLY] = "read-only",
	[CLOISTER_ROW_OWNER] = "owner",
	[CLOISTER_ROW_USERS] = "users",
	[CLOISTER_ROW_SEAL] = "seal",
	[CLOISTER_ROW_TREE] = "tree",
	[CLOISTER_ROW_DOORS] = "doors",
	[CLOISTER_ROW_PIVOT] = "pivot",
	[CLOISTER_ROW_HOSTNAME] = "hostname",
	[CLOISTER_ROW_LOOPBACK] = "loopback",
	[CLOISTER_ROW_PROHIBIT] = "prohibit",
	[CLOISTER_ROW_SHELL] = "shell",
	[CLOISTER_ROW_KEYRING] = "keyring",
	[CLOISTER_ROW_NO_CORE] = "no-core",
	[CLOISTER_ROW_CAPABILITIES] = "capabilities",
	[CLOISTER_ROW_NO_NEW_PRIVS] = "no-new-privs",
	[CLOISTER_ROW_SECCOMP] = "seccomp",
	[CLOISTER_ROW_VERIFY] = "verify",
	[CLOISTER_ROW_NETWORK] = "network",
};

const char *cloister_row_name(enum cloister_row_kind kind)
{
	return kind < CLOISTER_ROW_KINDS ? row_names[kind] : "unknown";
}

void cloister_plan_free(struct cloister_plan *plan)
{
	if (plan == NULL)
		return;
	for (size_t i = 0; i < plan->n_rows; i++) {
		free(plan->rows[i].source);
		free(plan->rows[i].target);
		free(plan->rows[i].data);
		free(plan->rows[i].origin);
	}
	free(plan->rows);
	free(plan->groups);
	free(plan->terminal_path);
	free(plan->session_id);
	free(plan->user);
	free(plan->rootfs);
	free(plan->state);
	free(plan->shell);
	free(plan->home);
	free(plan->hostname);
	free(plan->network_name);
	free(plan->publish);
	free(plan->host_groups);
	free(plan);
}

/* A setting that parses but that this release cannot carry out refuses the login: never a weaker session than was asked
 * for. */
static int refuse_unsupported(const struct cloister_policy *policy, const struct cloister_account *account,
                              const struct cloister_plan_facts *facts, struct cloister_error *err)
{
	const struct {
		bool asked;
		const char *what;
	} unsupported[] = {
		{!facts->privileged && policy->users == CLOISTER_USERS_HOST, "users = host without root"},
		/* What the user alone keeps, the user alone can change from outside: it would only look apart. */
		{!facts->privileged && policy->home == CLOISTER_HOME_PRIVATE, "home = private without root"},
	};

	for (size_t i = 0; i < sizeof(unsupported) / sizeof(*unsupported); i++) {
		if (unsupported[i].asked)
			return cloister_fail(err, EOPNOTSUPP, "policy", NULL, "%s is not supported by this release",
			                     unsupported[i].what);
	}
	struct cloister_cgroup_setting settings[CLOISTER_CGROUP_SETTINGS];
	/* A user's own cgroup would be the user's to write to. */
	if (!facts->privileged && cloister_limits_cgroup(&policy->limits, settings) > 0)
		return cloister_fail(
			err, EOPNOTSUPP, "policy", NULL,
			"%s needs the PAM line (pam_cloister.so): only root can make a cgroup whose limits "
			"the user cannot lift",
			settings[0].key);
	/* Whatever a user's own process says about "the session that is already there", the user could have faked. */
	if (!facts->privileged && policy->scope == CLOISTER_SCOPE_USER)
		return cloister_fail(
			err, EOPNOTSUPP, "policy", NULL,
			"scope = user needs the PAM line (pam_cloister.so): only a registry that is root's "
			"can say which session to join, and the login shell alone has none");
	/* In the host's user namespace the owner of a file may give it another project (FS_IOC_FSSETXATTR). */
	if (policy->users == CLOISTER_USERS_HOST && policy->writable == CLOISTER_WRITABLE_OVERLAY &&
	    (policy->writable_max != 0 || policy->writable_files_max != 0))
		return cloister_fail(err, EPERM, "policy", NULL,
		                     "with users = host a user can leave the project quota: writable_max and "
		                     "writable_files_max are for other users, or for writable = tmpfs");
	if (account->uid == 0 && policy->users == CLOISTER_USERS_HOST)
		return cloister_fail(err, EPERM, "policy", NULL, "root cannot be isolated with users = host");
	if (policy->writable == CLOISTER_WRITABLE_DIRECT && strcmp(policy->rootfs, "/") == 0)
		return cloister_fail(err, EINVAL, "policy", "/", "writable = direct cannot be used with rootfs = /");
	if ((policy->writable == CLOISTER_WRITABLE_NO || policy->writable == CLOISTER_WRITABLE_DIRECT) &&
	    (policy->writable_max != 0 || policy->writable_files_max != 0))
		return cloister_fail(err, EINVAL, "policy", NULL,
		                     "writable_max and writable_files_max are for writable = overlay and tmpfs");
	if (facts->image && policy->writable == CLOISTER_WRITABLE_DIRECT)
		return cloister_fail(
			err, EINVAL, "policy", policy->rootfs,
			"writable = direct needs a directory, and an image file cannot be written: use overlay, "
			"tmpfs or no");
	if (facts->image && !facts->privileged)
		return cloister_fail(
			err, EPERM, "policy", policy->rootfs,
			"only root can mount an image file: without the PAM module the rootfs must be a directory");
	int r = cloister_plan_network_check(policy, facts, err);
	return r < 0 ? r : cloister_plan_root_check(policy, account, facts, err);
}

/*
 * Directories of users (LDAP) may let them set their own shell, and need not refuse a newline in it: that would be one
 * more line of the session's passwd(5), and of the file that tells the launcher which capabilities are kept.
 */
static int check_account(const struct cloister_account *account, struct cloister_error *err)
{
	if (!cloister_account_field_fits(account->home))
		return cloister_fail(err, EINVAL, "account", account->home,
		                     "the name service has a home with a colon or a control character");
	if (!cloister_account_field_fits(account->shell))
		return cloister_fail(err, EINVAL, "account", account->shell,
		                     "the name service has a shell with a colon or a control character");
	return 0;
}

/*
 * Places are held against each other, and against those that nothing may be mounted on, as texts. A name service may
 * say "/home/../run/cloister".
 */
static int check_paths(const struct cloister_plan *plan, struct cloister_error *err)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];

		if (*row->target != '\0' && !cloister_path_is_direct(row->target))
			return cloister_fail(err, EINVAL, "plan", row->target, "%s: not a plain absolute path",
			                     cloister_row_name(row->kind));
		if (*row->source != '\0' && !cloister_path_is_direct(row->source))
			return cloister_fail(err, EINVAL, "plan", row->source, "%s: not a plain absolute path",
			                     cloister_row_name(row->kind));
	}
	return 0;
}

static int plan_ids(struct cloister_plan *plan, const struct cloister_policy *policy,
                    const struct cloister_account *account, const struct cloister_plan_facts *facts,
                    struct cloister_error *err)
{
	uint32_t groups[CLOISTER_ID_EXTENTS_MAX];
	uint32_t uid = account->uid;
	size_t n_uids = 1, n_groups = 1;

	groups[0] = account->gid;
	if (policy->users == CLOISTER_USERS_HOST)
		return 0;
	if (policy->users == CLOISTER_USERS_ROOT && !facts->privileged) {
		cloister_plan_root_own_ids(plan, facts);
		return 0;
	}
	/* newgidmap(1) and the kernel let an unprivileged process map no group but its own primary one. */
	if (facts->privileged)
		n_groups = cloister_ids_own_groups(account, groups, CLOISTER_ID_EXTENTS_MAX);
	/* Root's own session: uid 0 inside is an unprivileged id outside like any other's. */
	if (uid == 0)
		n_uids = n_groups = 0;
	int r = cloister_id_map_keep(&uid, n_uids, facts->range.uid_base, facts->range.count, &plan->uid_map, err);
	if (r < 0)
		return r;
	r = cloister_id_map_keep(groups, n_groups, facts->range.gid_base, facts->range.count, &plan->gid_map, err);
	return r < 0 || !plan->root_inside ? r : cloister_plan_root_ids(plan, facts, err);
}

static uint64_t plan_namespaces(const struct cloister_policy *policy)
{
	uint64_t namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;

	if (policy->users != CLOISTER_USERS_HOST)
		namespaces |= CLONE_NEWUSER;
	if (policy->network != CLOISTER_NETWORK_HOST)
		namespaces |= CLONE_NEWNET;
	return namespaces;
}

/* The shell that runs inside: cloister-sh as a login shell only leads to it. */
static const char *session_shell(const struct cloister_policy *policy, const struct cloister_account *account)
{
	if (policy->shell != NULL)
		return policy->shell;
	if (*account->shell == '\0' || cloister_plan_is_launcher(account->shell))
		return "/bin/sh";
	return account->shell;
}

/*
 * An overlay's upper directory is of use over its own rootfs alone (a directory of one may be a link in the other):
 * each rootfs has its own below the state directory, named by its path, '/' as '-' and '-' as "\x2d". What root inside
 * wrote with users = root belongs to the host's 0 on the disk, and would be trusted in a session of another kind, such
 * as a library that its root loads: it has a directory of its own, whose name no path can have.
 */
static char *state_directory(const char *state, const char *rootfs, bool root_inside)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	fprintf(out, "%s/%s", state, root_inside ? "root" : "");
	for (; *rootfs != '\0'; rootfs++) {
		if (*rootfs == '-')
			fputs("\\x2d", out);
		else
			fputc(*rootfs == '/' ? '-' : *rootfs, out);
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int plan_texts(struct cloister_plan *plan, const struct cloister_policy *policy,
                      const struct cloister_account *account, const struct cloister_plan_facts *facts)
{
	bool keeps_state = facts->privileged && policy->writable == CLOISTER_WRITABLE_OVERLAY;

	plan->session_id = strdup(facts->session_id);
	plan->user = strdup(account->name);
	plan->rootfs = strdup(policy->rootfs);
	plan->state = keeps_state ? state_directory(policy->state, policy->rootfs, plan->root_inside) : strdup("");
	plan->shell = strdup(session_shell(policy, account));
	plan->home = strdup(account->home);
	plan->hostname = strdup(policy->hostname);
	if (policy->scope == CLOISTER_SCOPE_USER && facts->terminal_path != NULL) {
		plan->terminal_path = strdup(facts->terminal_path);
		if (plan->terminal_path == NULL)
			return -ENOMEM;
	}
	plan->groups = calloc(account->n_groups + 1, sizeof(*plan->groups));
	for (size_t i = 0; plan->groups != NULL && i < account->n_groups; i++)
		plan->groups[plan->n_groups++] = account->groups[i];
	if (plan->groups == NULL || plan->session_id == NULL || plan->user == NULL || plan->rootfs == NULL ||
	    plan->state == NULL || plan->shell == NULL || plan->home == NULL || plan->hostname == NULL)
		return -ENOMEM;
	return 0;
}

static int plan_host_groups(struct cloister_plan *plan, const struct cloister_account *account)
{
	plan->host_groups = calloc(account->n_groups + 1, sizeof(*plan->host_groups));
	if (plan->host_groups == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < account->n_groups; i++)
		plan->host_groups[i] = account->groups[i];
	plan->n_host_groups = account->n_groups;
	return 0;
}

int cloister_plan_build(const struct cloister_policy *policy, const struct cloister_account *account,
                        const struct cloister_plan_facts *facts, struct cloister_plan **out, struct cloister_error *err)
{
	int r = refuse_unsupported(policy, account, facts, err);
	if (r == 0)
		r = check_account(account, err);
	if (r < 0)
		return r;

	struct cloister_plan _cleanup_plan_ *plan = calloc(1, sizeof(*plan));
	if (plan != NULL)
		plan->root_inside = facts->privileged && policy->users == CLOISTER_USERS_ROOT;
	if (plan == NULL || plan_texts(plan, policy, account, facts) < 0 || plan_host_groups(plan, account) < 0)
		return cloister_fail(err, ENOMEM, "plan", NULL, "no memory for the plan");
	bool own_root = !facts->privileged && policy->users == CLOISTER_USERS_ROOT;
	plan->uid = account->uid;
	plan->gid = account->gid;
	plan->inside_uid = own_root ? 0 : account->uid;
	plan->inside_gid = own_root ? 0 : account->gid;
	plan->namespaces = plan_namespaces(policy);
	r = cloister_plan_network_texts(plan, policy);
	if (r < 0)
		return cloister_fail(err, ENOMEM, "plan", NULL, "no memory for the plan");
	plan->capabilities = policy->capabilities;
	cloister_plan_root_capabilities(plan, policy);
	plan->terminal = facts->terminal;
	plan->timeout = policy->timeout;
	if (*plan->state != '\0') {
		plan->writable_max = policy->writable_max;
		plan->writable_files_max = policy->writable_files_max;
	}
	plan->shared = policy->scope == CLOISTER_SCOPE_USER;
	if (plan->shared)
		plan->linger = policy->linger == CLOISTER_LINGER_FOREVER ? CLOISTER_PLAN_LINGER_FOREVER
		                                                         : (uint32_t)policy->linger;
	plan->privileged = facts->privileged;
	plan->no_new_privs = policy->no_new_privs;
	plan->seccomp = policy->seccomp;
	plan->limits = policy->limits;
	r = plan_ids(plan, policy, account, facts, err);
	if (r < 0)
		return r;
	r = cloister_plan_add_rows(plan, policy, account, facts, err);
	if (r == 0)
		r = check_paths(plan, err);
	if (r < 0)
		return r;
	*out = TAKE_PTR(plan);
	return 0;
}
