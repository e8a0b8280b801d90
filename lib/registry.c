/* SPDX-License-Identifier: MIT */
/* Live sessions as files. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "cloister/cleanup.h"
#include "cloister/number.h"
#include "cloister/path.h"
#include "registry_entries.h"

#define ENTRY_MAX 8192

/* Root's directory all the way; made when missing, since /run is empty after a boot. */
static int open_registry(struct cloister_error *err)
{
	int _cleanup_close_ run = cloister_path_open_host("/run", O_DIRECTORY, CLOISTER_PATH_ROOT_OWNED, err);

	if (run < 0)
		return run;
	if (mkdirat(run, "cloister", 0755) < 0 && errno != EEXIST)
		return cloister_fail(err, errno, "registry", "/run/cloister", "cannot make");
	int _cleanup_close_ own = openat(run, "cloister", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (own < 0)
		return cloister_fail(err, errno, "registry", "/run/cloister", "cannot open");
	if (mkdirat(own, "sessions", 0755) < 0 && errno != EEXIST)
		return cloister_fail(err, errno, "registry", CLOISTER_REGISTRY, "cannot make");
	int _cleanup_close_ fd = openat(own, "sessions", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return cloister_fail(err, errno, "registry", CLOISTER_REGISTRY, "cannot open");
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return cloister_fail(err, EPERM, "registry", CLOISTER_REGISTRY,
		                     "must be root's and writable by nobody else");
	return TAKE_FD(fd);
}

/* Field 22 of /proc/PID/stat (proc(5)): with the number it names a process for good. The name in field 2 may hold
 * anything. */
static int start_time(pid_t pid, uint64_t *ticks)
{
	char path[40], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int _cleanup_close_ fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	char *at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at != NULL && cloister_number_parse(at + 1, strcspn(at + 1, " "), ticks) == 0 ? 0 : -ESRCH;
}

static int mount_namespace(pid_t pid, uint64_t *inode)
{
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	if (stat(path, &st) < 0)
		return -errno;
	*inode = st.st_ino;
	return 0;
}

/* What of a plan must be the same for two sessions to share an overlay. */
static void write_identity(FILE *out, const struct cloister_plan *plan)
{
	fprintf(out, "\nstate=%s\nrootfs=%s\nids=%" PRIu32 "\n", plan->state, plan->rootfs,
	        cloister_id_map_outside(&plan->uid_map, 0));
}

int cloister_registry_add(const struct cloister_session *session, const struct cloister_plan *plan,
                          struct cloister_error *err)
{
	uint64_t ticks = 0, inode = 0;
	char hidden[CLOISTER_SESSION_ID_MAX + 8];
	int _cleanup_close_ registry = open_registry(err);

	if (registry < 0)
		return registry;
	if (start_time(session->init, &ticks) < 0 || mount_namespace(session->init, &inode) < 0)
		return cloister_fail(err, ESRCH, "registry", session->id, "init is gone");
	snprintf(hidden, sizeof(hidden), ".%s", session->id);
	int _cleanup_close_ fd = openat(registry, hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return cloister_fail(err, errno, "registry", session->id, "cannot write");
	FILE *out = fdopen(fd, "w");
	if (out == NULL)
		return cloister_fail(err, errno, "registry", session->id, "cannot write");
	fd = -1;
	fprintf(out, "pid=%d\nstart=%" PRIu64 "\nmnt=%" PRIu64 "\nuser=%s\nuid=%" PRIu32 "\nowner=%d\nsince=%lld\n",
	        (int)session->init, ticks, inode, plan->user, plan->uid, (int)session->owner, (long long)time(NULL));
	fputs(session->image, out);
	write_identity(out, plan);
	if (fclose(out) != 0 || renameat(registry, hidden, registry, session->id) < 0) {
		int code = errno;

		unlinkat(registry, hidden, 0);
		return cloister_fail(err, code, "registry", session->id, "cannot write");
	}
	return 0;
}

void cloister_registry_remove(const char *id)
{
	int _cleanup_close_ registry = open_registry(NULL);

	if (registry >= 0 && strchr(id, '/') == NULL)
		unlinkat(registry, id, 0);
}

/* A pidfd of the init that an entry names, if the kernel confirms the entry; -ESRCH when it is stale. */
static int confirm(const char *text)
{
	uint64_t number = 0, start = 0, inode = 0, now_start = 0, now_inode = 0;

	if (cloister_number_of_key(text, "pid", &number) < 0 || cloister_number_of_key(text, "start", &start) < 0 ||
	    cloister_number_of_key(text, "mnt", &inode) < 0 || number <= 1 || number > INT32_MAX)
		return -ESRCH;
	pid_t pid = (pid_t)number;
	int _cleanup_close_ pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -ESRCH;
	/* After the pidfd, so that what is read is of the process that it holds, or of none. */
	if (start_time(pid, &now_start) < 0 || mount_namespace(pid, &now_inode) < 0 || now_start != start ||
	    now_inode != inode)
		return -ESRCH;
	return TAKE_FD(pidfd);
}

static int read_entry(int registry, const char *name, char *text, size_t size)
{
	int _cleanup_close_ fd = openat(registry, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, size - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

/* Whether a live session's entry is on the plan's state directory: 1 yes, 0 no, -EBUSY when it is, but over something
 * else. */
static int same_overlay(const char *text, const char *wanted)
{
	size_t first_line = strcspn(wanted + 1, "\n") + 2;
	char _cleanup_free_ *state = strndup(wanted, first_line);

	if (state == NULL)
		return -ENOMEM;
	if (strstr(text, wanted) != NULL)
		return 1;
	return strstr(text, state) != NULL ? -EBUSY : 0;
}

/* The first live session that shares the overlay (wanted; NULL: none), as a pidfd, and its entry; removes the entries
 * of dead ones on the way. */
static int find_live(DIR *directory, const char *wanted, char text[ENTRY_MAX])
{
	for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		if (entry->d_name[0] == '.' || read_entry(dirfd(directory), entry->d_name, text, ENTRY_MAX) < 0)
			continue;
		int _cleanup_close_ pidfd = confirm(text);
		if (pidfd < 0) {
			unlinkat(dirfd(directory), entry->d_name, 0);
			continue;
		}
		int r = wanted == NULL ? 0 : same_overlay(text, wanted);
		if (r != 0)
			return r < 0 ? r : TAKE_FD(pidfd);
	}
	return -ENOENT;
}

static int find_in_registry(const char *wanted, char text[ENTRY_MAX], struct cloister_error *err)
{
	int registry = open_registry(err);

	if (registry < 0)
		return registry;
	DIR *directory = fdopendir(registry);
	if (directory == NULL) {
		close(registry);
		return cloister_fail(err, errno, "registry", CLOISTER_REGISTRY, "cannot read");
	}
	int found = find_live(directory, wanted, text);
	closedir(directory);
	return found;
}

void cloister_registry_sweep(void)
{
	char text[ENTRY_MAX];

	find_in_registry(NULL, text, NULL);
}

int cloister_registry_find_image(const char *identity, struct cloister_registry_image *image)
{
	char wanted[96], text[ENTRY_MAX];

	snprintf(wanted, sizeof(wanted), "\nimage=%s\n", identity);
	int _cleanup_close_ pidfd = find_in_registry(wanted, text, NULL);
	if (pidfd < 0 || cloister_number_of_key(text, "image_device", &image->device) < 0 ||
	    cloister_number_of_key(text, "image_inode", &image->inode) < 0)
		return -ENOENT;
	return TAKE_FD(pidfd);
}

int cloister_registry_find(const struct cloister_plan *plan, struct cloister_error *err)
{
	char _cleanup_free_ *wanted = NULL;
	char text[ENTRY_MAX];
	size_t size = 0;
	FILE *out = open_memstream(&wanted, &size);

	if (out == NULL)
		return cloister_fail(err, ENOMEM, "registry", NULL, "no memory");
	write_identity(out, plan);
	if (fclose(out) != 0)
		return cloister_fail(err, ENOMEM, "registry", NULL, "no memory");
	int found = find_in_registry(wanted, text, err);
	if (found == -EBUSY)
		return cloister_fail(err, EBUSY, "state", plan->state,
		                     "another session of the user is on it, with other ids");
	return found;
}

int cloister_registry_each(int (*visit)(void *context, const char *id, const char *entry), void *context,
                           struct cloister_error *err)
{
	int r = 0, registry = open_registry(err);

	if (registry < 0)
		return registry;
	DIR *directory = fdopendir(registry);
	if (directory == NULL) {
		close(registry);
		return cloister_fail(err, errno, "registry", CLOISTER_REGISTRY, "cannot read");
	}
	for (struct dirent *entry = readdir(directory); entry != NULL && r == 0; entry = readdir(directory)) {
		char text[ENTRY_MAX];

		if (entry->d_name[0] == '.' || read_entry(registry, entry->d_name, text, sizeof(text)) < 0)
			continue;
		int _cleanup_close_ pidfd = confirm(text);
		if (pidfd < 0)
			unlinkat(registry, entry->d_name, 0);
		else
			r = visit(context, entry->d_name, text);
	}
	closedir(directory);
	return r;
}

int cloister_registry_find_state(const char *state, struct cloister_error *err)
{
	char _cleanup_free_ *wanted = NULL;
	char text[ENTRY_MAX];

	if (asprintf(&wanted, "\nstate=%s\n", state) < 0)
		return cloister_fail(err, ENOMEM, "registry", NULL, "no memory");
	return find_in_registry(wanted, text, err);
}
