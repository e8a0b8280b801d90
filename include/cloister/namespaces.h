/* SPDX-License-Identifier: MIT */
/* The kinds of namespaces that a session has of its own, and which one a process is in (namespaces(7)). */
#ifndef CLOISTER_NAMESPACES_H
#define CLOISTER_NAMESPACES_H

#include <stdint.h>

#define CLOISTER_NAMESPACE_KINDS 7

struct cloister_namespace_kind {
	uint64_t flag;    /* CLONE_NEW* */
	const char *name; /* in /proc/PID/ns */
};

extern const struct cloister_namespace_kind cloister_namespace_kinds[CLOISTER_NAMESPACE_KINDS];

/* The inode number of the namespace that a process ("self", or its number) is in: two processes are in the same one
 * when it is the same. Of another process only who may ptrace(2) it is told. Async-signal-safe. 0 or -errno. */
int cloister_namespace_inode(const char *process, const struct cloister_namespace_kind *kind, uint64_t *inode);

/* What to add to "cannot make a namespace" for an errno: ENOSPC says more than its own text. Static, maybe empty. */
const char *cloister_namespaces_hint(int code);

#endif
