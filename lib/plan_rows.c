/* SPDX-License-Identifier: MIT */
/* The rows of a plan, in the order in which they are carried out. Pure. */
#include "plan_rows.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#define SAFE    CLOISTER_SAFE
#define NO_EXEC ((uint64_t)MOUNT_ATTR_NOEXEC)
#define RDONLY  ((uint64_t)MOUNT_ATTR_RDONLY)

struct cloister_row *cloister_row_add(struct cloister_row_list *list, enum cloister_row_kind kind, const char *source,
                                      const char *target, const char *data)
{
	struct cloister_plan *plan = list->plan;

	if (list->error != 0)
		return &list->nowhere;
	struct cloister_row *rows = reallocarray(plan->rows, plan->n_rows + 1, sizeof(*rows));
	if (rows == NULL) {
		list->error = ENOMEM;
		return &list->nowhere;
	}
	plan->rows = rows;
	struct cloister_row *row = &rows[plan->n_rows++];
	*row = (struct cloister_row){.kind = kind,
	                             .source = strdup(source),
	                             .target = strdup(target),
	                             .data = strdup(data),
	                             .origin = strdup("")};
	if (row->source == NULL || row->target == NULL || row->data == NULL || row->origin == NULL) {
		list->error = ENOMEM;
		return &list->nowhere;
	}
	return row;
}

static struct cloister_row *add(struct cloister_row_list *list, enum cloister_row_kind kind, const char *source,
                                const char *target, const char *data)
{
	return cloister_row_add(list, kind, source, target, data);
}

/* The same, with the line that asked for it. */
static struct cloister_row *add_asked(struct cloister_row_list *list, const char *origin, enum cloister_row_kind kind,
                                      const char *source, const char *target, const char *data)
{
	struct cloister_row *row = cloister_row_add(list, kind, source, target, data);

	if (list->error != 0)
		return row;
	free(row->origin);
	row->origin = strdup(origin != NULL ? origin : "");
	if (row->origin == NULL)
		list->error = ENOMEM;
	return row;
}

/* The layer in memory of a rootfs without a state. With `no` it holds mount points alone. */
static void layer_options(const struct cloister_policy *policy, char *options, size_t size)
{
	char bytes[32] = "10%", files[32] = "400k";

	if (policy->writable == CLOISTER_WRITABLE_NO) {
		snprintf(bytes, sizeof(bytes), "16m");
		snprintf(files, sizeof(files), "16k");
	}
	if (policy->writable_max != 0)
		snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)policy->writable_max);
	if (policy->writable_files_max != 0)
		snprintf(files, sizeof(files), "%llu", (unsigned long long)policy->writable_files_max);
	snprintf(options, size, "mode=0700,size=%s,nr_inodes=%s", bytes, files);
}

static void add_root(struct cloister_row_list *list, const struct cloister_policy *policy,
                     const struct cloister_plan_facts *facts)
{
	struct cloister_plan *plan = list->plan;
	struct cloister_row *row;
	bool direct = policy->writable == CLOISTER_WRITABLE_DIRECT;
	char options[128];

	if (facts->image)
		add(list, CLOISTER_ROW_IMAGE, policy->rootfs, "", "")->flags = CLOISTER_ROW_ROOT_ONLY;
	if (!plan->privileged || direct) {
		/* An overlay over "/" is EINVAL in a user's own namespace: there the rootfs is read-only, which is
		 * stricter. */
		row = add(list, CLOISTER_ROW_ROOT, policy->rootfs, "/", "");
		row->attributes = SAFE | (direct ? 0 : RDONLY);
	} else {
		/* `no` too is an overlay, over nothing that is kept: mount points can be made without a change to the
		 * rootfs. */
		layer_options(policy, options, sizeof(options));
		row = add(list, CLOISTER_ROW_OVERLAY, policy->rootfs, "/",
		          *plan->state != '\0' ? plan->state : options);
		row->attributes = SAFE;
	}
	/*
	 * Not a rootfs that the host can reach by its path: what the session's root (a planted libnss, between sshd's
	 * fork and its setuid) makes there would be root's on the disk, set-user-ID bit and all. An overlay's layers
	 * are behind root's own 0700 directory.
	 */
	if (plan->privileged && (plan->namespaces & CLONE_NEWUSER) && !direct)
		row->flags |= CLOISTER_ROW_IDMAP;
	/* Real root, or a process with a login program's memory, will load the rootfs's libraries. */
	if (policy->users == CLOISTER_USERS_HOST || facts->moves)
		row->flags |= CLOISTER_ROW_TRUSTED;
	/* At once, since the layers do not know init's own id (user_namespaces(7)): EOVERFLOW for what it makes there.
	 */
	if (plan->root_inside) {
		char owner[32];

		snprintf(owner, sizeof(owner), "%u:%u", plan->uid, plan->gid);
		add(list, CLOISTER_ROW_OWNER, "", "", owner);
	}
}

