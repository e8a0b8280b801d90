/* SPDX-License-Identifier: MIT */
/* Paths by descriptor (openat2(2)): no string is resolved twice, none through a link that a user could have placed. */
#ifndef CLOISTER_PATH_H
#define CLOISTER_PATH_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "cloister/error.h"

/*
 * openat2(2) with its arguments in a row. resolve: RESOLVE_*. O_CLOEXEC is always added.
 * Returns a descriptor or -errno. No fall-back to openat(2): a kernel without it (before 5.6) is refused.
 */
int cloister_openat2(int directory, const char *path, int flags, mode_t mode, unsigned long long resolve);

/* How cloister_path_open_host walks. */
enum cloister_path_trust {
	/* The caller has no more rights than the user: resolve as the user would, without magic links. */
	CLOISTER_PATH_OWN_RIGHTS,
	/* The caller is root: a symlink is followed only in a directory that root owns and nobody else can write. */
	CLOISTER_PATH_NO_PLANTED_LINKS,
	/* The caller is root and every component, the last one included, must be root's and writable by nobody else. */
	CLOISTER_PATH_ROOT_OWNED,
};

/*
 * Opens an absolute path of the host as an O_PATH descriptor, walking it component by component.
 * flags: O_DIRECTORY or 0, added to O_PATH. A walk never opens a device or a FIFO for real, so it cannot block there;
 * it mounts what autofs mounts on demand, which may wait for a server.
 * Returns the descriptor (the caller closes it) or -errno with the component that failed in err->path.
 * Why: CVE-2025-6020 (pam_namespace), LXC CVE-2015-1335, bubblewrap's parent symlink.
 */
int cloister_path_open_host(const char *path, int flags, enum cloister_path_trust trust, struct cloister_error *err);

/*
 * Opens a directory (O_PATH) without asking a file server, which might not answer, or a program behind FUSE: only where
 * the whole way is in the kernel's cache (openat2(2), RESOLVE_CACHED), on local file systems by the word of the mount
 * (statmount(2), from Linux 6.12 on), without a link, and the directories that lead there may be searched by owner,
 * group and others, and have no access control list (acl(5)). -EAGAIN where it is not so, or another -errno: the caller
 * then takes the long way.
 */
int cloister_path_open_local(const char *path);

/*
 * Opens path below root as the session will see it (RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS): symlinks such as
 * /var/run -> /run stay inside. flags as for open(2). Returns a descriptor or -errno.
 */
int cloister_path_open_inside(int root, const char *path, int flags);

/*
 * Opens path, a relative one, below directory, without any symbolic link (-ELOOP) on the way or at its end; made where
 * it is missing: directories (0755), and with kind S_IFREG an empty regular file (0644) as the last component. kind:
 * S_IFDIR, S_IFREG, or 0 for what is there, of whatever kind, or -ENOENT.
 */
int cloister_path_make_strictly(int directory, const char *path, mode_t kind);

/*
 * Makes the directories of path that are missing below root (mode 0755), and returns an O_PATH descriptor of the
 * last one. Symlinks stay inside; the last component must not be one (-ELOOP).
 */
int cloister_path_make_directory(int root, const char *path, mode_t mode);

/* A new file (mode 0644, less the umask) at a path below root, whose directory is there: its descriptor, for writing.
 * -EEXIST where there is anything, a link too. */
int cloister_path_create_file(int root, const char *path);

/*
 * Likewise, with an empty regular file (mode 0644) as the last component. An existing one is taken as it is, a symlink
 * too: the descriptor is then of the link itself, and what is mounted there hides it.
 */
int cloister_path_make_file(int root, const char *path);

/*
 * Whether text is an absolute path in plain form: starts with '/', has no "//", "." or ".." component, no control
 * character, no trailing '/' (but "/" itself), and is shorter than PATH_MAX. Pure.
 */
bool cloister_path_is_plain(const char *text);

/* Whether a path is absolute and without "//", ".", ".." or a slash at its end: what it says is where it leads, but for
 * links. Its bytes may be any. Pure. */
bool cloister_path_is_direct(const char *path);

/* Whether a plain path lies below directory, or (itself) is it. Pure. */
bool cloister_path_is_below(const char *path, const char *directory, bool itself);

#endif
