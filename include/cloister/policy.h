/* SPDX-License-Identifier: MIT */
/* What the configuration says for one user: plain data, computed without any privilege or system call. */
#ifndef CLOISTER_POLICY_H
#define CLOISTER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cloister/account.h"
#include "cloister/config.h"
#include "cloister/error.h"
#include "cloister/limits.h"

enum cloister_writable {
	CLOISTER_WRITABLE_OVERLAY,
	CLOISTER_WRITABLE_TMPFS,
	CLOISTER_WRITABLE_NO,
	CLOISTER_WRITABLE_DIRECT
};
enum cloister_home { CLOISTER_HOME_BIND, CLOISTER_HOME_PRIVATE, CLOISTER_HOME_TMPFS, CLOISTER_HOME_NONE };
enum cloister_network { CLOISTER_NETWORK_NONE, CLOISTER_NETWORK_HOST, CLOISTER_NETWORK_PASTA, CLOISTER_NETWORK_NETNS };
enum cloister_users { CLOISTER_USERS_SAME, CLOISTER_USERS_ROOT, CLOISTER_USERS_HOST };
enum cloister_scope { CLOISTER_SCOPE_SESSION, CLOISTER_SCOPE_USER };
enum cloister_entry_kind { CLOISTER_ENTRY_AUTO, CLOISTER_ENTRY_CHILD, CLOISTER_ENTRY_PROCESS };

#define CLOISTER_LINGER_FOREVER (-1)
/* Bytes of the text of `refuse`, its end included. */
#define CLOISTER_REFUSE_MAX 256
/* Where shifted ids go for a user without a range of their own in /etc/subuid; nothing else on a Linux system uses it.
 */
#define CLOISTER_ID_BASE_DEFAULT  1879048192U
#define CLOISTER_ID_COUNT_DEFAULT 65536U
/*
 * Ids of the host that no session has inside, whatever its range, and so no file: the owners of sessions' user
 * namespaces, one for a uid as far as there are enough, and the relay. Whoever had the first would have every
 * capability in the session, and could trace its init; whoever had the second could reach for what root types.
 */
#define CLOISTER_OUTSIDE_ID_BASE 4294901760U
#define CLOISTER_OWNER_ID_COUNT  65000U
#define CLOISTER_RELAY_ID        (CLOISTER_OUTSIDE_ID_BASE + CLOISTER_OWNER_ID_COUNT)

struct cloister_bind {
	char *source;
	char *target;
	char *origin; /* "FILE:LINE"; "" for a built-in one */
	bool read_only;
};

struct cloister_tmpfs {
	char *path;
	char *origin;
	uint64_t size;  /* bytes; 0: the kernel's default */
	uint64_t files; /* inodes; 0: the kernel's default */
};

struct cloister_mask {
	char *path;
	char *origin;
};

struct cloister_policy {
	bool isolate;
	char *rootfs;
	enum cloister_writable writable;
	uint64_t writable_max;       /* bytes; 0: none for an overlay, the built-in one for a tmpfs */
	uint64_t writable_files_max; /* inodes; likewise */
	uint64_t ptys_max;
	char *state;
	enum cloister_home home;
	struct cloister_bind *binds;
	size_t n_binds;
	struct cloister_tmpfs *tmpfs;
	size_t n_tmpfs;
	struct cloister_mask *masks;
	size_t n_masks;
	enum cloister_network network;
	char *network_name; /* of netns:NAME; else NULL */
	char **publish;     /* with pasta: "ADDRESS/PORT:PORT", of the host and of the session */
	size_t n_publish;
	enum cloister_users users;
	char *hostname;
	char *shell; /* NULL: the passwd shell */
	enum cloister_scope scope;
	long linger;           /* seconds; 0 no, CLOISTER_LINGER_FOREVER yes */
	uint64_t capabilities; /* bit n: capability n is kept */
	bool capabilities_set; /* the key is there; without it users = root has a set of its own */
	bool no_new_privs;
	bool seccomp;
	struct cloister_limits limits;
	enum cloister_entry_kind entry;
	unsigned timeout;        /* seconds */
	char *refuse;            /* logins are refused with this text; NULL: they are not */
	bool refuse_except_sftp; /* but for the transfer of files */
	/* `id_range`: the unprivileged range for shifted ids. Both 0: the user's in /etc/subuid, else the default
	 * above. */
	uint32_t id_base;
	uint32_t id_count;
};

