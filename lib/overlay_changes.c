/* SPDX-License-Identifier: MIT */
/* The upper directory of an overlay against the rootfs below it. Names and contents are the user's. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "cloister/array.h"
#include "cloister/cleanup.h"
#include "cloister/image.h"
#include "cloister/mounts.h"
#include "cloister/overlay.h"
#include "cloister/path.h"
#include "cloister/source.h"

/* A directory that is still to be looked at. A list and not a recursion: the user decides how deep it goes. */
struct pending {
	char *path;   /* below the upper, without a "/" before it; "" is the upper itself */
	bool covered; /* the rootfs is not seen here: an opaque directory is above */
};

struct comparison {
	const struct cloister_plan *plan;
	int upper, lower;
	struct cloister_overlay_changes *changes;
	size_t room;
	size_t paths_size; /* of all paths that are kept */
	struct pending *pending;
	size_t n_pending, pending_room;
};

/* One directory in both layers. */
struct place {
	const char *path;
	int upper, lower; /* lower is -1 where the rootfs has no such directory */
	bool covered;
};

/* The rootfs as the overlay's lower layer sees it: one mount, without those on top of it. */
static int open_lower(const struct cloister_plan *plan, struct cloister_error *err)
{
	struct cloister_image _cleanup_image_ image = CLOISTER_IMAGE_NONE;
	struct cloister_source_context context = {.user_namespace = -1, .devpts = -1, .shared_root = -1};
	const struct cloister_row *row = NULL;

	for (size_t i = 0; i < plan->n_rows && row == NULL; i++) {
		if (plan->rows[i].kind == CLOISTER_ROW_OVERLAY)
			row = &plan->rows[i];
	}
	if (row == NULL)
		return cloister_fail(err, EINVAL, "overlay", plan->rootfs, "the plan has no overlay");
	int r = cloister_image_prepare(plan, false, &image, err);
	if (r < 0)
		return r;
	if (cloister_plan_image(plan) != NULL)
		context.image = &image;
	int _cleanup_close_ fd = cloister_rootfs_open(plan, row, &context, err);
	/* An image's is a mount of its own already. */
	if (fd < 0 || context.image != NULL)
		return TAKE_FD(fd);
	int mount = cloister_mount_clone(fd, false);
	return mount < 0 ? cloister_fail(err, -mount, "overlay", row->source, "cannot clone the mount") : mount;
}

