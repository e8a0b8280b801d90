/* SPDX-License-Identifier: MIT */
/* Paths by descriptor. */
#include "cloister/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "cloister/cleanup.h"

#define LINKS_MAX 40

int cloister_openat2(int directory, const char *path, int flags, mode_t mode, unsigned long long resolve)
{
	struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC), .mode = mode, .resolve = resolve};
	long fd;

	/* EAGAIN: a rename raced with a scoped walk; openat2(2) says to try again. */
	for (int tries = 0; tries < 64; tries++) {
		fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));
		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return -errno;
}

bool cloister_path_is_direct(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *at = path; path[1] != '\0' && *at != '\0';) {
		size_t length = strcspn(++at, "/");

		if (length == 0 || (length == 1 && at[0] == '.') || (length == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		at += length;
	}
	return true;
}

bool cloister_path_is_plain(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length >= PATH_MAX || text[0] != '/')
		return false;
	if (length == 1)
		return true;
	if (text[length - 1] == '/')
		return false;
	for (const char *at = text; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return false;
		if (*at != '/')
			continue;
		size_t component = strcspn(at + 1, "/");
		if (component == 0 || (component == 1 && at[1] == '.') ||
		    (component == 2 && at[1] == '.' && at[2] == '.'))
			return false;
	}
	return true;
}

bool cloister_path_is_below(const char *path, const char *directory, bool itself)
{
	size_t same = 0;

	if (strcmp(directory, "/") == 0)
		return itself || strcmp(path, "/") != 0;
	/* By hand: a plan of the host's root asks ten thousand times. */
	while (directory[same] != '\0' && directory[same] == path[same])
		same++;
	return directory[same] == '\0' && (path[same] == '/' || (itself && path[same] == '\0'));
}

/* One walk: where it is, what is left of the way, and how many links it followed. */
struct walk {
	const char *path; /* as asked for, for messages */
	enum cloister_path_trust trust;
	char text[PATH_MAX];
	const char *left; /* in text */
	int links;
	struct cloister_error *err;
};

static bool only_root_writes(const struct stat *st)
{
	return st->st_uid == 0 && (S_ISLNK(st->st_mode) || !(st->st_mode & (S_IWGRP | S_IWOTH)));
}

static int fail_component(const struct walk *walk, int code, const char *component, const char *why)
{
	return cloister_fail(walk->err, code, "path", walk->path, "%s: %s", component, why);
}

/* Puts a link's target before what is left of the way. Returns 1 when it begins anew at "/". */
static int follow(struct walk *walk, int directory, int link, const char *component)
{
	struct stat st;
	struct statfs fs;
	char target[PATH_MAX], joined[PATH_MAX];

	if (fstat(directory, &st) < 0 || fstatfs(link, &fs) < 0)
		return fail_component(walk, errno, component, "cannot stat");
	/* Who owns a file there, its server says, and a user's own server (allow_other) may say anything. */
	if (fs.f_type == FUSE_SUPER_MAGIC)
		return fail_component(walk, ELOOP, component, "a symbolic link in a FUSE file system");
	/* Whoever can write the directory could have placed the link (LXC CVE-2015-1335). */
	if (!only_root_writes(&st))
		return fail_component(walk, ELOOP, component,
		                      "a symbolic link in a directory that not only root can write");
	if (fs.f_type == PROC_SUPER_MAGIC)
		return fail_component(walk, ELOOP, component, "a link of procfs");
	if (++walk->links > LINKS_MAX)
		return fail_component(walk, ELOOP, component, "too many symbolic links");
	ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);
	if (n <= 0)
		return fail_component(walk, n < 0 ? errno : ENOENT, component, "cannot read the link");
	target[n] = '\0';
	int size = snprintf(joined, sizeof(joined), "%s/%s", target, walk->left);
	if (size < 0 || (size_t)size >= sizeof(joined))
		return fail_component(walk, ENAMETOOLONG, component, "the link leads too far");
	memcpy(walk->text, joined, (size_t)size + 1);
	walk->left = walk->text;
	return target[0] == '/';
}

