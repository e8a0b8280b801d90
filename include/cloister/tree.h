/* SPDX-License-Identifier: MIT */
/*
 * Removing a directory that a user has filled: by descriptor, with three of them and no recursion however deep it is,
 * and never across a mount or through a link.
 */
#ifndef CLOISTER_TREE_H
#define CLOISTER_TREE_H

#include <stdint.h>

#include "cloister/error.h"

struct cloister_tree_removal {
	uint64_t removed; /* entries that are gone */
	uint64_t failed;  /* entries that could not be removed */
	/* Called now and then with the number above; NULL: nobody wants to know. */
	void (*progress)(void *data, uint64_t removed);
	void *data;
};

/*
 * Removes the directory `name` of parent and all that is in it. Goes on after a failure, so that as little as possible
 * is left; then returns -errno of the first entry that could not be removed, and err names it and the reason as far as
 * it is known (an immutable file, a mount point). A missing directory is no error. removal may be NULL; its numbers are
 * added to.
 */
int cloister_tree_remove(int parent, const char *name, struct cloister_tree_removal *removal,
                         struct cloister_error *err);

/* About how many entries are in the directory `name` of parent: what is very deep is not counted. For a progress bar.
 */
uint64_t cloister_tree_count(int parent, const char *name);

#endif
