/* SPDX-License-Identifier: MIT */
/* The mount API of Linux 5.12 by descriptor: open_tree(2), mount_setattr(2), fsopen(2), move_mount(2). No path of the
 * caller's. */
#ifndef CLOISTER_MOUNTS_H
#define CLOISTER_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A detached copy of the mount that an O_PATH descriptor is on, rooted at it. Returns a descriptor or -errno. */
int cloister_mount_clone(int fd, bool recursive);

/* Sets MOUNT_ATTR_* on a mount, and makes it private. recursive: and on all below it. */
int cloister_mount_restrict(int mount, uint64_t attributes, bool recursive);

/* Makes a detached mount idmapped with a user namespace's map; -EINVAL or -EPERM where the file system cannot. */
int cloister_mount_idmap(int mount, int user_namespace);

/*
 * A new instance of a file system (fsopen, fsconfig, fsmount), detached. options: "key=value,flag,..." or NULL; no
 * value holds a comma. attributes: MOUNT_ATTR_*. Returns a descriptor or -errno.
 */
int cloister_mount_new(const char *filesystem, const char *options, uint64_t attributes);

/*
 * What the kernel has to say about a context of fsopen(2) (errors, warnings), in one line; "" when it says nothing.
 * Returns the length. Each message is told once.
 */
size_t cloister_mount_says(int context, char *text, size_t size);

/* Attaches a detached mount on what target, an O_PATH descriptor, refers to. Returns 0 or -errno. */
int cloister_mount_attach(int mount, int target);

/* Makes every mount of the calling process's namespace private (or, with slave, a slave of its peers). */
int cloister_mount_propagation(bool slave);

#endif
