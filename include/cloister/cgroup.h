/* SPDX-License-Identifier: MIT */
/*
 * The cgroup (v2) of a session that has limits: /sys/fs/cgroup/cloister.slice/cloister-sessions.service/ID where
 * systemd runs, /sys/fs/cgroup/cloister/ID elsewhere. Made by root before there is a process of the session; all of
 * them are in it, since init is born there and whoever enters writes itself there first.
 */
#ifndef CLOISTER_CGROUP_H
#define CLOISTER_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cloister/error.h"
#include "cloister/plan.h"

/* Whether the limits of a plan want a cgroup of the session's own. Pure. */
bool cloister_cgroup_is_wanted(const struct cloister_plan *plan);

/*
 * Whether this machine can carry out the limits of a plan: cgroup v2 is there with the controllers that they need, and
 * a place for sessions. Changes nothing. 0, or -EOPNOTSUPP with the key and the controller that is missing in
 * err->text.
 */
int cloister_cgroup_check(const struct cloister_plan *plan, struct cloister_error *err);

/*
 * Makes the session's cgroup with its limits; nothing is in it. On success *lock (the caller's to close, once a process
 * is in the cgroup) keeps other logins from taking an empty cgroup for one that a dead session has left. Returns a
 * descriptor of the directory, for CLONE_INTO_CGROUP, or -errno with nothing left.
 */
int cloister_cgroup_make(const struct cloister_plan *plan, int *lock, struct cloister_error *err);

/* Opens cgroup.procs of a session's cgroup for writing, for cloister_entry_enter. A descriptor or -errno. */
int cloister_cgroup_open_processes(const char *id, struct cloister_error *err);

/* Whether the kernel has init in the session's cgroup. 0 or -errno. */
int cloister_cgroup_verify(const char *id, pid_t init, struct cloister_error *err);

/* The most memory that the session has had at one time (memory.peak, Linux 5.19). 0 or -errno. */
int cloister_cgroup_peak(const char *id, uint64_t *bytes);

/* How many processes of the session the kernel has killed for want of memory (memory.events). 0 or -errno. */
int cloister_cgroup_oom_kills(const char *id, uint64_t *count);

/*
 * Removes the cgroup of a session that has been ended, waiting at most so many milliseconds for its last process. A
 * session without one is no error. 0, or -EBUSY: the next login's sweep removes it.
 */
int cloister_cgroup_remove(const char *id, int milliseconds);

/* Removes the empty cgroups that sessions have left whose login process was killed: of the user's some, see registry.h.
 */
void cloister_cgroup_sweep(const char *user);

#endif
