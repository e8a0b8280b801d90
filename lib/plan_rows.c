/* SPDX-License-Identifier: MIT */
/* The rows of a plan, in the order in which they are carried out. Pure. */
#include "plan_rows.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "account_lines.h"
#include "cloister/cleanup.h"

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

bool cloister_plan_is_launcher(const char *shell)
{
	const char *slash = strrchr(shell, '/');

	return strcmp(slash != NULL ? slash + 1 : shell, "cloister-sh") == 0;
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
	add(list, CLOISTER_ROW_TMPFS, "", "/run/cloister", "mode=0755")->attributes = SAFE;
	add(list, CLOISTER_ROW_USERS, "", CLOISTER_USERS_FILE, "")->attributes = SAFE | NO_EXEC | RDONLY;
	/* After it: the file names the inode of both user namespaces. */
	add(list, CLOISTER_ROW_FILE, "", CLOISTER_SESSION_FILE, text)->mode = 0444;
	add(list, CLOISTER_ROW_DIRECTORY, "", CLOISTER_USERS_TREE, "")->mode = 0755;
	struct cloister_row *row = add(list, CLOISTER_ROW_BIND, facts->init_path, CLOISTER_DOOR, "");
	row->attributes = SAFE | RDONLY;
	row->flags = CLOISTER_ROW_ROOT_ONLY;
}

/*
 * What the login program executes must come to the launcher. Not by a mount on the program itself: nobody, root inside
 * neither, could replace it then (rename(2), EBUSY), as an upgrade of its package does. So the directories are covered,
 * and the user's programs have a second tree of the same mounts as their root, in which they are not.
 */
static void add_doors(struct cloister_row_list *list, const struct cloister_policy *policy,
                      const struct cloister_account *account)
{
	static const char *const directories[] = {"/bin",      "/usr/bin",       "/sbin",
	                                          "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"};
	const char *slash = strrchr(account->shell, '/');

	add(list, CLOISTER_ROW_SEAL, "", "/run/cloister", "")->attributes = SAFE | RDONLY;
	add(list, CLOISTER_ROW_TREE, "", CLOISTER_USERS_TREE, "");
	if (slash != NULL && slash != account->shell) {
		char _cleanup_free_ *directory = strndup(account->shell, (size_t)(slash - account->shell));

		if (directory == NULL)
			list->error = ENOMEM;
		else
			add(list, CLOISTER_ROW_DOORS, "", directory, slash + 1)->attributes = SAFE | RDONLY;
	}
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		struct cloister_row *row = add(list, CLOISTER_ROW_DOORS, "", directories[i], "");

		row->attributes = SAFE | RDONLY;
		row->flags = CLOISTER_ROW_IF_PRESENT;
	}
	if (policy->writable == CLOISTER_WRITABLE_NO)
		add(list, CLOISTER_ROW_SEAL, "", CLOISTER_USERS_TREE, "")->attributes = SAFE | RDONLY;
}

static void add_session_files(struct cloister_row_list *list, const struct cloister_policy *policy,
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
	add(list, CLOISTER_ROW_DIRECTORY, "", "/run/cloister", "")->mode = 0755;
	add(list, CLOISTER_ROW_FILE, "", CLOISTER_SESSION_FILE, text)->mode = 0444;

	/* sshd execs the passwd shell's path from inside: the launcher must be there under that name, and be ours. */
	if (facts->privileged && facts->init_path != NULL && *login_shell == '/' &&
	    (cloister_plan_is_launcher(login_shell) || transfers_only(policy) ||
	     (policy->shell != NULL && strcmp(policy->shell, login_shell) != 0))) {
		struct cloister_row *row = add(list, CLOISTER_ROW_BIND, facts->init_path, login_shell, "");

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
static void add_account_lines(struct cloister_row_list *list, const struct cloister_account *account)
{
	char _cleanup_free_ *users = NULL;
	char _cleanup_free_ *groups = group_lines(account);
	const char *gecos = cloister_account_field_fits(account->gecos) ? account->gecos : "";

	/* users = root: the user is root inside, and adduser(8) renames a new file over these, which a mount forbids.
	 */
	if (list->plan->root_inside || list->plan->inside_uid != list->plan->uid) {
		uint32_t if_present = list->plan->privileged ? 0 : CLOISTER_ROW_IF_PRESENT;

		add(list, CLOISTER_ROW_ACCOUNT, "", "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")->flags =
			if_present;
		add(list, CLOISTER_ROW_ACCOUNT, "", "/etc/group", "root:x:0:\n")->flags = if_present;
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
	add(list, CLOISTER_ROW_ACCOUNT, "", "/etc/passwd", users)->flags = flags;
	add(list, CLOISTER_ROW_ACCOUNT, "", "/etc/group", groups)->flags = flags;
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
		add_doors(list, policy, account);
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
	add_session_files(&list, policy, account, facts);
	add_account_lines(&list, account);
	add_copies(&list);
	add_closing(&list, policy, account, facts);
	if (list.error != 0)
		return cloister_fail(err, list.error, "plan", NULL, "no memory for the plan");
	return 0;
}
