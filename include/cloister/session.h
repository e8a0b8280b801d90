/* SPDX-License-Identifier: MIT */
/* Starting and ending a session from the login process: namespaces, init, ids, the plan. */
#ifndef CLOISTER_SESSION_H
#define CLOISTER_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cloister/error.h"
#include "cloister/image.h"
#include "cloister/namespaces.h"
#include "cloister/plan.h"

#define CLOISTER_SESSION_ID_MAX 64
/* Of the user's name, so much is in it. */
#define CLOISTER_SESSION_ID_USER 48

struct cloister_session {
	char id[CLOISTER_SESSION_ID_MAX];
	pid_t owner;  /* the process that started it */
	pid_t init;   /* the host's number of the session's PID 1 */
	int pidfd;    /* of init */
	int control;  /* init ends when this is closed */
	int landlock; /* a ruleset for whoever enters; -1: the kernel has no scopes */
	void *seccomp;
	uint16_t seccomp_length; /* 0: none */
	uint64_t namespaces;
	uint64_t capabilities;
	bool root_inside;  /* users = root: what a login program executes joins an inner user namespace */
	uint32_t uid, gid; /* the user's in the session's user namespace */
	gid_t *groups;     /* the user's, as numbers inside */
	size_t n_groups;
	bool privileged;
	bool no_new_privs;
	char image[192]; /* the registry's lines about the image whose mount init holds; "": it holds none */
	bool shared;     /* others may be in: it is left, not ended */
	/* By cloister_namespace_kinds, as the kernel says; 0: not of the session's own, or init cannot be looked at. */
	uint64_t namespace_inodes[CLOISTER_NAMESPACE_KINDS], host_namespace_inodes[CLOISTER_NAMESPACE_KINDS];
	uint64_t root_device, root_inode; /* of init; 0: it cannot be looked at */
	int cgroup; /* cgroup.procs of the session's cgroup, for whoever enters; -1: it has none of its own */
	struct cloister_limits limits;
};

struct cloister_session_options {
	const char *init_path;              /* cloister-init */
	int devpts;                         /* the session's devpts, made by the caller; -1: made here */
	int shared_root;                    /* see source.h; -1: none */
	const struct cloister_image *image; /* likewise; NULL: none */
};

/* A new session id: the user's name and 8 random hexadecimal digits, at most CLOISTER_SESSION_ID_MAX bytes. 0 or
 * -errno, with *err filled. */
int cloister_session_new_id(const char *user, char id[CLOISTER_SESSION_ID_MAX], struct cloister_error *err);

/* The host's name, for the tokens of a configuration; size is HOST_NAME_MAX + 1. 0 or -errno, with *err filled. */
int cloister_host_name(char *name, size_t size, struct cloister_error *err);

/*
 * Starts the session of a plan: init by one clone3(2) with every namespace, id maps, sources, plan, and waits until
 * init has verified everything. It makes child processes (init; newuidmap for a user's own namespace) and changes
 * nothing else of the caller's. On failure nothing is left, and the error names step, path and errno. On success *out
 * is the caller's (cloister_session_end, then cloister_session_free).
 */
int cloister_session_start(const struct cloister_plan *plan, const struct cloister_session_options *options,
                           struct cloister_session **out, struct cloister_error *err);

/*
 * Joins the live session `id` whose init a pidfd (the caller's) refers to, where that may be: it was started with the
 * same plan (cloister_plan_may_join), init acknowledges the login, and the kernel says of its namespaces and id maps
 * what it says at a start. Returns 0 with *out as from cloister_session_start; -ESRCH when the session has ended;
 * -EXDEV with err->text naming what differs; or another -errno.
 */
int cloister_session_join(const struct cloister_plan *plan, const char *id, pid_t init, int pidfd,
                          struct cloister_session **out, struct cloister_error *err);

/*
 * What an administrator enters a live session with: the plan that it was started with, read from init, and a session
 * object without a login's control socket (it does not keep the session alive). account: its user, whose groups they
 * are; NULL where the user is gone: the primary group alone. Both are the caller's. -ESRCH when it has ended.
 */
int cloister_session_attach(const char *id, pid_t init, int pidfd, const struct cloister_account *account,
                            struct cloister_plan **plan, struct cloister_session **out, struct cloister_error *err);

/* A login leaves: a session that is its own is ended (cloister_session_end); a shared one is ended by its init, when
 * this was the last login and it does not linger. True when it has ended with this login. */
bool cloister_session_leave(struct cloister_session *session);

/* Kills every process of the session. Does not wait for them: zombies that only the caller can reap would block it for
 * ever. */
void cloister_session_end(struct cloister_session *session);

/* Reaps init if it has ended; gives it at most `milliseconds` to do so. True when it is gone. */
bool cloister_session_reap(struct cloister_session *session, int milliseconds);

/* Removes the cgroup of a session that has ended, if it has one, waiting at most so many milliseconds for its last
 * process. What is left then the next login removes. */
void cloister_session_drop_cgroup(const struct cloister_session *session, int milliseconds);

/* Closes what the caller holds of the session and frees it; in a forked child that is all that may be done. */
void cloister_session_free(struct cloister_session *session);

/* Where a program of ours is (its name: "cloister-init"): beside the calling program or module (a build tree) if it is
 * there, else where it is installed. */
int cloister_program_path(const char *name, const char *beside, char *path, size_t size);

#endif