/* The values of tokens that do not come from the account: %s and %H. */
struct cloister_tokens {
	const char *session_id; /* with scope = user it is the user's name that counts */
	const char *host_name;
};

/*
 * Which settings hold for this account. [default], then [group:NAME] of the user's groups, then [user:NAME];
 * of the same kind the later line wins. `bind`, `tmpfs`, `mask` may be repeated: lines of one kind add
 * up, and a more specific kind replaces the list of a less specific one. uid 0 is isolated only by its own [user:root].
 *
 * Where the configuration has faults, or a value that is wrong (unknown key, unknown word, bad number):
 * - the user is refused (an error, -EINVAL, naming file:line) when the fault concerns them: it stands in a section that
 *   names them or a group of theirs, or it stands in [default] or outside any section and the readable lines isolate
 * the user;
 * - else the result is a policy with isolate = false: nobody else is touched.
 * uid 0 is concerned only by [user:root].
 *
 * On success *out is owned by the caller (cloister_policy_free).
 */
int cloister_policy_for_user(const struct cloister_config *config, const struct cloister_account *account,
                             const struct cloister_tokens *tokens, struct cloister_policy **out,
                             struct cloister_error *err);

/* The same for whoever is about to act on it: the account's groups are confirmed first (account.h), by the name
 * service. */
int cloister_policy_find(const struct cloister_config *config, const struct cloister_account *account,
                         const struct cloister_tokens *tokens, struct cloister_policy **out,
                         struct cloister_error *err);

/*
 * What holds for a login of this account: the configuration (NULL: the standard places) is loaded, and asked with
 * cloister_policy_find. The one answer of all who let a user's programs run on the host or do not. *out stays NULL for
 * root where the configuration cannot be loaded: nobody can tell who was to be isolated, and root must be able to come
 * and mend it. Else as cloister_policy_find.
 */
int cloister_policy_for_login(const char *configuration, const struct cloister_account *account, const char *session_id,
                              struct cloister_policy **out, struct cloister_error *err);

/*
 * A session that is let in for the transfer of files alone, while logins are refused: one of its own, without a
 * network, so that no forward of sshd's leads anywhere. Its plan gets the text of `refuse`, and the launcher.
 */
void cloister_policy_transfer_only(struct cloister_policy *policy);

/* One value that holds for a user, and the line that it comes from. */
struct cloister_setting {
	const char *key;
	const char *value; /* as it is written, tokens and all; of a default, as the manual has it */
	const struct cloister_config_entry *entry; /* NULL: the default */
};

/*
 * Which line of which file set each value, in the order of the manual: one setting for a key, or one for each line of a
 * key that may be repeated. Pure. On success *settings is the caller's (free); what it points to belongs to config.
 * Returns the number of settings, or -ENOMEM.
 */
ssize_t cloister_policy_explain(const struct cloister_config *config, const struct cloister_account *account,
                                struct cloister_setting **settings);

/*
 * Every key that the configuration knows, with a one-line help text, in the order of the manual; ends with a NULL key.
 * The manual, --help and the completion are held against it by a test.
 */
struct cloister_key {
	const char *key;
	const char *values;
	const char *standard; /* the default, as text */
	bool repeated;
};
extern const struct cloister_key cloister_keys[];

/*
 * Checks one "key = value" without a user (as `cloister run --set` and `cloister check` do).
 * Returns 0 or -EINVAL with a text that says what would be right.
 */
int cloister_policy_check_value(const char *key, const char *value, struct cloister_error *err);

/* Frees a policy; NULL is allowed. */
void cloister_policy_free(struct cloister_policy *policy);

static inline void cloister_cleanup_policy(struct cloister_policy **policy)
{
	cloister_policy_free(*policy);
}
#define _cleanup_policy_ __attribute__((cleanup(cloister_cleanup_policy)))

#endif
