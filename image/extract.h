/* SPDX-License-Identifier: MIT */
/* Members of an archive to files below one directory. Runs in the sandbox, whose "/" that directory is. */
#ifndef CLOISTER_IMAGE_EXTRACT_H
#define CLOISTER_IMAGE_EXTRACT_H

#include <archive.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "cloister/error.h"

/* What was met, and what of it is not in the tree. */
struct image_counts {
	uint64_t entries;  /* members of all layers */
	uint64_t bytes;    /* of their contents */
	uint64_t devices;  /* left out */
	uint64_t specials; /* FIFOs and sockets, left out */
	uint64_t set_id;   /* files without the set-user-ID or set-group-ID bit that they had */
	uint64_t xattrs;   /* files without the extended attributes or ACLs that they had */
	uint64_t owners;   /* files of an id above 65535, which are nobody's now */
};

struct image_time {
	char *path;
	struct timespec time;
};

struct image_tree {
	int root;
	uint64_t max_bytes, max_entries;
	struct image_counts counts;
	uint64_t implied; /* directories that were made on the way to members; max_entries holds for them, too */
	/* Directories get their time at the end: what is made in them changes it. */
	struct image_time *times;
	size_t n_times, times_size;
	/* The directory of the entry before, which mostly is that of the next. */
	char parent_path[PATH_MAX];
	int parent;
};

/* root is not taken over. */
void image_tree_open(struct image_tree *tree, int root, uint64_t max_bytes, uint64_t max_entries);
void image_tree_close(struct image_tree *tree);

/* -EFBIG when there are more entries, those implied too, than the tree may have. */
int image_tree_check_entries(const struct image_tree *tree, struct cloister_error *err);

/*
 * Unpacks every member. layered: names of whiteouts are left out (image_tree_whiteouts has applied them); else they are
 * names like any other.
 */
int image_tree_extract(struct image_tree *tree, struct archive *tar, bool layered, struct cloister_error *err);

/*
 * Applies a layer's whiteouts to what the layers below it have left, whatever their order in the layer is; nothing is
 * unpacked. To be called before the layer's image_tree_extract.
 */
int image_tree_whiteouts(struct image_tree *tree, struct archive *tar, struct cloister_error *err);

/* After the last layer. */
void image_tree_set_times(struct image_tree *tree);

/* The directory that holds the last component of a normalised path, by descriptor, and that component. */
int image_tree_parent(struct image_tree *tree, const char *path, bool make, const char **name,
                      struct cloister_error *err);

#endif
