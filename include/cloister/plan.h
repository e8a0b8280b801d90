/* SPDX-License-Identifier: MIT */
/*
 * The plan: the complete, ordered list of what will be done for one session. Plain data, computed without any
 * privilege, printable. A new mount is a new row here; the executor (execute.h) knows kinds of rows, not sessions.
 */
#ifndef CLOISTER_PLAN_H
#define CLOISTER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cloister/account.h"
#include "cloister/error.h"
#include "cloister/ids.h"
#include "cloister/limits.h"
#include "cloister/mount_table.h"
#include "cloister/policy.h"

#define CLOISTER_PLAN_LINGER_FOREVER UINT32_MAX

#define CLOISTER_SHELL_PATH          "/usr/bin/cloister-sh"
#define CLOISTER_SESSION_FILE        "/run/cloister/session"
/* users = root: the inner user namespace, the root directory of what is in it, and what leads there (launcher.h). */
#define CLOISTER_USERS_FILE "/run/cloister/users"
#define CLOISTER_USERS_TREE "/run/cloister/root"
#define CLOISTER_DOOR       "/run/cloister/door"
/* Below it, one directory for each uid: XDG_RUNTIME_DIR. */
#define CLOISTER_RUNTIME_DIRECTORIES "/run/user/"

enum cloister_row_kind {
	CLOISTER_ROW_ROOT,    /* source, a directory, becomes the root */
	CLOISTER_ROW_IMAGE,   /* source, an image file: what the overlay lies over, see image.h */
	CLOISTER_ROW_OVERLAY, /* an overlay over source becomes the root; data: the state directory, or the options of a
	                       * tmpfs
	                       */
	CLOISTER_ROW_TMPFS,   /* data: options of tmpfs(5) */
	CLOISTER_ROW_DEVICE,  /* the host's device node source on target */
	CLOISTER_ROW_DEVPTS,  /* the session's own instance */
	CLOISTER_ROW_MQUEUE,  /* the session's own instance */
	CLOISTER_ROW_PROC,    /* of the session's pid namespace */
	CLOISTER_ROW_BIND,    /* source on target */
	CLOISTER_ROW_HOME,    /* the private home below the directory data, made like source, on target */
	CLOISTER_ROW_TERMINAL,  /* the terminal that existed before the session, source, on target */
	CLOISTER_ROW_SYMLINK,   /* target -> data */
	CLOISTER_ROW_DIRECTORY, /* an empty directory */
	CLOISTER_ROW_FILE,      /* target with the content data */
	CLOISTER_ROW_ACCOUNT,   /* the lines of data in target, a passwd(5) or group(5), where the rootfs lacks them */
	CLOISTER_ROW_COPY,      /* a copy of the host's source, if it has one, where the rootfs has no target */
	CLOISTER_ROW_RESOLVER,  /* target is like the host's resolv.conf(5), source, with the nameservers of data */
	CLOISTER_ROW_MASK,      /* nothing to see at target */
	CLOISTER_ROW_READ_ONLY, /* target, as it is, read-only */
	CLOISTER_ROW_OWNER,     /* what init makes from here on belongs to the user, who is root inside */
	CLOISTER_ROW_USERS,     /* the user namespace in which the user is root, as a file on target */
	CLOISTER_ROW_SEAL,      /* the mount on target, itself, read-only */
	CLOISTER_ROW_TREE,      /* the root and all that is mounted on it, once more on target */
	CLOISTER_ROW_DOORS, /* every program of the directory target, and the name data, leads to the launcher; not in a
	                       TREE made before */
	CLOISTER_ROW_PIVOT, /* the new root becomes /, the old one goes */
	CLOISTER_ROW_HOSTNAME,     /* data */
	CLOISTER_ROW_LOOPBACK,     /* lo up */
	CLOISTER_ROW_PROHIBIT,     /* no way to the network data, ADDRESS/LENGTH */
	CLOISTER_ROW_SHELL,        /* target can be executed; it names the shells that are there otherwise */
	CLOISTER_ROW_KEYRING,      /* a new session keyring */
	CLOISTER_ROW_NO_CORE,      /* RLIMIT_CORE 0 */
	CLOISTER_ROW_CAPABILITIES, /* init drops everything */
	CLOISTER_ROW_NO_NEW_PRIVS, /* no_new_privs */
	CLOISTER_ROW_SECCOMP,      /* the filter */
	CLOISTER_ROW_VERIFY,       /* what the kernel says now against the plan */
	/* Here, since the others' numbers stand in the plans of sessions that an upgrade leaves running. */
	CLOISTER_ROW_NETWORK, /* into the network namespace, which is made meanwhile */
	CLOISTER_ROW_KINDS,
};

