/* SPDX-License-Identifier: MIT */
/* Writing the id maps of a new user namespace (user_namespaces(7)). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"
#include "spawn.h"

#define MAP_TEXT_MAX 12288

/* The kernel takes a map in one write or not at all; a short write is a failure. */
static int write_proc(int proc, const char *name, const char *text, size_t size)
{
	int _cleanup_close_ fd = openat(proc, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, text, size);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

static int write_map(int proc, const char *name, const struct cloister_id_map *map)
{
	char text[MAP_TEXT_MAX];
	ssize_t size = cloister_id_map_text(map, text, sizeof(text));

	return size < 0 ? (int)size : write_proc(proc, name, text, (size_t)size);
}

/* newuidmap PID INSIDE OUTSIDE COUNT ...: setuid programs of the host that hold the ranges against /etc/subuid. */
static int run_newidmap(const char *program, pid_t pid, const struct cloister_id_map *map)
{
	char numbers[1 + 3 * 8][12];
	char name[16];
	char *argv[3 + 3 * 8];
	char *const environment[] = {NULL};
	size_t n = 0;
	sigset_t mask;
	pid_t child;
	int status;

	if (map->n > 8)
		return -E2BIG;
	snprintf(name, sizeof(name), "newidmap");
	argv[n++] = name;
	snprintf(numbers[0], sizeof(numbers[0]), "%d", (int)pid);
	argv[n++] = numbers[0];
	for (size_t i = 0; i < map->n; i++) {
		const uint32_t triple[3] = {map->extents[i].inside, map->extents[i].outside, map->extents[i].count};

		for (size_t j = 0; j < 3; j++) {
			snprintf(numbers[1 + 3 * i + j], sizeof(numbers[0]), "%" PRIu32, triple[j]);
			argv[n++] = numbers[1 + 3 * i + j];
		}
	}
	argv[n] = NULL;
	/* glibc's posix_spawn(3) sets a mask that it has never read, where it cannot read it. */
	int r = pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (r == 0)
		r = posix_spawn(&child, program, NULL, NULL, argv, environment);
	if (r != 0)
		return -r;
	r = pthread_sigmask(SIG_SETMASK, &mask, NULL);
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (r != 0)
		return -r;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int write_own_maps(const struct cloister_plan *plan, pid_t pid, int proc, struct cloister_error *err)
{
	static const char deny[] = "deny";
	int r;

	if (plan->uid_map.n > 1) {
		r = run_newidmap("/usr/bin/newuidmap", pid, &plan->uid_map);
		if (r < 0)
			return cloister_fail(err, -r, "ids", "/usr/bin/newuidmap",
			                     "cannot map the range of /etc/subuid");
		r = run_newidmap("/usr/bin/newgidmap", pid, &plan->gid_map);
		return r < 0 ? cloister_fail(err, -r, "ids", "/usr/bin/newgidmap",
		                             "cannot map the range of /etc/subgid")
		             : 0;
	}
	/* Without privilege the kernel wants setgroups(2) denied first (user_namespaces(7)). */
	r = write_proc(proc, "setgroups", deny, sizeof(deny) - 1);
	if (r == 0)
		r = write_map(proc, "uid_map", &plan->uid_map);
	if (r == 0)
		r = write_map(proc, "gid_map", &plan->gid_map);
	return r < 0 ? cloister_fail(err, -r, "ids", NULL, "cannot map the user's own id") : 0;
}

int cloister_write_map_pair(pid_t pid, const struct cloister_id_map *uids, const struct cloister_id_map *gids)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	int _cleanup_close_ proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return -errno;
	int r = write_map(proc, "uid_map", uids);
	return r < 0 ? r : write_map(proc, "gid_map", gids);
}

int cloister_write_maps(const struct cloister_plan *plan, pid_t pid, struct cloister_error *err)
{
	char path[40];

	/* The number cannot be another process's: the child is ours and not reaped. */
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	int _cleanup_close_ proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return cloister_fail(err, errno, "ids", path, "cannot open");
	if (!plan->privileged)
		return write_own_maps(plan, pid, proc, err);
	int r = write_map(proc, "uid_map", &plan->uid_map);
	if (r < 0)
		return cloister_fail(err, -r, "ids", path, "cannot write uid_map");
	r = write_map(proc, "gid_map", &plan->gid_map);
	return r < 0 ? cloister_fail(err, -r, "ids", path, "cannot write gid_map") : 0;
}