/* Takes the next component off the way; false at its end. */
static bool next_component(struct walk *walk, char *component, size_t size)
{
	const char *at = walk->left + strspn(walk->left, "/");
	size_t length = strcspn(at, "/");

	if (length == 0 || length >= size)
		return false;
	memcpy(component, at, length);
	component[length] = '\0';
	walk->left = at + length;
	return true;
}

/* One step from directory; the new descriptor, or -errno. A followed link is a step to "/" or to the same directory. */
static int step(struct walk *walk, int directory, const char *component)
{
	struct stat st;
	/* O_DIRECTORY first: with it autofs mounts what belongs there, with O_PATH alone it does not (automount in
	 * Linux' fs/namei.c). */
	int _cleanup_close_ fd = openat(directory, component, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOTDIR)
		fd = openat(directory, component, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_component(walk, errno, component, "cannot open");
	if (fstat(fd, &st) < 0)
		return fail_component(walk, errno, component, "cannot stat");
	if (S_ISLNK(st.st_mode)) {
		int r = follow(walk, directory, fd, component);

		if (r < 0)
			return r;
		int next = openat(directory, r == 1 ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		return next < 0 ? fail_component(walk, errno, component, "cannot open") : next;
	}
	/* In a sticky directory of root's, /tmp, nobody can replace the component after it when that is root's too, as
	 * it must be. */
	bool sticky = S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) && st.st_uid == 0;
	if (walk->trust == CLOISTER_PATH_ROOT_OWNED && !sticky && !only_root_writes(&st))
		return fail_component(walk, EPERM, component, "must be owned by root and writable by nobody else");
	return TAKE_FD(fd);
}

static int walk_components(struct walk *walk)
{
	char component[NAME_MAX + 1];
	int _cleanup_close_ at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (at < 0)
		return fail_component(walk, errno, "/", "cannot open");
	while (next_component(walk, component, sizeof(component))) {
		int next = step(walk, at, component);

		if (next < 0)
			return next;
		close(at);
		at = next;
	}
	if (walk->left[strspn(walk->left, "/")] != '\0')
		return fail_component(walk, ENAMETOOLONG, "component", "too long");
	return TAKE_FD(at);
}

/* A way without a link is the same in one step; the walk says what stands in the way of another. */
static int open_without_links(const char *path, int flags)
{
	const unsigned long long resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
	/* O_DIRECTORY first, as a step does. */
	int fd = cloister_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, resolve);

	return fd == -ENOTDIR && !(flags & O_DIRECTORY) ? cloister_openat2(AT_FDCWD, path, O_PATH, 0, resolve) : fd;
}

int cloister_path_open_host(const char *path, int flags, enum cloister_path_trust trust, struct cloister_error *err)
{
	struct walk walk = {.path = path, .trust = trust, .err = err};
	struct stat st;

	if (path[0] != '/' || strlen(path) >= sizeof(walk.text))
		return cloister_fail(err, EINVAL, "path", path, "not an absolute path");
	if (trust == CLOISTER_PATH_OWN_RIGHTS) {
		int fd = cloister_openat2(AT_FDCWD, path, O_PATH | flags, 0, RESOLVE_NO_MAGICLINKS);
		return fd < 0 ? cloister_fail(err, -fd, "path", path, "cannot open") : fd;
	}
	if (trust == CLOISTER_PATH_NO_PLANTED_LINKS) {
		int fd = open_without_links(path, flags);
		if (fd >= 0)
			return fd;
	}
	snprintf(walk.text, sizeof(walk.text), "%s", path);
	walk.left = walk.text;
	int _cleanup_close_ fd = walk_components(&walk);
	if (fd < 0)
		return fd;
	if ((flags & O_DIRECTORY) && fstat(fd, &st) < 0)
		return cloister_fail(err, errno, "path", path, "cannot stat");
	if ((flags & O_DIRECTORY) && !S_ISDIR(st.st_mode))
		return cloister_fail(err, ENOTDIR, "path", path, "not a directory");
	return TAKE_FD(fd);
}