enum {
	CLOISTER_ROW_IDMAP = 1 << 0,      /* idmapped to the session's ids, where the file system can */
	CLOISTER_ROW_IF_PRESENT = 1 << 1, /* nothing is done where target is missing */
	CLOISTER_ROW_TRUSTED = 1 << 2,    /* refused unless root owns everything that a privileged process would load */
	CLOISTER_ROW_ROOT_ONLY = 1 << 3,  /* source and its directories must be root's */
	CLOISTER_ROW_FOR_USER = 1 << 4,   /* source, a directory, is opened by the user and must be the user's */
	CLOISTER_ROW_ALONE = 1 << 5,      /* without what is mounted below source */
};

struct cloister_row {
	enum cloister_row_kind kind;
	uint32_t flags;
	uint64_t attributes; /* MOUNT_ATTR_* of mount_setattr(2) */
	uint32_t mode;       /* of a directory or file that is made */
	char *source;        /* a path of the host; "" when there is none */
	char *target;        /* a path of the session; "" when there is none */
	char *data;
	char *origin; /* the line of the configuration that asked for it, "FILE:LINE"; "" when none did */
};

/* What is done with the terminal that the login process has. */
enum cloister_terminal {
	CLOISTER_TERMINAL_NONE,       /* nothing */
	CLOISTER_TERMINAL_LOGIN_VIEW, /* the login process makes ptys itself, later: it gets the session's devpts (sshd)
	                               */
	CLOISTER_TERMINAL_BIND,  /* it is the user's: bound on the session's /dev/console and its own path (login) */
	CLOISTER_TERMINAL_RELAY, /* it is somebody else's: a new pty and a relay (su) */
};

struct cloister_plan {
	char *session_id;
	char *user;
	uint32_t uid;
	uint32_t gid;
	uint32_t inside_uid; /* the user's in the session's user namespace: the same, but 0 for users = root without
	                        root */
	uint32_t inside_gid;
	char *rootfs;
	char *state;                 /* the overlay's state directory; "" when there is none */
	uint64_t writable_max;       /* bytes that the user may have there, by project quota; 0: as many as there are */
	uint64_t writable_files_max; /* inodes, likewise */
	char *shell;                 /* the shell that runs, as a path inside */
	char *home;
	char *hostname;
	uint64_t namespaces; /* CLONE_NEW*: those that the session does not share with the host */
	uint32_t network;    /* enum cloister_network */
	char *network_name;  /* of netns:NAME; else "" */
	char *publish;       /* with pasta: "ADDRESS/PORT:PORT" of the host and of the session, one a line */
	/* On the host, all of them, for what root opens as the user; not on the wire to init. */
	uint32_t *host_groups;
	size_t n_host_groups;
	struct cloister_id_map uid_map;
	struct cloister_id_map gid_map;
	bool root_inside; /* users = root, by root: the user's programs are in a user namespace inside the session's */
	struct cloister_id_map root_uid_map; /* of that one, in ids of the session's */
	struct cloister_id_map root_gid_map;
	uint64_t root_capabilities; /* what is kept there */
	uint32_t *groups;           /* the user's, as numbers inside; of the login process alone, not on the wire */
	size_t n_groups;
	uint64_t capabilities;
	uint32_t terminal;   /* enum cloister_terminal */
	char *terminal_path; /* with shared: the terminal to bind for this login; of the login process alone; NULL */
	uint32_t timeout;    /* seconds for the whole set-up */
	uint32_t linger;     /* seconds that a shared session outlives its last login; CLOISTER_PLAN_LINGER_FOREVER */
	bool shared;         /* the user's logins join this session (scope = user) */
	bool privileged;     /* root carries the host's part out; else everything happens in the user's own namespace */
	bool no_new_privs;
	bool seccomp;
	struct cloister_limits limits;
	struct cloister_row *rows;
	size_t n_rows;
};

