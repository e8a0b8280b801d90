/* SPDX-License-Identifier: MIT */
/* Whether root alone could have placed what a privileged process loads from a tree. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/source.h"

#define LINKS_MAX 40

static bool only_root_writes(const struct stat *st)
{
	return st->st_uid == 0 && (S_ISLNK(st->st_mode) || !(st->st_mode & (S_IWGRP | S_IWOTH)));
}

/* "a/./b/../c" becomes "a/c"; what would lead above the tree stays at its root. */
static void make_plain(char *path)
{
	char *out = path;

	for (const char *at = path + strspn(path, "/"); *at != '\0'; at += strspn(at, "/")) {
		size_t length = strcspn(at, "/");

		if (length == 2 && at[0] == '.' && at[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (length != 1 || at[0] != '.') {
			if (out > path)
				*out++ = '/';
			memmove(out, at, length);
			out += length;
		}
		at += length;
	}
	*out = '\0';
}

/* In path, with a link as the component from begin to end: where the link leads inside the tree, and what is left of
 * the way. Of ".." only those at the beginning are taken: after a name, which may be a link itself, it may be anywhere.
 */
static int follow(char *path, size_t begin, size_t end, int link)
{
	char target[PATH_MAX], joined[PATH_MAX];
	ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);

	if (n <= 0)
		return n < 0 ? -errno : -ENOENT;
	target[n] = '\0';
	const char *names = target;
	while (strncmp(names, "../", 3) == 0)
		names += 3;
	if (strstr(names, "..") != NULL && strcmp(names, "..") != 0)
		return -ELOOP;
	int size = snprintf(joined, sizeof(joined), "%.*s/%s/%s", target[0] == '/' ? 0 : (int)begin, path, target,
	                    path + end);
	if (size < 0 || (size_t)size >= sizeof(joined))
		return -ENAMETOOLONG;
	memcpy(path, joined, (size_t)size + 1);
	make_plain(path);
	return 0;
}

/* 0: each component is root's. 1: there is a link on the way, and path is now the way through it. */
static int check_way(int rootfs, char *path)
{
	int _cleanup_close_ at = fcntl(rootfs, F_DUPFD_CLOEXEC, 3);
	size_t end;

	if (at < 0)
		return -errno;
	for (size_t begin = 0; path[begin] != '\0'; begin = end + (path[end] == '/')) {
		char name[NAME_MAX + 1];
		struct stat st;

		end = begin + strcspn(path + begin, "/");
		if (end - begin > NAME_MAX)
			return -ENAMETOOLONG;
		snprintf(name, sizeof(name), "%.*s", (int)(end - begin), path + begin);
		int _cleanup_close_ next = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0 || fstat(next, &st) < 0)
			return -errno;
		if (!only_root_writes(&st))
			return -EPERM;
		if (S_ISLNK(st.st_mode)) {
			int r = follow(path, begin, end, next);

			return r < 0 ? r : 1;
		}
		close(at);
		at = TAKE_FD(next);
	}
	return 0;
}

/* As a process in the tree would come there: a link of the tree's must not be followed on the host, nor be taken for
 * what it leads to. */
static int check(int rootfs, const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	int r = fstat(rootfs, &st) < 0 ? -errno : 1;

	if (r > 0 && !only_root_writes(&st))
		return -EPERM;
	snprintf(path, sizeof(path), "%s", name);
	for (int links = 0; r > 0 && links <= LINKS_MAX; links++)
		r = check_way(rootfs, path);
	return r > 0 ? -ELOOP : r;
}

int cloister_rootfs_trusted(int rootfs, const char *path, struct cloister_error *err)
{
	/* What the name service, the dynamic loader and PAM of a root process read after it entered. */
	static const char *const loaded[] = {"",
	                                     "etc",
	                                     "etc/nsswitch.conf",
	                                     "etc/passwd",
	                                     "etc/group",
	                                     "etc/ld.so.cache",
	                                     "etc/ld.so.preload",
	                                     "bin",
	                                     "lib",
	                                     "lib32",
	                                     "lib64",
	                                     "usr",
	                                     "usr/bin",
	                                     "usr/lib",
	                                     "usr/lib64",
	                                     "usr/lib/x86_64-linux-gnu",
	                                     "usr/lib/aarch64-linux-gnu"};

	for (size_t i = 0; i < sizeof(loaded) / sizeof(*loaded); i++) {
		const char *name = *loaded[i] != '\0' ? loaded[i] : "/";
		int r = check(rootfs, loaded[i]);

		if (r == -EPERM)
			return cloister_fail(
				err, EPERM, "rootfs", path,
				"only root may be able to write the rootfs, and what links lead to in it, for "
				"users = host and for a login program that is not known to fork(2) (entry = "
				"process; entry = child says that it does), and this is not so for %s",
				name);
		if (r < 0 && r != -ENOENT && r != -ENOTDIR)
			return cloister_fail(err, -r, "rootfs", path, "cannot check %s", name);
	}
	return 0;
}
