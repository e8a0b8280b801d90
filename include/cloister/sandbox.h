/* SPDX-License-Identifier: MIT */
/*
 * A process of root's that reads what cannot be trusted: a copy of the caller in new user, mount, pid, network, IPC,
 * UTS and cgroup namespaces, an unprivileged id on the host, with one directory for its "/" and nothing else in reach.
 * That directory is mounted idmapped, so that what the process owns as id N is N's on disk.
 */
#ifndef CLOISTER_SANDBOX_H
#define CLOISTER_SANDBOX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "cloister/error.h"
#include "cloister/policy.h"

/*
 * Where the sandbox's ids 0..65535 lie on the host: behind the range that sessions share (CLOISTER_ID_BASE_DEFAULT), so
 * that no session of it has an id in common with a sandbox.
 */
#define CLOISTER_SANDBOX_ID_BASE  (CLOISTER_ID_BASE_DEFAULT + CLOISTER_ID_COUNT_DEFAULT)
#define CLOISTER_SANDBOX_ID_COUNT 65536U
/* The descriptor that run finds its end of the socket on; those that were given follow. */
#define CLOISTER_SANDBOX_CONTROL_FD  3
#define CLOISTER_SANDBOX_DESCRIPTORS 8

struct cloister_sandbox_limit {
	int resource; /* RLIMIT_* */
	rlim_t value; /* hard and soft */
};

struct cloister_sandbox {
	int root; /* the directory; its file system must support idmapped mounts */
	int descriptors[CLOISTER_SANDBOX_DESCRIPTORS];
	size_t n_descriptors;
	uint64_t capabilities; /* of its own user namespace, bit n */
	const struct cloister_sandbox_limit *limits;
	size_t n_limits;
	/* Runs in the sandbox, with a copy of the caller's memory; what it returns is the exit status. */
	int (*run)(void *context);
	void *context;
};

struct cloister_sandbox_process {
	pid_t pid; /* PID 1 of its pid namespace; 0 once it is reaped */
	int pidfd;
	int control; /* SOCK_SEQPACKET, to CLOISTER_SANDBOX_CONTROL_FD */
};

/*
 * Starts it. Needs root, and a caller with one thread. Name service, locale and libraries that run needs must be loaded
 * before: afterwards there is nothing to load them from but what the sandbox itself has written, and that is noexec.
 * The process dies with the caller. A file system that cannot be idmapped is -EOPNOTSUPP: there is no weaker way.
 * Returns 0 once everything is given up, and verified; or -errno, and nothing is left.
 */
int cloister_sandbox_start(const struct cloister_sandbox *sandbox, struct cloister_sandbox_process *process,
                           struct cloister_error *err);

/* Kills it if it lives still, waits for its end, closes the descriptors. Returns the wait status. */
int cloister_sandbox_end(struct cloister_sandbox_process *process);

/* Waits until it has ended by itself, for ten seconds, and kills it then. Returns the wait status. The descriptors stay
 * open. */
int cloister_sandbox_wait(struct cloister_sandbox_process *process);

#endif
