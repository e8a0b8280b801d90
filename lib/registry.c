/* SPDX-License-Identifier: MIT */
/* Live sessions as files. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "cloister/cleanup.h"
#include "cloister/number.h"
#include "cloister/path.h"
#include "registry_entries.h"

#define SESSIONS "sessions"
/* A file that is being written has this long, in seconds, to get its name. */
#define HIDDEN_MAX 600

/* mode: of the directory when it has to be made; 0 to make none. */
static int open_or_make(int parent, const char *name, int flags, mode_t mode)
{
	int fd = openat(parent, name, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 || errno != ENOENT || mode == 0)
		return fd < 0 ? -errno : fd;
	if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Root's directory all the way; made when missing, since /run is empty after a boot. */
int cloister_registry_open(const char *name, mode_t mode, struct cloister_error *err)
{
	bool make = geteuid() == 0;
	char path[64];

	int _cleanup_close_ run = cloister_path_open_host("/run", O_DIRECTORY, CLOISTER_PATH_ROOT_OWNED, err);

	if (run < 0)
		return run;
	snprintf(path, sizeof(path), "/run/cloister/%s", name);
	int _cleanup_close_ own = open_or_make(run, "cloister", O_PATH, make ? 0755 : 0);
	if (own < 0)
		return cloister_fail(err, -own, "registry", "/run/cloister", "cannot open");
	int _cleanup_close_ fd = open_or_make(own, name, O_RDONLY, make ? mode : 0);
	if (fd < 0)
		return cloister_fail(err, -fd, "registry", path, "cannot open");
	struct stat st;
	if (fstat(fd, &st) < 0)
		return cloister_fail(err, errno, "registry", path, "cannot stat");
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return cloister_fail(err, EPERM, "registry", path, "must be root's and writable by nobody else");
	return TAKE_FD(fd);
}

int cloister_registry_start_time(pid_t pid, uint64_t *ticks)
{
	char path[40], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int _cleanup_close_ fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return n < 0 ? -errno : -ESRCH;
	text[n] = '\0';
	return cloister_registry_parse_stat(text, ticks);
}

static int mount_namespace(pid_t pid, uint64_t *inode)
{
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	if (stat(path, &st) < 0)
		return errno == ENOENT ? -ESRCH : -errno;
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
	char hidden[CLOISTER_SESSION_ID_MAX + 16], network[CLOISTER_NETWORK_TEXT_MAX];
	int _cleanup_close_ registry = cloister_registry_open(SESSIONS, 0755, err);

	if (registry < 0)
		return registry;
	if (cloister_registry_start_time(session->init, &ticks) < 0 || mount_namespace(session->init, &inode) < 0)
		return cloister_fail(err, ESRCH, "registry", session->id, "init is gone");
	snprintf(hidden, sizeof(hidden), ".%s.%d", session->id, (int)getpid());
	int _cleanup_close_ fd = openat(registry, hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return cloister_fail(err, errno, "registry", session->id, "cannot write");
	FILE *out = fdopen(fd, "w");
	if (out == NULL) {
		int code = errno;

		unlinkat(registry, hidden, 0);
		return cloister_fail(err, code, "registry", session->id, "cannot write");
	}
	fd = -1;
	cloister_plan_network(plan, network, sizeof(network));
	fprintf(out, "scope=%s\nnetwork=%s\n", plan->shared ? "user" : "session", network);
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
	int _cleanup_close_ registry = cloister_registry_open(SESSIONS, 0755, NULL);

	if (registry >= 0 && strchr(id, '/') == NULL)
		unlinkat(registry, id, 0);
}

/* 0 when that number is the process that began then, -ESRCH when it is not, or -errno when nobody can tell. */
static int same_process(pid_t pid, uint64_t start)
{
	uint64_t now = 0;
	int r = cloister_registry_start_time(pid, &now);

	return r == 0 && now != start ? -ESRCH : r;
}

/* Likewise. Only root may look into init's namespaces; what a user is shown of their own needs no more than pid and
 * start time. */
static int same_namespace(pid_t pid, uint64_t inode)
{
	uint64_t now = 0;
	int r = mount_namespace(pid, &now);

	if (r == -EACCES && geteuid() != 0)
		return 0;
	return r == 0 && now != inode ? -ESRCH : r;
}

/* What is read of a process that ends meanwhile is an error of one kind or another (EACCES): its pidfd knows. */
static int error_of(int pidfd, int code)
{
	struct pollfd poller = {.fd = pidfd, .events = POLLIN};

	return pidfd >= 0 && poll(&poller, 1, 0) > 0 ? -ESRCH : code;
}

int cloister_registry_confirm(const char *text)
{
	uint64_t start = 0, inode = 0;
	pid_t pid = 0;

	if (cloister_registry_parse_init(text, &pid, &start, &inode) < 0)
		return -ESRCH;
	int _cleanup_close_ pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int code = pidfd < 0 ? -errno : 0;
	/* After the pidfd, so that what is read is of the process that it holds, or of none. Without one, too: the
	 * number of a thread of another process is EINVAL, or ENOENT. */
	int r = code == -ESRCH ? code : same_process(pid, start);
	if (r == 0)
		r = code < 0 ? code : same_namespace(pid, inode);
	return r < 0 ? error_of(pidfd, r) : TAKE_FD(pidfd);
}

int cloister_registry_read(int registry, const char *name, char *text, size_t size)
{
	struct stat st;
	int _cleanup_close_ fd = openat(registry, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -EBADMSG : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -EBADMSG;
	ssize_t n = read(fd, text, size - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

/* While it is written a file is named for the process that does it. */
static bool writer_is_gone(const char *name)
{
	const char *number = strrchr(name, '.') + 1;
	uint64_t pid = 0;

	return cloister_number_parse(number, strlen(number), &pid) == 0 && pid > 1 && pid <= INT32_MAX &&
	       kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

void cloister_registry_sweep_hidden(int registry, const char *name)
{
	struct stat st;

	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	    fstatat(registry, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (st.st_mtime + HIDDEN_MAX < time(NULL) || writer_is_gone(name)))
		unlinkat(registry, name, 0);
}

int cloister_registry_live(int registry, const char *name, char *text, size_t size)
{
	if (*name == '.') {
		cloister_registry_sweep_hidden(registry, name);
		return -ESRCH;
	}
	int r = cloister_registry_read(registry, name, text, size);
	/* Taken away meanwhile. */
	if (r == -ENOENT)
		return -ESRCH;
	int pidfd = r < 0 ? r : cloister_registry_confirm(text);
	if (pidfd != -ESRCH && pidfd != -EBADMSG)
		return pidfd;
	/* Stale, torn, or no entry at all: it helps nobody. A user's process fails here, and nothing is lost. */
	unlinkat(registry, name, 0);
	return -ESRCH;
}

static int cannot_tell(int code, const char *name, struct cloister_error *err)
{
	cloister_fail(err, -code, "registry", name, "cannot tell whether the session lives");
	return -EIO;
}

/* The first live session whose entry has the lines wanted, as a pidfd, and its entry. The kernel is asked about it
 * alone: a login must not cost what all sessions do. -EIO with *err when nobody can tell: one that is not found would
 * be taken for one that is not there. */
static int find_live(int registry, const char *wanted, char text[CLOISTER_REGISTRY_ENTRY_MAX],
                     struct cloister_error *err)
{
	struct cloister_registry_names names;

	cloister_registry_names_start(&names, registry);
	for (const char *name; (name = cloister_registry_names_next(&names)) != NULL;) {
		int r = *name == '.' ? -ENOENT
		                     : cloister_registry_read(registry, name, text, CLOISTER_REGISTRY_ENTRY_MAX);

		if (r == -ENOENT || r == -EBADMSG)
			continue;
		if (r == 0)
			r = cloister_registry_same_overlay(text, wanted);
		if (r == 0)
			continue;
		if (r < 0 && r != -EBUSY)
			return cannot_tell(r, name, err);
		int _cleanup_close_ pidfd = cloister_registry_live(registry, name, text, CLOISTER_REGISTRY_ENTRY_MAX);
		if (pidfd < 0 && pidfd != -ESRCH)
			return cannot_tell(pidfd, name, err);
		if (pidfd >= 0)
			return r < 0 ? r : TAKE_FD(pidfd);
	}
	return names.error < 0 ? cannot_tell(names.error, SESSIONS, err) : -ENOENT;
}

static int find_in_registry(const char *wanted, char text[CLOISTER_REGISTRY_ENTRY_MAX], struct cloister_error *err)
{
	int _cleanup_close_ registry = cloister_registry_open(SESSIONS, 0755, err);

	return registry < 0 ? -EIO : find_live(registry, wanted, text, err);
}

static void look_at(int directory, const char *name)
{
	char text[CLOISTER_REGISTRY_ENTRY_MAX];
	int pidfd = cloister_registry_live(directory, name, text, sizeof(text));

	if (pidfd >= 0)
		close(pidfd);
}

void cloister_registry_sweep(const char *user)
{
	int _cleanup_close_ registry = cloister_registry_open(SESSIONS, 0755, NULL);

	if (registry >= 0)
		cloister_registry_visit_some(registry, user, look_at);
}

int cloister_registry_find_image(const char *identity, struct cloister_registry_image *image)
{
	char wanted[96], text[CLOISTER_REGISTRY_ENTRY_MAX];

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
	char text[CLOISTER_REGISTRY_ENTRY_MAX];
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

int cloister_registry_find_state(const char *state, struct cloister_error *err)
{
	char _cleanup_free_ *wanted = NULL;
	char text[CLOISTER_REGISTRY_ENTRY_MAX];

	if (asprintf(&wanted, "\nstate=%s\n", state) < 0)
		return cloister_fail(err, ENOMEM, "registry", NULL, "no memory");
	return find_in_registry(wanted, text, err);
}
