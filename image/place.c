/* SPDX-License-Identifier: MIT */
/* Where in the tree a member goes: its directory, by descriptor, with every link on the way kept inside. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"
#include "extract.h"
#include "names.h"

void image_tree_open(struct image_tree *tree, int root, uint64_t max_bytes, uint64_t max_entries)
{
	*tree = (struct image_tree){.root = root, .max_bytes = max_bytes, .max_entries = max_entries, .parent = -1};
}

void image_tree_close(struct image_tree *tree)
{
	for (size_t i = 0; i < tree->n_times; i++)
		free(tree->times[i].path);
	free(tree->times);
	if (tree->parent >= 0)
		close(tree->parent);
}

int image_tree_check_entries(const struct image_tree *tree, struct cloister_error *err)
{
	if (tree->counts.entries + tree->implied <= tree->max_entries)
		return 0;
	return cloister_fail(err, EFBIG, "archive", NULL, "more files than --max-files allows");
}

/* How deep a directory lies: through a symbolic link a short path can lead far down. */
static int check_depth(int root, int directory)
{
	struct stat top, st;
	int _cleanup_close_ at = openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (at < 0 || fstat(root, &top) < 0)
		return -errno;
	for (int depth = 0; depth < IMAGE_DEPTH_MAX; depth++) {
		if (fstat(at, &st) < 0)
			return -errno;
		if (st.st_ino == top.st_ino && st.st_dev == top.st_dev)
			return 0;
		int up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return -errno;
		close(at);
		at = up;
	}
	return -ENAMETOOLONG;
}

/* One at a time, since each counts: a short header can name 250 directories that nothing else in the archive does. */
static int make_directories(struct image_tree *tree, const char *path, struct cloister_error *err)
{
	char way[PATH_MAX];
	int _cleanup_close_ fd = -1;

	for (size_t length = 0; path[length] != '\0';) {
		length += strspn(path + length, "/");
		length += strcspn(path + length, "/");
		memcpy(way, path, length);
		way[length] = '\0';
		if (fd >= 0)
			close(TAKE_FD(fd));
		fd = cloister_path_open_inside(tree->root, way, O_PATH | O_DIRECTORY);
		if (fd == -ENOENT) {
			tree->implied++;
			if (image_tree_check_entries(tree, err) < 0)
				return -EFBIG;
			fd = cloister_path_make_directory(tree->root, way, 0755);
		}
		if (fd < 0)
			return fd;
	}
	return TAKE_FD(fd);
}

/*
 * Links in the names of directories are followed, as in a session (/bin/x where /bin is a link to /usr/bin), but no
 * further than the tree's root. The sandbox has nothing else to offer; this holds without it, too.
 */
static int open_directory(struct image_tree *tree, const char *path, bool make, struct cloister_error *err)
{
	int root = tree->root;

	if (*path == '\0')
		return cloister_path_open_inside(root, "/", O_PATH | O_DIRECTORY);
	int fd = cloister_openat2(root, path, O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (fd >= 0)
		return fd;
	if (fd == -ELOOP) {
		int _cleanup_close_ through = cloister_path_open_inside(root, path, O_PATH | O_DIRECTORY);
		if (through < 0 && !(through == -ENOENT && make))
			return through;
		if (through < 0)
			through = make_directories(tree, path, err);
		int r = through < 0 ? through : check_depth(root, through);
		return r < 0 ? r : TAKE_FD(through);
	}
	return fd == -ENOENT && make ? make_directories(tree, path, err) : fd;
}

int image_tree_parent(struct image_tree *tree, const char *path, bool make, const char **name,
                      struct cloister_error *err)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t length = slash != NULL ? (size_t)(slash - path) : 0;

	*name = slash != NULL ? slash + 1 : path;
	memcpy(parent, path, length);
	parent[length] = '\0';
	if (tree->parent >= 0 && length > 0 && strcmp(parent, tree->parent_path) == 0)
		return tree->parent;
	int fd = open_directory(tree, parent, make, err);
	if (fd == -EFBIG)
		return fd;
	if (fd < 0)
		return cloister_fail(err, -fd, "entry", path, "its directory cannot be opened below the root");
	if (tree->parent >= 0)
		close(tree->parent);
	tree->parent = fd;
	memcpy(tree->parent_path, parent, length + 1);
	return fd;
}

void image_tree_set_times(struct image_tree *tree)
{
	/* The last word on a directory was its last member's, and its time is no reason to fail. */
	for (size_t i = 0; i < tree->n_times; i++) {
		const struct timespec times[2] = {tree->times[i].time, tree->times[i].time};
		int _cleanup_close_ fd = cloister_openat2(tree->root, tree->times[i].path, O_RDONLY | O_DIRECTORY, 0,
		                                          RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);

		if (fd >= 0)
			futimens(fd, times);
	}
}