/* What a plan depends on besides policy and account; gathered by the caller, so that the plan stays pure. */
struct cloister_plan_facts {
	bool privileged;
	const char *session_id;
	struct cloister_id_range range;
	enum cloister_terminal terminal;
	const char *terminal_path; /* for BIND: such as /dev/tty1 or /dev/pts/4 */
	const char *init_path;     /* the installed cloister-init */
	bool image;                /* the rootfs is a regular file */
	bool shell_check;          /* the user's shell must be there (not for `cloister run -- CMD`) */
	bool moves;                /* the login process itself goes in, and loads code from the rootfs there */
	/* The host's mounts, for rootfs = /; NULL with any other rootfs. */
	const struct cloister_mount_table *mounts;
};

/*
 * Computes the plan. A setting that this release cannot carry out is refused (-EOPNOTSUPP) with a text that names it.
 * On success *out is owned by the caller (cloister_plan_free).
 */
int cloister_plan_build(const struct cloister_policy *policy, const struct cloister_account *account,
                        const struct cloister_plan_facts *facts, struct cloister_plan **out,
                        struct cloister_error *err);

/* Frees a plan; NULL is allowed. */
void cloister_plan_free(struct cloister_plan *plan);

/* The name of a kind of row: "proc", "bind", ... */
const char *cloister_row_name(enum cloister_row_kind kind);

/* The wire format between the login process and init: *buffer is the caller's (free). Returns 0 or -ENOMEM. */
int cloister_plan_encode(const struct cloister_plan *plan, void **buffer, size_t *size);
/* The other way; every length and number is checked. Returns 0, -ENOMEM, or -EBADMSG. */
int cloister_plan_decode(const void *buffer, size_t size, struct cloister_plan **out);

/* The value of `network`, such as "netns:lab", in text (size bytes). */
#define CLOISTER_NETWORK_TEXT_MAX 80
void cloister_plan_network(const struct cloister_plan *plan, char *text, size_t size);
/* Whether the session's network namespace is its alone. */
bool cloister_plan_network_is_own(const struct cloister_plan *plan);

/* The plan as text for people, or as JSON; the string is the caller's (free). NULL: no memory. */
char *cloister_plan_text(const struct cloister_plan *plan);
char *cloister_plan_json(const struct cloister_plan *plan);

static inline void cloister_cleanup_plan(struct cloister_plan **plan)
{
	cloister_plan_free(*plan);
}
#define _cleanup_plan_ __attribute__((cleanup(cloister_cleanup_plan)))

/*
 * Whether a login with plan `ours` may join the session that was started with `theirs`: everything that makes the
 * session what it is must be the same, but for its id and the terminal of the login. Pure. True, or false with the
 * first thing that differs in what (size bytes), such as "network namespace" or "bind /srv/data".
 */
bool cloister_plan_may_join(const struct cloister_plan *ours, const struct cloister_plan *theirs, char *what,
                            size_t size);

/* Whether a login shell is cloister-sh, wherever it is installed: a session without a PAM line. */
bool cloister_plan_is_launcher(const char *shell);

/* The session's own XDG_RUNTIME_DIR; NULL when the plan makes none. */
const char *cloister_plan_runtime_directory(const struct cloister_plan *plan);

/* Whether the host's absolute path is the same file in the session, as far as the plan can tell. */
bool cloister_plan_shows(const struct cloister_plan *plan, const char *path);

#endif
