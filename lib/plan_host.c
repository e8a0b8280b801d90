/* SPDX-License-Identifier: MIT */
/*
 * The host's own files as the rootfs: which of its file systems are part of it, and which places nobody has any
 * business in. Pure. An overlay over "/" shows the one file system that is mounted there; in a user's own namespace "/"
 * comes with everything that is mounted below it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"
#include "plan_rows.h"

/* File systems that belong to the system when they are mounted apart, and how far below that holds. */
static const struct {
	const char *path;
	enum { ITSELF, CHILDREN, ALL } reach;
} shown[] = {{"/bin", ITSELF},   {"/etc", ITSELF},    {"/gnu", ALL},       {"/lib", ITSELF},   {"/lib32", ITSELF},
             {"/lib64", ITSELF}, {"/libx32", ITSELF}, {"/nix", ALL},       {"/opt", CHILDREN}, {"/sbin", ITSELF},
             {"/usr", ALL},      {"/var", ITSELF},    {"/var/lib", ITSELF}};

/* Of no file system that is a way into the kernel, or that a daemon of the host's fills, there is one in a session. */
static const char *const never[] = {"autofs",     "binfmt_misc", "bpf",      "cgroup",   "cgroup2",    "configfs",
                                    "debugfs",    "devpts",      "devtmpfs", "efivarfs", "fusectl",    "hugetlbfs",
                                    "mqueue",     "nsfs",        "proc",     "pstore",   "rpc_pipefs", "sysfs",
                                    "securityfs", "selinuxfs",   "tracefs"};

/* Nobody's business. What is not there is no error, and file permissions hold for all the rest. */
static const char *const hidden[] = {
	"/boot", "/efi", "/lost+found", "/media", "/mnt", "/root", "/swap.img", "/swapfile",
	/* keys, passwords, and what names them */
	"/etc/NetworkManager/system-connections", "/etc/cloister", "/etc/crypttab", "/etc/gshadow", "/etc/gshadow-",
	"/etc/ipsec.d/private", "/etc/ipsec.secrets", "/etc/krb5.keytab", "/etc/kubernetes", "/etc/letsencrypt",
	"/etc/pki/tls/private", "/etc/ppp", "/etc/rancher", "/etc/security/opasswd", "/etc/shadow", "/etc/shadow-",
	"/etc/ssh/ssh_host_dsa_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key",
	"/etc/ssh/ssh_host_rsa_key", "/etc/ssl/private", "/etc/sssd", "/etc/sudoers", "/etc/sudoers.d",
	"/etc/wireguard",
	/* what the machine has noted about its users and services */
	"/var/backups", "/var/cache", "/var/crash", "/var/log", "/var/mail", "/var/spool", "/var/lib/AccountsService",
	"/var/lib/NetworkManager", "/var/lib/cloister", "/var/lib/cloud", "/var/lib/dhcp", "/var/lib/lastlog",
	"/var/lib/private", "/var/lib/sudo", "/var/lib/systemd/coredump", "/var/lib/systemd/credential.secret",
	"/var/lib/systemd/linger", "/var/lib/systemd/random-seed", "/var/lib/wtmpdb",
	/* databases and directories of accounts */
	"/var/lib/cassandra", "/var/lib/clickhouse", "/var/lib/couchdb", "/var/lib/dirsrv", "/var/lib/elasticsearch",
	"/var/lib/etcd", "/var/lib/grafana", "/var/lib/influxdb", "/var/lib/ipa", "/var/lib/krb5kdc", "/var/lib/ldap",
	"/var/lib/mariadb", "/var/lib/mongo", "/var/lib/mongodb", "/var/lib/mysql", "/var/lib/mysql-files",
	"/var/lib/opensearch", "/var/lib/pgsql", "/var/lib/postgresql", "/var/lib/prometheus", "/var/lib/rabbitmq",
	"/var/lib/redis", "/var/lib/samba/private", "/var/lib/sss/db", "/var/lib/sss/keytabs", "/var/lib/sss/mc",
	"/var/lib/sss/secrets", "/var/lib/valkey",
	/* sockets of daemons that are not in /run */
	"/var/lib/gssproxy", "/var/lib/sss/pipes",
	/* other containers and machines */
	"/var/lib/containerd", "/var/lib/containers", "/var/lib/docker", "/var/lib/incus", "/var/lib/kubelet",
	"/var/lib/libvirt", "/var/lib/lxc", "/var/lib/lxd", "/var/lib/machines", "/var/lib/portables",
	"/var/lib/rancher", "/var/snap"};

/* Where homes are found, besides the directory that the user's own is in. */
static const char *const homes[] = {"/home", "/export/home", "/nethome", "/srv/home", "/srv/homes", "/users"};

