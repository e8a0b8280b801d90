/* SPDX-License-Identifier: MIT */
/* Init as a process: private to the session. */
#ifndef CLOISTER_SPAWN_H
#define CLOISTER_SPAWN_H

#include "cloister/session.h"

/*
 * init as a child, in its own user and pid namespaces and in the session's cgroup (a directory; -1: the caller's). It
 * makes the other namespaces itself, and waits for one byte on its end of the control socket: the id maps are written.
 * Fills session->init, pidfd and control, which are the caller's to end and close after a failure, too.
 */
int cloister_spawn_init(const struct cloister_plan *plan, int init_fd, int cgroup, struct cloister_session *session,
                        struct cloister_error *err);

/* Writes two maps as those of pid, in whose user namespace's parent the caller has every capability. 0 or -errno. */
int cloister_write_map_pair(pid_t pid, const struct cloister_id_map *uids, const struct cloister_id_map *gids);

/* Writes the id maps of pid: directly as root, or with newuidmap(1) and newgidmap(1). */
int cloister_write_maps(const struct cloister_plan *plan, pid_t pid, struct cloister_error *err);

#endif
