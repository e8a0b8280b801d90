/* SPDX-License-Identifier: MIT */
/* Trees of files that somebody else made: removing them, and looking them through. By descriptor; no link is followed.
 */
#ifndef CLOISTER_IMAGE_TREE_H
#define CLOISTER_IMAGE_TREE_H

#include <stdint.h>

#include "cloister/error.h"

/* Removes `name` in `directory`, with all that is below, however deep. A missing one is no error. 0 or -errno. */
int image_tree_remove(int directory, const char *name);

/* Removes all that is in the directory, but not itself. */
int image_tree_empty(int directory);

struct image_tree_sums {
	uint64_t files; /* everything but directories; a hard link counts as one more */
	uint64_t bytes; /* on disk */
};

/*
 * Counts what is below the directory, and refuses what an import never makes: set-user-ID and set-group-ID files,
 * device nodes, FIFOs, sockets, another file system. That is a check on the sandbox, not on the archive.
 */
int image_tree_verify(int directory, struct image_tree_sums *sums, struct cloister_error *err);

#endif
