/* SPDX-License-Identifier: MIT */
/* The host's mounts as the kernel lists them in /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
#ifndef CLOISTER_MOUNT_TABLE_H
#define CLOISTER_MOUNT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cloister/error.h"

struct cloister_mount {
	uint64_t id, parent;
	const char *path;       /* where it is mounted, without mountinfo's escapes */
	const char *filesystem; /* its type: "ext4", "fuse.sshfs" */
	const char *options;    /* of the file system: "rw,user_id=1000" */
};

struct cloister_mount_table {
	struct cloister_mount *mounts; /* in the kernel's order */
	size_t n;
	char *storage; /* private */
};

/*
 * Reads the text of a mountinfo file. Pure. Returns 0 and a table that is the caller's (cloister_mount_table_free),
 * -ENOMEM, or -EBADMSG for a line that is none.
 */
int cloister_mount_table_parse(const char *text, size_t size, struct cloister_mount_table **out,
                               struct cloister_error *err);

/*
 * Whether mount number i can be reached by its path: nothing was mounted later over it, or over a directory on the way
 * to it. Pure.
 */
bool cloister_mount_table_visible(const struct cloister_mount_table *table, size_t i);

/* Reads /proc/self/mountinfo. Returns 0, -errno, or what cloister_mount_table_parse returns. */
int cloister_mount_table_load(struct cloister_mount_table **out, struct cloister_error *err);

/* Frees a table; NULL is allowed. */
void cloister_mount_table_free(struct cloister_mount_table *table);

static inline void cloister_cleanup_mount_table(struct cloister_mount_table **table)
{
	cloister_mount_table_free(*table);
}
#define _cleanup_mount_table_ __attribute__((cleanup(cloister_cleanup_mount_table)))

#endif
