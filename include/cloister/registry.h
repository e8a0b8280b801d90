/* SPDX-License-Identifier: MIT */
/*
 * The registry of live sessions: one small root-owned file each in /run/cloister/sessions, no daemon. An entry counts
 * only when the kernel confirms it (a live init of that start time in that mount namespace); one that it does not is
 * removed when it is met.
 */
#ifndef CLOISTER_REGISTRY_H
#define CLOISTER_REGISTRY_H

#include "cloister/error.h"
#include "cloister/plan.h"
#include "cloister/session.h"

#define CLOISTER_REGISTRY "/run/cloister/sessions"
/* One file for each login, ID.PID: what is the login's own and not the session's. */
#define CLOISTER_REGISTRY_LOGINS     "/run/cloister/logins"

#define CLOISTER_REGISTERED_TEXT_MAX 256

/* A live session, as the registry has it and the kernel confirms it. */
struct cloister_registered {
	char id[CLOISTER_SESSION_ID_MAX];
	char user[CLOISTER_REGISTERED_TEXT_MAX];
	char rootfs[4096];
	char network[CLOISTER_REGISTERED_TEXT_MAX];
	uint32_t uid;
	int64_t since; /* time(2) */
	bool shared;
	pid_t init;
	int pidfd; /* of init */
};

/* A login to a session: what the PAM stack knew of it. Texts are cut, and have no control characters. */
struct cloister_login {
	char service[CLOISTER_REGISTERED_TEXT_MAX]; /* the PAM service, or "cloister run" */
	char tty[CLOISTER_REGISTERED_TEXT_MAX];     /* PAM_TTY; "" when there is none ("ssh" is sshd's) */
	char remote_host[CLOISTER_REGISTERED_TEXT_MAX];
	pid_t pid; /* the login process */
	int64_t since;
};

/*
 * Calls visit for each live session, of a user (by name) or of all (NULL), until it returns something else than 0,
 * which is then returned. What visit is given is good until it returns. Entries that the kernel does not confirm are
 * removed on the way (by root). Returns 0, what visit returned, or -errno.
 */
int cloister_registry_each(const char *user, int (*visit)(const struct cloister_registered *session, void *data),
                           void *data, struct cloister_error *err);

/* The same for the logins of a session (id), or with NULL only the healing of all. */
int cloister_registry_each_login(const char *id, int (*visit)(const struct cloister_login *login, void *data),
                                 void *data, struct cloister_error *err);

/* Says that the calling process is a login to the session; login->pid and since are filled in. 0 or -errno. Needs root.
 */
int cloister_registry_add_login(const char *id, const struct cloister_login *login, struct cloister_error *err);
/* Takes that back. */
void cloister_registry_remove_login(const char *id);

/* Notes for the logins of a session that it is about to be killed on an administrator's order. What cannot be noted is
 * not in the logs, and no reason to let it live. */
void cloister_registry_note_kill(const char *id);
/* Whether that was noted for the calling process's login. */
bool cloister_registry_login_was_killed(const char *id);

/* Adds a session (written beside, then renamed). Needs root. */
int cloister_registry_add(const struct cloister_session *session, const struct cloister_plan *plan,
                          struct cloister_error *err);

/* Removes an entry; a missing one is no error. */
void cloister_registry_remove(const char *id);

/*
 * Starts the session of a plan that root carries out, and adds it to the registry. Where another live session of the
 * user is on the same state directory, rootfs and ids, the new one gets a mount of the same overlay instance, since two
 * instances on one upper directory are undefined. Until it is in the registry other logins of the user wait, at most
 * plan->timeout. On failure nothing is left. On success *out is as from cloister_session_start;
 * cloister_registry_remove is the caller's at the end.
 */
int cloister_session_start_registered(const struct cloister_plan *plan, const char *init_path, int devpts,
                                      struct cloister_session **out, struct cloister_error *err);

/*
 * scope = user: joins the user's live session that was started with the same plan, or starts it. Where ten logins come
 * at once, one starts and nine join. changed (size bytes) is "" or names what keeps this login from a session of the
 * user's that was started otherwise: then a new one is started beside it. *joined: whether it was there already. On
 * success *out is to be left by cloister_session_leave.
 */
int cloister_session_share(const struct cloister_plan *plan, const char *init_path, struct cloister_session **out,
                           bool *joined, char *changed, size_t size, struct cloister_error *err);

/* A detached mount of the devpts of the session whose init a pidfd refers to. A descriptor or -errno. */
int cloister_shared_devpts_open(int pidfd, struct cloister_error *err);

#endif
