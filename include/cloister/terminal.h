/* SPDX-License-Identifier: MIT */
/* The login process's side of terminals: which it has, and how the session's own come to it. */
#ifndef CLOISTER_TERMINAL_H
#define CLOISTER_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "cloister/error.h"
#include "cloister/plan.h"

/*
 * A private mount namespace for the login process: the host as it is (a slave of it), with the session's devpts over
 * /dev/pts and /dev/ptmx. sshd then allocates its ptys inside the session.
 */
struct cloister_login_view {
	int own_namespace; /* the mount namespace before; -1: there is no view */
	int own_root, own_cwd;
};

/*
 * Enters it and returns the mounted devpts, for the session's copy; on failure everything is as before. The caller
 * closes the descriptor. devpts: a detached mount of the session's that is there already (it stays the caller's); -1: a
 * new instance, of the plan.
 */
int cloister_login_view_enter(const struct cloister_plan *plan, int devpts, struct cloister_login_view *view,
                              struct cloister_error *err);
/* Back to the mount namespace, root and working directory of before. */
void cloister_login_view_leave(struct cloister_login_view *view);
/* Closes what it holds without going back. */
void cloister_login_view_forget(struct cloister_login_view *view);

/*
 * The terminal of a login to a shared session, which must not be there for the others, and not after this login: it is
 * bound under its own name in a mount namespace of this login alone, a copy of the session's.
 */
struct cloister_own_terminal {
	int mount;     /* of the terminal, detached; -1: there is none */
	int held;      /* the master that keeps the name /dev/pts/N alive; -1: none */
	char path[64]; /* the place, inside */
};

/* Opens the host's terminal `path`, and sees to it that its name exists in the session's devpts, a mount. 0 or -errno.
 */
int cloister_own_terminal_open(const char *path, int devpts, struct cloister_own_terminal *terminal,
                               struct cloister_error *err);
void cloister_own_terminal_close(struct cloister_own_terminal *terminal);
/* In the child, inside, as root of the session: a mount namespace with the terminal in it. Async-signal-safe. 0 or
 * -errno. */
int cloister_own_terminal_enter(const struct cloister_own_terminal *terminal);

/* A pty of the session for a login process whose own terminal must stay outside, and the relay between them. */
struct cloister_pty {
	int number;
	int master;
	int control; /* the relay ends when it is closed */
	pid_t relay;
	unsigned fds; /* bit n: descriptor n was a terminal, and becomes the pty inside */
};

/* A new instance of devpts as the plan has it, a detached mount: the descriptor, or -errno. */
int cloister_devpts_new(const struct cloister_plan *plan);
/* Which of the descriptors 0, 1, 2 are terminals, as bits. */
unsigned cloister_terminal_fds(void);
/* The path of the terminal on 0 (or 1, 2); -ENOTTY when there is none. */
int cloister_terminal_path(char *path, size_t size);
/* The path of a pty that this process has allocated, its master above descriptor 2; -ENOTTY: there is none. */
int cloister_terminal_allocated(char *path, size_t size);

/* Allocates a pty of devpts, a mount, for the user. */
int cloister_pty_open(int devpts, const struct cloister_plan *plan, struct cloister_pty *pty,
                      struct cloister_error *err);
/* Starts the relay as CLOISTER_RELAY_ID, in the caller's process group. */
int cloister_pty_relay(struct cloister_pty *pty, const char *init_path, struct cloister_error *err);
/* Lets the relay finish what the pty still holds (at most 3 s) and releases everything. */
void cloister_pty_close(struct cloister_pty *pty);

#endif