/* Whether the configuration puts something at path, or (below) below it. */
static bool has_content(const struct cloister_policy *policy, const struct cloister_account *account, const char *path,
                        bool below)
{
	for (size_t i = 0; i < policy->n_binds; i++) {
		const char *target = policy->binds[i].target;
		if (below ? cloister_path_is_below(target, path, false) : strcmp(target, path) == 0)
			return true;
	}
	for (size_t i = 0; i < policy->n_tmpfs; i++) {
		const char *target = policy->tmpfs[i].path;
		if (below ? cloister_path_is_below(target, path, false) : strcmp(target, path) == 0)
			return true;
	}
	if (policy->home == CLOISTER_HOME_NONE)
		return false;
	return below ? cloister_path_is_below(account->home, path, false) : strcmp(account->home, path) == 0;
}

/* An empty directory that mount points can be made in. */
#define ROOM "mode=0755,size=64k"

int cloister_row_make_room(struct cloister_row *row)
{
	char *data = strdup(ROOM);

	if (data == NULL)
		return -ENOMEM;
	free(row->data);
	row->data = data;
	row->kind = CLOISTER_ROW_TMPFS;
	row->attributes = CLOISTER_SAFE;
	return 0;
}

/* What the plan has the same rows for already, or lies below an empty place of the session's own. */
static bool is_covered(const struct cloister_row_list *list, const struct cloister_policy *policy, const char *path)
{
	for (size_t i = 0; i < list->plan->n_rows; i++) {
		const struct cloister_row *row = &list->plan->rows[i];

		if ((row->kind == CLOISTER_ROW_TMPFS || row->kind == CLOISTER_ROW_MASK ||
		     row->kind == CLOISTER_ROW_PROC) &&
		    cloister_path_is_below(path, row->target, true))
			return true;
	}
	for (size_t i = 0; i < policy->n_tmpfs; i++) {
		if (cloister_path_is_below(path, policy->tmpfs[i].path, true))
			return true;
	}
	return cloister_path_is_below(path, "/run", true);
}

static void hide(struct cloister_row_list *list, const struct cloister_policy *policy,
                 const struct cloister_account *account, const char *path, bool directory)
{
	struct cloister_row *row;

	if (has_content(policy, account, path, false) || is_covered(list, policy, path))
		return;
	row = cloister_row_add(list, CLOISTER_ROW_MASK, "", path, "");
	row->flags |= CLOISTER_ROW_IF_PRESENT;
	if ((directory || has_content(policy, account, path, true)) && list->error == 0 &&
	    cloister_row_make_room(row) < 0)
		list->error = ENOMEM;
}

/* Homes may be sorted: /data/home/a/al/alice. */
static bool is_sorted_by(const char *name, size_t length, const char *user)
{
	return length > 0 && length < strlen(user) && strncmp(name, user, length) == 0;
}

/* The directory that the homes of others are likely in, in path; "" where that is one of the system's. */
static void find_homes(const struct cloister_account *account, char *path, size_t size)
{
	snprintf(path, size, "%s", account->home);
	char *slash = strrchr(path, '/');
	while (slash != NULL) {
		*slash = '\0';
		slash = strrchr(path, '/');
		if (slash == NULL || !is_sorted_by(slash + 1, strlen(slash + 1), account->name))
			break;
	}
	/* A service's home in /var/lib, a program's in /opt: what else is there is no home. */
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
		if (cloister_path_is_below(shown[i].path, path, true) ||
		    (shown[i].reach == ALL && cloister_path_is_below(path, shown[i].path, true)))
			*path = '\0';
	}
}

static void add_hidden(struct cloister_row_list *list, const struct cloister_policy *policy,
                       const struct cloister_account *account)
{
	char parent[4096];

	find_homes(account, parent, sizeof(parent));
	for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
		hide(list, policy, account, hidden[i], false);
	for (size_t i = 0; i < sizeof(homes) / sizeof(*homes); i++)
		hide(list, policy, account, homes[i], true);
	if (*parent != '\0')
		hide(list, policy, account, parent, true);
	/* Wherever it is, the layers of others are beside it. */
	hide(list, policy, account, policy->state, false);
}

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i], word) == 0)
			return true;
	}
	return false;
}

/* "user_id=0" among the options: root's own, and not one that a user made where the system's files are. */
static bool is_roots_fuse(const char *options)
{
	for (const char *at = options; at != NULL; at = strchr(at, ',') != NULL ? strchr(at, ',') + 1 : NULL) {
		if (strncmp(at, "user_id=0", 9) == 0 && (at[9] == ',' || at[9] == '\0'))
			return true;
	}
	return false;
}