static int open_below(int root, const char *path, int flags)
{
	return cloister_openat2(root, *path != '\0' ? path : ".", flags | O_DIRECTORY | O_NOFOLLOW, 0,
	                        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

static char *join(const char *directory, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s%s%s", directory, *directory != '\0' ? "/" : "", name) < 0)
		return NULL;
	return path;
}

/* Whether there is room for directory/name with what is kept of it beside. */
static bool has_room(struct comparison *comparison, const char *directory, const char *name)
{
	size_t size = strlen(directory) + strlen(name) + 3 + sizeof(struct cloister_overlay_change);

	if (size > CLOISTER_OVERLAY_PATHS_MAX - comparison->paths_size) {
		comparison->changes->left_out++;
		return false;
	}
	comparison->paths_size += size;
	return true;
}

static int add_change(struct comparison *comparison, const struct place *place, const char *name,
                      struct cloister_overlay_change change)
{
	struct cloister_overlay_changes *changes = comparison->changes;

	if (!has_room(comparison, place->path, name))
		return 0;
	struct cloister_overlay_change *items =
		cloister_array_grow(changes->items, &comparison->room, changes->n, sizeof(*items));
	if (items == NULL)
		return -ENOMEM;
	changes->items = items;
	if (asprintf(&change.path, "/%s%s%s", place->path, *place->path != '\0' ? "/" : "", name) < 0)
		return -ENOMEM;
	changes->items[changes->n++] = change;
	return 0;
}

static int add_pending(struct comparison *comparison, const char *directory, const char *name, bool covered)
{
	/* No system call takes a longer one; and the list of a chain of n directories grows with n * n. */
	if (strlen(directory) + strlen(name) + 2 > PATH_MAX) {
		comparison->changes->too_deep++;
		return 0;
	}
	if (!has_room(comparison, directory, name))
		return 0;
	struct pending *pending = cloister_array_grow(comparison->pending, &comparison->pending_room,
	                                              comparison->n_pending, sizeof(*pending));
	if (pending == NULL)
		return -ENOMEM;
	comparison->pending = pending;
	char *path = join(directory, name);
	if (path == NULL)
		return -ENOMEM;
	comparison->pending[comparison->n_pending++] = (struct pending){.path = path, .covered = covered};
	return 0;
}

/* "y" in this attribute: nothing of the rootfs is seen in the directory (overlayfs.rst, "Opaque directories"). */
static bool is_opaque(int directory)
{
	char value[2];

	return fgetxattr(directory, "trusted.overlay.opaque", value, sizeof(value)) == 1 && value[0] == 'y';
}

/* The two forms of overlayfs.rst, "whiteouts and opaque directories". An O_PATH descriptor has no attributes, and a
 * FIFO must not be opened: the second form is a regular file. */
static bool is_whiteout(int directory, const char *name, const struct stat *st)
{
	char value[2];

	if (S_ISCHR(st->st_mode))
		return st->st_rdev == makedev(0, 0);
	if (!S_ISREG(st->st_mode) || st->st_size != 0)
		return false;
	int _cleanup_close_ fd = cloister_openat2(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0,
	                                          RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	return fd >= 0 && fgetxattr(fd, "trusted.overlay.whiteout", value, sizeof(value)) >= 0;
}

/* Whether the executor made it to mount on: an empty file or a directory of the session's root, at a row's target or
 * above one. */
static bool is_mount_point(const struct cloister_plan *plan, const struct place *place, const char *name,
                           const struct stat *st)
{
	char _cleanup_free_ *path = join(place->path, name);
	size_t length = path == NULL ? 0 : strlen(path);
	uint32_t session_root = cloister_id_map_outside(&plan->uid_map, 0);

	if (path == NULL || (st->st_uid != 0 && st->st_uid != session_root) ||
	    !(S_ISDIR(st->st_mode) || (S_ISREG(st->st_mode) && st->st_size == 0)))
		return false;
	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];

		if (*row->target != '/' || row->kind == CLOISTER_ROW_SHELL ||
		    strncmp(row->target + 1, path, length) != 0)
			continue;
		if (row->target[1 + length] == '\0' || (S_ISDIR(st->st_mode) && row->target[1 + length] == '/'))
			return true;
	}
	return false;
}

static bool later(const struct timespec *left, const struct statx_timestamp *right)
{
	return left->tv_sec > right->tv_sec ||
	       (left->tv_sec == right->tv_sec && (uint64_t)left->tv_nsec > right->tv_nsec);
}

/*
 * Whether the rootfs's file has changed since the upper's was made, and is another now. A file that is copied up is
 * made then, and no program can set when a file was made or when the inode of another was last changed (statx(2),
 * stx_btime and stx_ctime; a package manager's rename changes it). The same size and time of modification: the copy has
 * what the rootfs has. Where the file system does not know when a file was made, its last change stands for it: some
 * are missed.
 */
static bool hides_newer(int directory, const char *name, const struct stat *st, const struct stat *lower)
{
	struct statx own = {0};

	if (!S_ISREG(st->st_mode) || !S_ISREG(lower->st_mode))
		return false;
	if (st->st_size == lower->st_size && st->st_mtim.tv_sec == lower->st_mtim.tv_sec &&
	    st->st_mtim.tv_nsec == lower->st_mtim.tv_nsec)
		return false;
	if (statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_CTIME, &own) < 0)
		return false;
	return later(&lower->st_ctim, own.stx_mask & STATX_BTIME ? &own.stx_btime : &own.stx_ctime);
}

static bool same_owner_and_mode(const struct stat *left, const struct stat *right)
{
	return left->st_mode == right->st_mode && left->st_uid == right->st_uid && left->st_gid == right->st_gid;
}

