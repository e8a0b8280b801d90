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

/* Enters it and returns the mounted devpts, for the session's copy; on failure everything is as before. The caller
 * closes the descriptor. */
int cloister_login_view_enter(struct cloister_login_view *view, struct cloister_error *err);
/* Back to the mount namespace, root and working directory of before. */
void cloister_login_view_leave(struct cloister_login_view *view);
/* Closes what it holds without going back. */
void cloister_login_view_forget(struct cloister_login_view *view);

/* A pty of the session for a login process whose own terminal must stay outside, and the relay between them. */
struct cloister_pty {
	int number;
	int master;
	int control; /* the relay ends when it is closed */
	pid_t relay;
	unsigned fds; /* bit n: descriptor n was a terminal, and becomes the pty inside */
};

/* Which of the descriptors 0, 1, 2 are terminals, as bits. */
unsigned cloister_terminal_fds(void);
/* The path of the terminal on 0 (or 1, 2); -ENOTTY when there is none. */
int cloister_terminal_path(char *path, size_t size);
/* The path of a pty that this process has allocated, its master above descriptor 2; -ENOTTY: there is none. */
int cloister_terminal_allocated(char *path, size_t size);

/* Allocates a pty of devpts, a mount, for the user. */
int cloister_pty_open(int devpts, uid_t uid, gid_t gid, struct cloister_pty *pty, struct cloister_error *err);
/* Starts the relay as the unprivileged id, in the caller's process group. */
int cloister_pty_relay(struct cloister_pty *pty, const char *init_path, uid_t unprivileged, struct cloister_error *err);
/* Lets the relay finish what the pty still holds (at most 3 s) and releases everything. */
void cloister_pty_close(struct cloister_pty *pty);

#endif