static void add_dev(struct cloister_row_list *list, const struct cloister_policy *policy,
                    const struct cloister_plan_facts *facts)
{
	static const char *const nodes[] = {"/dev/null",   "/dev/zero",    "/dev/full",
	                                    "/dev/random", "/dev/urandom", "/dev/tty"};
	static const struct {
		const char *link, *to;
	} links[] = {{"/dev/ptmx", "pts/ptmx"},
	             {"/dev/fd", "/proc/self/fd"},
	             {"/dev/stdin", "/proc/self/fd/0"},
	             {"/dev/stdout", "/proc/self/fd/1"},
	             {"/dev/stderr", "/proc/self/fd/2"}};
	char options[96];

	add(list, CLOISTER_ROW_TMPFS, "", "/dev", "mode=0755,size=64k")->attributes = MOUNT_ATTR_NOSUID | NO_EXEC;
	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
		add(list, CLOISTER_ROW_DEVICE, nodes[i], nodes[i], "")->attributes = MOUNT_ATTR_NOSUID | NO_EXEC;
	/* gid 5 is the host's tty group; in a user's own namespace it is not mapped, and naming it would be EINVAL. */
	snprintf(options, sizeof(options), "newinstance,ptmxmode=0666,mode=0620%s,max=%llu",
	         facts->privileged ? ",gid=5" : "", (unsigned long long)policy->ptys_max);
	add(list, CLOISTER_ROW_DEVPTS, "", "/dev/pts", options)->attributes = MOUNT_ATTR_NOSUID | NO_EXEC;
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		add(list, CLOISTER_ROW_SYMLINK, "", links[i].link, links[i].to);
	add(list, CLOISTER_ROW_TMPFS, "", "/dev/shm", "mode=1777")->attributes = SAFE;
	add(list, CLOISTER_ROW_MQUEUE, "", "/dev/mqueue", "")->attributes = SAFE | NO_EXEC;
	/* A shared session outlives the login whose terminal it is: each login has its own bound, for itself. */
	if (policy->scope != CLOISTER_SCOPE_USER && facts->terminal == CLOISTER_TERMINAL_BIND &&
	    facts->terminal_path != NULL) {
		add(list, CLOISTER_ROW_TERMINAL, facts->terminal_path, "/dev/console", "")->attributes =
			MOUNT_ATTR_NOSUID | NO_EXEC;
		if (strcmp(facts->terminal_path, "/dev/console") != 0)
			add(list, CLOISTER_ROW_TERMINAL, facts->terminal_path, facts->terminal_path, "")->attributes =
				MOUNT_ATTR_NOSUID | NO_EXEC;
	}
}