static int compare_entry(struct comparison *comparison, const struct place *place, const char *name)
{
	struct stat st, lower = {0};
	struct cloister_overlay_change change = {.kind = CLOISTER_OVERLAY_CHANGED};
	int r = 0;

	/* Gone meanwhile: the user is at work. */
	if (fstatat(place->upper, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	bool in_rootfs = place->lower >= 0 && fstatat(place->lower, name, &lower, AT_SYMLINK_NOFOLLOW) == 0;
	if (is_whiteout(place->upper, name, &st)) {
		/* Where the rootfs has nothing of this name any more, nothing is hidden. */
		if (!in_rootfs)
			return 0;
		change.kind = CLOISTER_OVERLAY_DELETED;
		change.mode = lower.st_mode;
		return add_change(comparison, place, name, change);
	}
	change.mode = st.st_mode;
	if (!in_rootfs) {
		change.kind = CLOISTER_OVERLAY_ADDED;
		if (!is_mount_point(comparison->plan, place, name, &st))
			r = add_change(comparison, place, name, change);
		if (r == 0 && S_ISDIR(st.st_mode))
			r = add_pending(comparison, place->path, name, true);
		return r;
	}
	if (!S_ISDIR(st.st_mode) || !S_ISDIR(lower.st_mode)) {
		change.hides_newer = hides_newer(place->upper, name, &st, &lower);
		r = add_change(comparison, place, name, change);
		if (r == 0 && S_ISDIR(st.st_mode))
			r = add_pending(comparison, place->path, name, true);
		return r;
	}
	int _cleanup_close_ fd = open_below(place->upper, name, O_RDONLY);
	bool opaque = fd >= 0 && is_opaque(fd);
	if (opaque || !same_owner_and_mode(&st, &lower))
		r = add_change(comparison, place, name, change);
	return r < 0 ? r : add_pending(comparison, place->path, name, place->covered || opaque);
}

/* Under an opaque directory what the rootfs has, and the upper has not, is deleted. */
static int compare_covered_entry(struct comparison *comparison, const struct place *place, const char *name)
{
	struct stat st, lower;

	if (fstatat(place->lower, name, &lower, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(place->upper, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return add_change(comparison, place, name,
	                  (struct cloister_overlay_change){.kind = CLOISTER_OVERLAY_DELETED, .mode = lower.st_mode});
}

static int for_each_entry(struct comparison *comparison, const struct place *place, int directory,
                          int (*compare)(struct comparison *, const struct place *, const char *))
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	int r = entries == NULL ? -errno : 0;

	if (entries == NULL) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	for (struct dirent *entry = readdir(entries); r == 0 && entry != NULL; entry = readdir(entries)) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = compare(comparison, place, entry->d_name);
	}
	closedir(entries);
	return r;
}

static int compare_directory(struct comparison *comparison, const char *path, bool covered)
{
	int _cleanup_close_ upper = open_below(comparison->upper, path, O_RDONLY);
	int _cleanup_close_ lower = open_below(comparison->lower, path, O_PATH);
	struct place place = {.path = path, .upper = upper, .lower = lower, .covered = covered};

	if (upper < 0)
		return upper == -ENOENT || upper == -ENOTDIR || upper == -ELOOP ? 0 : upper;
	place.covered = covered || is_opaque(upper);
	int r = for_each_entry(comparison, &place, upper, compare_entry);
	if (r == 0 && place.covered && lower >= 0)
		r = for_each_entry(comparison, &place, lower, compare_covered_entry);
	return r;
}

static int compare_paths(const void *left, const void *right)
{
	const struct cloister_overlay_change *a = left, *b = right;

	return strcmp(a->path, b->path);
}

static int compare_all(struct comparison *comparison, struct cloister_error *err)
{
	int r = add_pending(comparison, "", "", false);

	while (r == 0 && comparison->n_pending > 0) {
		struct pending next = comparison->pending[--comparison->n_pending];

		r = compare_directory(comparison, next.path, next.covered);
		if (r < 0)
			cloister_fail(err, -r, "overlay", next.path, "cannot compare");
		free(next.path);
	}
	for (size_t i = 0; i < comparison->n_pending; i++)
		free(comparison->pending[i].path);
	free(comparison->pending);
	return r;
}

int cloister_overlay_changes_find(const struct cloister_plan *plan, struct cloister_overlay_changes *changes,
                                  struct cloister_error *err)
{
	*changes = (struct cloister_overlay_changes){0};
	if (*plan->state == '\0')
		return cloister_fail(err, EINVAL, "overlay", plan->rootfs,
		                     "what %s changes is not kept in an overlay (writable)", plan->user);
	int _cleanup_close_ state = cloister_state_find(plan->state, err);
	if (state == -ENOENT)
		return 0;
	if (state < 0)
		return state;
	int _cleanup_close_ upper = open_below(state, "upper", O_RDONLY);
	if (upper == -ENOENT)
		return 0;
	if (upper < 0)
		return cloister_fail(err, -upper, "overlay", plan->state, "cannot open the upper directory");
	int _cleanup_close_ lower = open_lower(plan, err);
	if (lower < 0)
		return lower;
	struct comparison comparison = {.plan = plan, .upper = upper, .lower = lower, .changes = changes};
	int r = compare_all(&comparison, err);
	if (r < 0) {
		cloister_overlay_changes_free(changes);
		return r;
	}
	if (changes->n > 0)
		qsort(changes->items, changes->n, sizeof(*changes->items), compare_paths);
	return 0;
}

void cloister_overlay_changes_free(struct cloister_overlay_changes *changes)
{
	for (size_t i = 0; i < changes->n; i++)
		free(changes->items[i].path);
	free(changes->items);
	*changes = (struct cloister_overlay_changes){0};
}
