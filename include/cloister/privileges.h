/* SPDX-License-Identifier: MIT */
/*
 * What a process gives up when it enters a session (capabilities(7), prctl(2), keyctl(2), landlock(7)).
 * Every function here is async-signal-safe, allocates nothing and returns 0 or -errno: they run in the fork
 * handler of somebody else's program. They act on the calling thread.
 */
#ifndef CLOISTER_PRIVILEGES_H
#define CLOISTER_PRIVILEGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Drops every capability but those of keep (bit n) from the bounding set, unknown newer ones included. Needs
 * CAP_SETPCAP. */
int cloister_drop_bounding_set(uint64_t keep);

/*
 * Locks securebits: NOROOT (uid 0 of the user namespace gains nothing by exec), NO_CAP_AMBIENT_RAISE, KEEP_CAPS off;
 * NO_SETUID_FIXUP stays off, and is locked so, because the login program's own setuid(2) must clear what is left.
 * Needs CAP_SETPCAP.
 */
int cloister_lock_securebits(void);

/* Sets permitted and effective to the given sets, inheritable to that too where ambient is asked for, clears ambient
 * first. */
int cloister_set_capabilities(uint64_t permitted, bool ambient);

/* Makes effective what is permitted, and tells in *before what was effective. */
int cloister_raise_permitted(uint64_t *before);
/* Makes effective what was so before. */
int cloister_lower_effective(uint64_t before);

/*
 * File system ids of the calling thread (setfsuid(2), setfsgid(2), neither of which says whether it did anything), and
 * proof that they are these: -EPERM otherwise.
 */
int cloister_set_file_ids(uid_t uid, gid_t gid);

/* prctl(PR_SET_NO_NEW_PRIVS). */
int cloister_set_no_new_privs(void);

/* Joins a new anonymous session keyring; -ENOSYS and EDQUOT are errors like any other. */
int cloister_new_session_keyring(void);

/*
 * A Landlock ruleset that scopes abstract UNIX sockets and, where asked for, signals (ABI 6), as a descriptor to be
 * made in the login process; -EOPNOTSUPP where the kernel has no such scopes.
 */
int cloister_landlock_scopes(bool signals);
/* landlock_restrict_self(2) with it; needs no_new_privs. */
int cloister_landlock_enter(int ruleset);

/* RLIMIT_CORE to 0, hard and soft: a core file of a session process must not reach the host's core_pattern handler. */
int cloister_no_core(void);

/* RLIMIT_NOFILE as far as the hard limit lets it: for a process that holds a descriptor for each of many, and executes
 * nothing, since what it executes would have it, too. */
void cloister_raise_descriptor_limit(void);

/* What a process has, read back from the kernel, for verification and for `cloister doctor`. */
struct cloister_privileges {
	uint64_t effective, permitted, inheritable, bounding, ambient;
	bool no_new_privs;
	int seccomp_mode; /* 0 none, 1 strict, 2 filter */
	int securebits;
	bool dumpable;
};
/* Fills *state for the calling thread by prctl(2) and capget(2) alone. What cannot be read is -errno, never "not
 * there". */
int cloister_privileges_read(struct cloister_privileges *state);

#endif