int cloister_path_open_inside(int root, const char *path, int flags)
{
	return cloister_openat2(root, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/* Opens the parent of a component, making what is missing; *name is the component, in copy. */
static int open_made_parent(int root, char *copy, const char **name)
{
	char *slash = strrchr(copy, '/');

	if (slash == NULL) {
		*name = copy;
		return cloister_path_open_inside(root, "/", O_PATH | O_DIRECTORY);
	}
	*name = slash + 1;
	*slash = '\0';
	const char *parent = *copy != '\0' ? copy : "/";
	int fd = cloister_path_open_inside(root, parent, O_PATH | O_DIRECTORY);
	return fd == -ENOENT ? cloister_path_make_directory(root, parent, 0755) : fd;
}

/* One component, which is no link. kind as below. */
static int open_or_make(int directory, const char *name, mode_t kind)
{
	const unsigned long long resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
	struct stat st;
	int _cleanup_close_ fd = cloister_openat2(directory, name, O_PATH | O_NOFOLLOW, 0, resolve);

	if (fd == -ENOENT && kind != 0) {
		if (kind == S_IFDIR ? mkdirat(directory, name, 0755) < 0
		                    : mknodat(directory, name, S_IFREG | 0644, 0) < 0)
			return -errno;
		fd = cloister_openat2(directory, name, O_PATH | O_NOFOLLOW, 0, resolve);
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	return kind == S_IFDIR && !S_ISDIR(st.st_mode) ? -ENOTDIR : TAKE_FD(fd);
}

int cloister_path_make_strictly(int directory, const char *path, mode_t kind)
{
	char _cleanup_free_ *copy = strdup(path);
	char *rest = NULL;
	int _cleanup_close_ at = fcntl(directory, F_DUPFD_CLOEXEC, 3);

	if (copy == NULL || at < 0)
		return copy == NULL ? -ENOMEM : -errno;
	for (char *name = strtok_r(copy, "/", &rest); name != NULL;) {
		char *next_name = strtok_r(NULL, "/", &rest);
		bool way = next_name != NULL;
		int next = open_or_make(at, name, way && kind != 0 ? S_IFDIR : kind);

		if (next < 0)
			return next;
		close(at);
		at = next;
		name = next_name;
	}
	return TAKE_FD(at);
}

int cloister_path_make_directory(int root, const char *path, mode_t mode)
{
	const char *name = NULL;
	int fd = cloister_path_open_inside(root, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);

	if (fd != -ENOENT)
		return fd;
	char _cleanup_free_ *copy = strdup(path);
	if (copy == NULL)
		return -ENOMEM;
	int _cleanup_close_ parent = open_made_parent(root, copy, &name);
	if (parent < 0)
		return parent;
	if (mkdirat(parent, name, mode) < 0)
		return -errno;
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int cloister_path_create_file(int root, const char *path)
{
	return cloister_openat2(root, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644,
	                        RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/* With the directories that are missing on the way. */
static int create_file_deep(int root, const char *path)
{
	char _cleanup_free_ *copy = strdup(path);
	const char *name = NULL;

	if (copy == NULL)
		return -ENOMEM;
	int _cleanup_close_ parent = open_made_parent(root, copy, &name);
	return parent < 0 ? parent : cloister_path_create_file(root, path);
}

int cloister_path_make_file(int root, const char *path)
{
	struct stat st;
	int _cleanup_close_ fd = cloister_path_open_inside(root, path, O_PATH | O_NOFOLLOW);

	if (fd == -ENOENT)
		fd = cloister_path_create_file(root, path);
	if (fd == -ENOENT)
		fd = create_file_deep(root, path);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* A link is a place to mount on like any other: the kernel crosses the mount before it would follow the link.
	 */
	return S_ISDIR(st.st_mode) ? -EISDIR : TAKE_FD(fd);
}
