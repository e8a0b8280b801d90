/* SPDX-License-Identifier: MIT */
/* How a process gets into a session: the steps of a freshly forked child, before it does anything else. */
#ifndef CLOISTER_ENTRY_H
#define CLOISTER_ENTRY_H

#include <stdbool.h>

#include "cloister/session.h"
#include "cloister/terminal.h"

struct cloister_entry {
	const struct cloister_session *session;
	/* The child still has its own setuid(2) to do: it keeps CAP_SETUID and CAP_SETGID of the session's user
	 * namespace for it. */
	bool login_program;
	/* It opens the user's terminal by its name before that setuid(2), as util-linux' login does: it does so
	 * with the file system id of the user, whose the terminal is. */
	bool reopens_terminal;
	const struct cloister_own_terminal *terminal; /* bound for this login alone; NULL: none */
	/* The controlling terminal is not the user's: without a pty of the session the child has none. */
	bool terminal_is_anothers;
	int pty;          /* number of the session's pty that becomes the controlling terminal; -1: none */
	unsigned pty_fds; /* bit n: descriptor n (0, 1, 2) becomes that pty */
};

/*
 * Puts the calling process, the only thread of a child made after cloister_entry_prepare, into the session: namespaces,
 * ids, keyring, privileges, descriptors above 2 close-on-exec, root and working directory. Async-signal-safe. Returns
 * 0, or -errno with *step naming what failed: the caller must then _exit(2) without a line of anybody else's code.
 */
int cloister_entry_enter(const struct cloister_entry *entry, const char **step);

/*
 * The last step of cloister_entry_enter: what the kernel says of the calling process, against the session: namespaces,
 * root and working directory, ids and groups, capabilities, no_new_privs, seccomp, descriptors. 0 or -errno with *step.
 */
int cloister_entry_verify(const struct cloister_entry *entry, const char **step);

/* Whether the calling process is the user for good: real, effective and saved ids, and groups. 0 or -errno. */
int cloister_entry_verify_user(const struct cloister_session *session);

/*
 * Sends the next children of the calling thread into the session's pid namespace (setns(2) on init's pidfd). 0 or
 * -errno. Without privilege it takes the caller itself into the session's user namespace, for good: only a program of
 * ours that then waits and ends does that.
 */
int cloister_entry_prepare(const struct cloister_session *session);

/* Makes a pid namespace, by its descriptor (/proc/PID/ns/pid), that of the calling thread's next children. 0 or -errno.
 */
int cloister_entry_children_in(int pid_namespace);

/*
 * A descriptor of a pid namespace whose init is dead, or -errno. A thread that has it for its children can make none:
 * fork(2), vfork(2) and clone(2), by whatever way they are called, are ENOMEM, a new thread EINVAL
 * (pid_namespaces(7)). Makes a child and reaps it.
 */
int cloister_entry_closed_namespace(void);

/* Becomes the user for good: groups, gid, uid, and proof that they cannot be regained; root inside, with users = root.
 * For our own children, not login programs'. */
int cloister_entry_become_user(const struct cloister_session *session, const char **step);

#endif