static void add_proc(struct cloister_row_list *list)
{
	static const char *const masks[] = {"acpi",          "asound",       "kcore",       "keys",
	                                    "latency_stats", "timer_list",   "timer_stats", "sched_debug",
	                                    "scsi",          "kallsyms",     "kmsg",        "vmallocinfo",
	                                    "slabinfo",      "pagetypeinfo", "config.gz",   "sysrq-trigger"};
	static const char *const read_only[] = {"bus", "fs", "irq", "sys"};
	char path[64];

	add(list, CLOISTER_ROW_PROC, "", "/proc", "")->attributes = SAFE | NO_EXEC;
	for (size_t i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
		snprintf(path, sizeof(path), "/proc/%s", masks[i]);
		add(list, CLOISTER_ROW_MASK, "", path, "")->flags = CLOISTER_ROW_IF_PRESENT;
	}
	for (size_t i = 0; i < sizeof(read_only) / sizeof(*read_only); i++) {
		snprintf(path, sizeof(path), "/proc/%s", read_only[i]);
		struct cloister_row *row = add(list, CLOISTER_ROW_READ_ONLY, "", path, "");
		row->flags = CLOISTER_ROW_IF_PRESENT;
		row->attributes = SAFE | NO_EXEC | RDONLY;
	}
}

static void add_home(struct cloister_row_list *list, const struct cloister_policy *policy,
                     const struct cloister_account *account)
{
	struct cloister_row *row;
	char options[96];

	/* A home of "/" is the root itself. */
	if (strcmp(account->home, "/") == 0)
		return;
	switch (policy->home) {
	case CLOISTER_HOME_BIND:
		row = add(list, CLOISTER_ROW_BIND, account->home, account->home, "");
		row->attributes = SAFE;
		row->flags = CLOISTER_ROW_FOR_USER;
		break;
	case CLOISTER_HOME_TMPFS:
		snprintf(options, sizeof(options), "mode=0700,uid=%u,gid=%u", list->plan->inside_uid,
		         list->plan->inside_gid);
		add(list, CLOISTER_ROW_TMPFS, "", account->home, options)->attributes = SAFE;
		break;
	case CLOISTER_HOME_PRIVATE:
		add(list, CLOISTER_ROW_HOME, "/etc/skel", account->home, policy->state)->attributes = SAFE;
		break;
	case CLOISTER_HOME_NONE:
	default:
		break;
	}
}

/* The XDG base directory specification: the user's own, 0700, and gone with the session. */
static void add_runtime_directory(struct cloister_row_list *list, const struct cloister_policy *policy)
{
	const struct cloister_plan *plan = list->plan;
	char path[40], options[96];

	snprintf(path, sizeof(path), CLOISTER_RUNTIME_DIRECTORIES "%u", plan->uid);
	for (size_t i = 0; i < policy->n_tmpfs; i++) {
		/* What the administrator says about this very place counts. */
		if (strcmp(policy->tmpfs[i].path, path) == 0)
			return;
	}
	for (size_t i = 0; i < policy->n_binds; i++) {
		if (strcmp(policy->binds[i].target, path) == 0)
			return;
	}
	snprintf(options, sizeof(options), "mode=0700,uid=%u,gid=%u,size=10%%", plan->inside_uid, plan->inside_gid);
	add(list, CLOISTER_ROW_TMPFS, "", path, options)->attributes = SAFE;
}

