/* SPDX-License-Identifier: MIT */
/* Copying /etc/skel, and removing what was left half copied; private to the core. Both allocate nothing. */
#ifndef CLOISTER_SKELETON_H
#define CLOISTER_SKELETON_H

#include <sys/types.h>

#include "cloister/error.h"

/*
 * Copies what is in the directory from into the directory to: directories, regular files and symbolic links, with their
 * modes (no set-id bits), as uid and gid. Devices, FIFOs and sockets are left out, and a file with several names
 * becomes several files. Files are on disk when it returns.
 */
int cloister_skeleton_copy(int from, int to, uid_t uid, gid_t gid, struct cloister_error *err);

/* Removes the tree name below directory; no link in it is followed, and no mount in it is entered (-EXDEV). */
int cloister_skeleton_remove(int directory, const char *name, struct cloister_error *err);

#endif
