/* SPDX-License-Identifier: MIT */
/*
 * The host's part of a plan: what must be opened before the session loses sight of the host. In a PAM session the login
 * process, which is root, does it and hands the descriptors to init; in a user's own namespace init does it itself,
 * with the user's rights.
 */
#ifndef CLOISTER_SOURCE_H
#define CLOISTER_SOURCE_H

#include "cloister/error.h"
#include "cloister/image.h"
#include "cloister/path.h"
#include "cloister/plan.h"

#define CLOISTER_LEFTOVERS_MAX 4

/*
 * Detached mounts that were needed to make others and are not any more. Closing the last descriptor of one makes the
 * kernel wait for a grace period (namespace_unlock in Linux' fs/namespace.c), which takes milliseconds on a machine
 * that has something to do: init does it, when the session is ready.
 */
struct cloister_leftovers {
	int fds[CLOISTER_LEFTOVERS_MAX];
	size_t n;
};

/* fd is closed by cloister_leftovers_close; at once where leftovers is NULL or full. */
void cloister_leftovers_add(struct cloister_leftovers *leftovers, int fd);
void cloister_leftovers_close(struct cloister_leftovers *leftovers);

struct cloister_source_context {
	int user_namespace; /* for idmapped mounts: of the session, or the inner one of users = root; -1: none */
	int devpts;         /* the session's devpts, a mount of which the session gets a copy; -1: none yet */
	int shared_root;    /* a detached copy of another session's root on the same state directory; -1: none */
	const struct cloister_image *image;   /* ready for cloister_image_lower; NULL: the rootfs is a directory */
	struct cloister_leftovers *leftovers; /* NULL: they are closed at once */
};

/*
 * Opens what each row needs from the host: sources[i] is the descriptor for row i (a detached mount), or -1 when it
 * needs none. sources has room for plan->n_rows. On failure nothing stays open, and the error names the row's step and
 * path.
 */
int cloister_sources_open(const struct cloister_plan *plan, const struct cloister_source_context *context, int *sources,
                          struct cloister_error *err);

/* Closes them; every entry is -1 afterwards. */
void cloister_sources_close(int *sources, size_t n);

/* Opens the state directory of an overlay (made when missing, 0700, root's all the way); a descriptor that can be
 * locked. */
int cloister_state_open(const char *state, struct cloister_error *err);
/* The same, and nothing is made: -ENOENT where it is missing. */
int cloister_state_find(const char *state, struct cloister_error *err);
/* Locks it (flock(2)) as long as the descriptor is open; waits for at most `seconds`, then -ETIMEDOUT. */
int cloister_state_lock(int state, const char *path, unsigned seconds, struct cloister_error *err);
void cloister_state_unlock(int state);

/* Makes the detached overlay of a row; see overlay.c. */
int cloister_overlay_open(const struct cloister_plan *plan, const struct cloister_row *row,
                          const struct cloister_source_context *context, struct cloister_error *err);

/* Opens the rootfs of a row, a directory or a new mount of the context's image; with CLOISTER_ROW_TRUSTED everything
 * that a privileged process would load from it must be root's. */
int cloister_rootfs_open(const struct cloister_plan *plan, const struct cloister_row *row,
                         const struct cloister_source_context *context, struct cloister_error *err);

/*
 * Refuses a tree (a rootfs, or what was changed of one) in which somebody else than root could have placed what the
 * name service, the dynamic loader and PAM of a privileged process load. path: for the message.
 */
int cloister_rootfs_trusted(int rootfs, const char *path, struct cloister_error *err);

/*
 * Opens the source of a bind as an O_PATH descriptor, and checks what it is. A home is opened by the user, in a child,
 * and so is what root may not reach (a file server's root squash, FUSE): the error then says so. *err names the line of
 * the configuration, too.
 */
int cloister_bind_source_open(const struct cloister_plan *plan, const struct cloister_row *row,
                              enum cloister_path_trust trust, struct cloister_error *err);

/* Opens the user's private home below row's state directory as an O_PATH descriptor; made from the skeleton, row's
 * source, when it is not there. */
int cloister_private_home_open(const struct cloister_plan *plan, const struct cloister_row *row,
                               struct cloister_error *err);

/* The same without making anything: -ENOENT when there is none yet. */
int cloister_private_home_find(const struct cloister_plan *plan, const struct cloister_row *row,
                               struct cloister_error *err);

#endif