static void add_content(struct cloister_row_list *list, const struct cloister_policy *policy,
                        const struct cloister_account *account)
{
	char options[96];
	bool has_run = false;

	for (size_t i = 0; i < policy->n_tmpfs; i++) {
		const struct cloister_tmpfs *tmpfs = &policy->tmpfs[i];
		/* /run is root's, as on a host: a service of the session has no business to place things there. */
		bool run = strcmp(tmpfs->path, "/run") == 0;
		const char *mode = run ? "0755" : "1777";

		has_run = has_run || run;
		int n = snprintf(options, sizeof(options), "mode=%s", mode);
		if (tmpfs->size != 0)
			n += snprintf(options + n, sizeof(options) - (size_t)n, ",size=%llu",
			              (unsigned long long)tmpfs->size);
		if (tmpfs->files != 0)
			snprintf(options + n, sizeof(options) - (size_t)n, ",nr_inodes=%llu",
			         (unsigned long long)tmpfs->files);
		add_asked(list, tmpfs->origin, CLOISTER_ROW_TMPFS, "", tmpfs->path, options)->attributes = SAFE;
	}
	/* Always: the session's own files are made there, and must not stay for the next one. */
	if (!has_run)
		add(list, CLOISTER_ROW_TMPFS, "", "/run", "mode=0755")->attributes = SAFE;
	add_runtime_directory(list, policy);
	add_home(list, policy, account);
	for (size_t i = 0; i < policy->n_binds; i++) {
		const struct cloister_bind *bind = &policy->binds[i];
		struct cloister_row *row =
			add_asked(list, bind->origin, CLOISTER_ROW_BIND, bind->source, bind->target, "");

		row->attributes = SAFE | (bind->read_only ? RDONLY : 0);
	}
	for (size_t i = 0; i < policy->n_masks; i++)
		add_asked(list, policy->masks[i].origin, CLOISTER_ROW_MASK, "", policy->masks[i].path, "")->flags =
			CLOISTER_ROW_IF_PRESENT;
}

/* What a name service and a clock need; with rootfs = / often links into the host's /run, which is not there. */
static void add_copies(struct cloister_row_list *list)
{
	static const char *const files[] = {"/etc/hosts", "/etc/localtime"};

	cloister_plan_add_resolver(list);

	/* The sources are opened by root alone, and a user's own rootfs is the host's as a rule. */
	for (size_t i = 0; list->plan->privileged && i < sizeof(files) / sizeof(*files); i++)
		add(list, CLOISTER_ROW_COPY, files[i], files[i], "");
}

static void add_closing(struct cloister_row_list *list, const struct cloister_policy *policy,
                        const struct cloister_account *account, const struct cloister_plan_facts *facts)
{
	struct cloister_plan *plan = list->plan;

	if (plan->root_inside)
		cloister_plan_add_doors(list, policy, account);
	if (policy->writable == CLOISTER_WRITABLE_NO && plan->privileged)
		add(list, CLOISTER_ROW_READ_ONLY, "", "/", "")->attributes = SAFE | RDONLY;
	add(list, CLOISTER_ROW_PIVOT, "", "/", "");
	add(list, CLOISTER_ROW_HOSTNAME, "", "", plan->hostname);
	cloister_plan_add_network(list);
	if (facts->shell_check)
		add(list, CLOISTER_ROW_SHELL, "", plan->shell, plan->rootfs);
	add(list, CLOISTER_ROW_KEYRING, "", "", "");
	add(list, CLOISTER_ROW_NO_CORE, "", "", "");
	add(list, CLOISTER_ROW_CAPABILITIES, "", "", "");
	add(list, CLOISTER_ROW_NO_NEW_PRIVS, "", "", "");
	if (plan->seccomp)
		add(list, CLOISTER_ROW_SECCOMP, "", "", "");
	add(list, CLOISTER_ROW_VERIFY, "", "", "");
}

int cloister_plan_add_rows(struct cloister_plan *plan, const struct cloister_policy *policy,
                           const struct cloister_account *account, const struct cloister_plan_facts *facts,
                           struct cloister_error *err)
{
	struct cloister_row_list list = {.plan = plan};

	add_root(&list, policy, facts);
	add_dev(&list, policy, facts);
	add_proc(&list);
	/* After /dev, since a file is masked with the session's own /dev/null. */
	cloister_plan_add_host(&list, policy, account, facts);
	size_t first_content = plan->n_rows;
	add_content(&list, policy, account);
	if (list.error == 0) {
		int r = cloister_plan_order_content(plan, first_content, err);
		if (r < 0)
			return r;
	}
	cloister_plan_add_session_files(&list, policy, account, facts);
	cloister_plan_add_account_lines(&list, account);
	add_copies(&list);
	add_closing(&list, policy, account, facts);
	if (list.error != 0)
		return cloister_fail(err, list.error, "plan", NULL, "no memory for the plan");
	return 0;
}
