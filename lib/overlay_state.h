/* SPDX-License-Identifier: MIT */
/* The state directory of an overlay; private to the overlay's files. */
#ifndef CLOISTER_OVERLAY_STATE_H
#define CLOISTER_OVERLAY_STATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "cloister/error.h"

/*
 * Opens one directory of root's below parent, writable by nobody else; with make, makes it when missing. Returns a
 * descriptor or -errno: -EPERM for another's, -ENOTDIR for anything but a directory.
 */
int cloister_own_directory(int parent, const char *name, mode_t mode, bool make);

/* What an errno of the above means, for an administrator. */
const char *cloister_own_directory_text(int code);

#endif
