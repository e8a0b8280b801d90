/* SPDX-License-Identifier: MIT */
/* The parts of the registry; private to it. */
#ifndef CLOISTER_REGISTRY_ENTRIES_H
#define CLOISTER_REGISTRY_ENTRIES_H

#include "cloister/registry.h"

#define CLOISTER_REGISTRY_ENTRY_MAX 8192 /* bytes of one file */

/* Opens a directory of /run/cloister, root's all the way and made when missing (by root). A descriptor or -errno. */
int cloister_registry_open(const char *name, mode_t mode, struct cloister_error *err);

/* Going through the names in a directory of the registry; "." and ".." are left out. */
struct cloister_registry_names {
	int directory; /* the caller's, at its beginning */
	int error;     /* once there is no next name: 0, or -errno when the rest could not be read */
	size_t at, size;
	_Alignas(8) char buffer[2048];
};
void cloister_registry_names_start(struct cloister_registry_names *names, int directory);
/* The next name, true until the next call; NULL at the end. A name may be removed while it is looked at. */
const char *cloister_registry_names_next(struct cloister_registry_names *names);
/* Whether a name may be one of this user's sessions or logins, or is being written. The file says whether it is. */
bool cloister_registry_is_of(const char *name, const char *user);

/* Reads a file that is root's alone to write, at most size - 1 bytes of it, as text. 0 or -errno; -EBADMSG when it is
 * no such file. */
int cloister_registry_read(int registry, const char *name, char *text, size_t size);

/* Field 22 of /proc/PID/stat (proc(5)): with the number it names a process for good. 0 or -errno; -ESRCH when there is
 * no such process. */
int cloister_registry_start_time(pid_t pid, uint64_t *ticks);
/* The same of the file's text. 0 or -ESRCH. */
int cloister_registry_parse_stat(const char *text, uint64_t *ticks);

/* The value of a line "key=value", cut to size; "" when there is none. */
void cloister_registry_text(const char *text, const char *key, char *value, size_t size);
/* The init that an entry names: a number above 1, its start time and mount namespace. 0 or -ESRCH. */
int cloister_registry_parse_init(const char *text, pid_t *pid, uint64_t *start, uint64_t *inode);
/* An entry that is confirmed as a session. */
void cloister_registry_parse_session(const char *id, const char *text, int pidfd, struct cloister_registered *session);
/* A login's file: the login, and when its process began. 0 or -ESRCH. */
int cloister_registry_parse_login(const char *text, struct cloister_login *login, uint64_t *start);
/*
 * Whether an entry is on the state directory that wanted begins with ("\nstate=DIRECTORY\n...") : 1 when all that is
 * wanted is in it, 0 when it is on another, -EBUSY when it is on that one, but over something else; -ENOMEM.
 */
int cloister_registry_same_overlay(const char *text, const char *wanted);

/*
 * A pidfd of the init that an entry names, where the kernel confirms it: the number, the start time and the mount
 * namespace are those of one live process. -ESRCH when it is stale, another -errno when nobody can tell. The file alone
 * says nothing (firejail's CVE-2022-31214: a faked entry was joined).
 */
int cloister_registry_confirm(const char *text);

/* Removes a file that is being written (its name begins with a dot) when its writer must have been killed: it is old,
 * or the process that it is named for is gone. */
void cloister_registry_sweep_hidden(int registry, const char *name);

/* Reads and confirms an entry; one that is not live, or no entry at all, is removed. Returns a pidfd, -ESRCH when it is
 * not live, or another -errno when nobody can tell: it stays, then. */
int cloister_registry_live(int registry, const char *name, char *text, size_t size);

/* Adds a session (written beside, then renamed). */
int cloister_registry_add(const struct cloister_session *session, const struct cloister_plan *plan,
                          struct cloister_error *err);

/*
 * Finds a live session on the same state directory, rootfs and ids, and returns a pidfd of its init; -ENOENT when there
 * is none. Entries of dead sessions met on the way are removed.
 */
int cloister_registry_find(const struct cloister_plan *plan, struct cloister_error *err);

/* Likewise, a live session on this state directory whatever its rootfs and ids. */
int cloister_registry_find_state(const char *state, struct cloister_error *err);
/* The file system that an entry says its session holds, see image.h. */
struct cloister_registry_image {
	uint64_t device, inode; /* of its root */
};

/* Finds a live session that holds the mount of an image (image.h), and returns a pidfd of its init; -ENOENT when there
 * is none. */
int cloister_registry_find_image(const char *identity, struct cloister_registry_image *image);

/*
 * Removes the entries of dead sessions of a user: of login processes that ended without closing theirs. Of many entries
 * some are looked at each time; `cloister ls` looks at all.
 */
void cloister_registry_sweep(const char *user);
/* The same for the entries of logins. */
void cloister_registry_sweep_logins(const char *user);
/* Calls visit for some of the names in a directory of the registry, read from its beginning, that are of a user's
 * sessions: in a large directory seldom, and then for more, so that on average it is the same. */
void cloister_registry_visit_some(int directory, const char *user, void (*visit)(int directory, const char *name));

/* A detached copy of the root mount of the session whose init a pidfd refers to. A child of its own enters that mount
 * namespace. */
int cloister_shared_root_open(int pidfd, struct cloister_error *err);

#endif