static bool is_shown(const struct cloister_mount *mount)
{
	if (is_one_of(mount->filesystem, never, sizeof(never) / sizeof(*never)))
		return false;
	if (strncmp(mount->filesystem, "fuse", 4) == 0 && !is_roots_fuse(mount->options))
		return false;
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
		const char *path = shown[i].path;

		if (!cloister_path_is_below(mount->path, path, true))
			continue;
		const char *rest = mount->path + strlen(path);
		if (shown[i].reach == ALL || *rest == '\0' ||
		    (shown[i].reach == CHILDREN && strchr(rest + 1, '/') == NULL))
			return true;
	}
	return false;
}

static int compare_paths(const void *left, const void *right)
{
	const struct cloister_mount *const *a = left, *const *b = right;

	return strcmp((*a)->path, (*b)->path);
}

/* With root, file systems that are shown; in a user's own namespace, where all came with "/", the others. */
static bool concerns(const struct cloister_row_list *list, const struct cloister_policy *policy,
                     const struct cloister_mount *mount)
{
	return list->plan->privileged ? is_shown(mount) : !is_shown(mount) && !is_covered(list, policy, mount->path);
}

static void add_mount(struct cloister_row_list *list, const struct cloister_policy *policy,
                      const struct cloister_account *account, const struct cloister_mount *mount)
{
	if (!list->plan->privileged) {
		hide(list, policy, account, mount->path, false);
		return;
	}
	if (has_content(policy, account, mount->path, false))
		return;
	struct cloister_row *row = cloister_row_add(list, CLOISTER_ROW_BIND, mount->path, mount->path, "");
	row->attributes = CLOISTER_SAFE | MOUNT_ATTR_RDONLY;
	/* As the rootfs is: root's files look like root's where the file system can; and where a privileged process
	 * loads code from it, root's they must be. */
	row->flags |= CLOISTER_ROW_ALONE;
	if (list->plan->rows[0].flags & CLOISTER_ROW_TRUSTED)
		row->flags |= CLOISTER_ROW_ROOT_ONLY;
	if (policy->users != CLOISTER_USERS_HOST)
		row->flags |= CLOISTER_ROW_IDMAP;
}

static void add_mounts(struct cloister_row_list *list, const struct cloister_policy *policy,
                       const struct cloister_account *account, const struct cloister_mount_table *table)
{
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what is sorted */
	const struct cloister_mount _cleanup_free_ **sorted = calloc(table->n + 1, sizeof(*sorted));

	if (sorted == NULL) {
		list->error = ENOMEM;
		return;
	}
	for (size_t i = 0; i < table->n; i++)
		sorted[i] = &table->mounts[i];
	/* NOLINTNEXTLINE(bugprone-sizeof-expression) */
	qsort(sorted, table->n, sizeof(*sorted), compare_paths);
	for (size_t i = 0; i < table->n; i++) {
		size_t number = (size_t)(sorted[i] - table->mounts);

		if (strcmp(sorted[i]->path, "/") != 0 && concerns(list, policy, sorted[i]) &&
		    cloister_mount_table_visible(table, number))
			add_mount(list, policy, account, sorted[i]);
	}
}

/* A /var of its own is shown read-only, and programs rely on a /var/tmp that they can write. */
static void add_var_tmp(struct cloister_row_list *list, const struct cloister_policy *policy,
                        const struct cloister_account *account)
{
	bool apart = !list->plan->privileged;

	for (size_t i = 0; i < list->plan->n_rows; i++)
		apart = apart || (list->plan->rows[i].kind == CLOISTER_ROW_BIND &&
		                  strcmp(list->plan->rows[i].target, "/var") == 0);
	if (!apart || has_content(policy, account, "/var/tmp", false) || is_covered(list, policy, "/var/tmp"))
		return;
	struct cloister_row *row = cloister_row_add(list, CLOISTER_ROW_TMPFS, "", "/var/tmp", "mode=1777");
	row->attributes = CLOISTER_SAFE;
	row->flags |= CLOISTER_ROW_IF_PRESENT;
}

void cloister_plan_add_host(struct cloister_row_list *list, const struct cloister_policy *policy,
                            const struct cloister_account *account, const struct cloister_plan_facts *facts)
{
	if (strcmp(policy->rootfs, "/") != 0)
		return;
	/* Before the hidden places: they may be on one of these. */
	if (facts->mounts != NULL && list->plan->privileged)
		add_mounts(list, policy, account, facts->mounts);
	add_hidden(list, policy, account);
	add_var_tmp(list, policy, account);
	if (!list->plan->privileged) {
		hide(list, policy, account, "/sys", false);
		if (facts->mounts != NULL)
			add_mounts(list, policy, account, facts->mounts);
	}
}
