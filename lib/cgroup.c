/* SPDX-License-Identifier: MIT */
/*
 * The session's cgroup: by descriptor, below a directory that is a cgroup2 file system.
 *
 * Not below the login's own cgroup. logind's session scope holds the login program itself, and a cgroup with processes
 * can have no controllers for its children (cgroup-v2.rst, "No Internal Process Constraint"). Those processes could be
 * moved to a leaf; but the scope is not delegated, and systemd may write its cgroup.subtree_control at any
 * daemon-reload, which would take the limits off a session that runs (systemd's CGROUP_DELEGATION.md: one writer). What
 * systemd leaves alone is a unit with Delegate=; so it makes one for us, and without it a limit refuses the login.
 */
#include "cloister/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/lock.h"
#include "cloister/number.h"
#include "cloister/path.h"
#include "registry_entries.h"

#define STEP    "cgroup"
#define ROOT    "/sys/fs/cgroup"
#define HYBRID  "/sys/fs/cgroup/unified"
#define PLAIN   "cloister"
#define SLICE   "cloister.slice"
#define SERVICE "cloister.slice/cloister-sessions.service"
#define ENABLE  "systemctl enable --now cloister-sessions.service"
#define LOCKS   "cgroups"
/* As long as a login waits for who removes empty cgroups. */
#define SWEEP_MILLISECONDS 500
#define RESOLVE            (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)
#define CONTROLS_MAX       256

bool cloister_cgroup_is_wanted(const struct cloister_plan *plan)
{
	struct cloister_cgroup_setting settings[CLOISTER_CGROUP_SETTINGS];

	return plan->privileged && cloister_limits_cgroup(&plan->limits, settings) > 0;
}

static bool is_cgroup2(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* The root of the hierarchy: of a pure cgroup v2, or the one beside cgroup v1. *path: where it is. */
static int open_root(const char **path, struct cloister_error *err)
{
	const char *const paths[] = {ROOT, HYBRID};

	for (size_t i = 0; i < 2; i++) {
		int _cleanup_close_ fd = cloister_path_open_host(paths[i], O_DIRECTORY, CLOISTER_PATH_ROOT_OWNED, NULL);

		if (fd >= 0 && is_cgroup2(fd)) {
			*path = paths[i];
			return TAKE_FD(fd);
		}
	}
	return cloister_fail(err, EOPNOTSUPP, STEP, ROOT, "cgroup v2 is not mounted, and limits need it");
}

/* sd_booted(3). */
static bool has_systemd(void)
{
	return access("/run/systemd/system/", F_OK) == 0;
}

static int open_below(int directory, const char *path, int flags)
{
	return cloister_openat2(directory, path, flags, 0, RESOLVE);
}

static int read_lines(int directory, const char *name, char text[CONTROLS_MAX])
{
	int _cleanup_close_ fd = open_below(directory, name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, CONTROLS_MAX - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

static int read_controls(int directory, const char *name, char text[CONTROLS_MAX])
{
	int r = read_lines(directory, name, text);

	if (r == 0)
		text[strcspn(text, "\n")] = '\0';
	return r;
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
		if ((at == text || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
			return true;
	}
	return false;
}

static int write_control(int directory, const char *name, const char *value)
{
	int _cleanup_close_ fd = open_below(directory, name, O_WRONLY);
	ssize_t length = (ssize_t)strlen(value);

	if (fd < 0)
		return -errno;
	return write(fd, value, (size_t)length) == length ? 0 : -errno;
}

/* Every controller that the limits need must be there to be given to children. */
static int require_controllers(int directory, const char *path, const struct cloister_cgroup_setting *settings,
                               size_t n, struct cloister_error *err)
{
	char there[CONTROLS_MAX] = "";
	int r = read_controls(directory, "cgroup.controllers", there);

	if (r < 0)
		return cloister_fail(err, -r, STEP, path, "cannot read cgroup.controllers");
	for (size_t i = 0; i < n; i++) {
		if (!has_word(there, settings[i].controller))
			return cloister_fail(
				err, EOPNOTSUPP, STEP, path,
				"%s needs the controller %s of cgroup v2, and there is %s%s: is it bound to "
				"cgroup v1, or switched off?",
				settings[i].key, settings[i].controller, *there != '\0' ? "only " : "none", there);
	}
	return 0;
}

static int enable_controllers(int directory, const char *path, const struct cloister_cgroup_setting *settings, size_t n,
                              struct cloister_error *err)
{
	char enabled[CONTROLS_MAX] = "", word[32];
	int r = read_controls(directory, "cgroup.subtree_control", enabled);

	if (r < 0)
		return cloister_fail(err, -r, STEP, path, "cannot read cgroup.subtree_control");
	for (size_t i = 0; i < n; i++) {
		if (has_word(enabled, settings[i].controller))
			continue;
		snprintf(word, sizeof(word), "+%s", settings[i].controller);
		r = write_control(directory, "cgroup.subtree_control", word);
		if (r < 0)
			return cloister_fail(err, -r, STEP, path, "cannot enable the controller %s for %s",
			                     settings[i].controller, settings[i].key);
	}
	return 0;
}

/* Where sessions have their cgroups, as it is; -ENOENT where nobody has made it. */
static int open_place(struct cloister_error *err)
{
	const char *path = NULL;
	int _cleanup_close_ root = open_root(&path, err);

	if (root < 0)
		return root;
	int fd = open_below(root, has_systemd() ? SERVICE : PLAIN, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? cloister_fail(err, -fd, STEP, path, "cannot open the sessions' cgroup") : fd;
}

/* Likewise, able to have sessions with these limits. With make = false nothing is changed, and what could be made is no
 * fault. -1 then, where it is not there. */
static int prepare_place(const struct cloister_cgroup_setting *settings, size_t n, bool make,
                         struct cloister_error *err)
{
	const char *path = NULL, *name = has_systemd() ? SERVICE : PLAIN;
	int _cleanup_close_ root = open_root(&path, err);

	if (root < 0)
		return root;
	int r = require_controllers(root, path, settings, n, err);
	if (r < 0)
		return r;
	if (!has_systemd() && make) {
		r = enable_controllers(root, path, settings, n, err);
		if (r < 0)
			return r;
		if (mkdirat(root, PLAIN, 0755) < 0 && errno != EEXIST)
			return cloister_fail(err, errno, STEP, PLAIN, "cannot make the sessions' cgroup");
	}
	int _cleanup_close_ place = open_below(root, name, O_RDONLY | O_DIRECTORY);
	if (place < 0 && has_systemd())
		return cloister_fail(err, -place, STEP, name,
		                     "systemd has made no cgroup for sessions with limits: " ENABLE);
	if (place < 0)
		return make ? cloister_fail(err, -place, STEP, name, "cannot open") : 0;
	if (make || has_systemd())
		r = require_controllers(place, name, settings, n, err);
	if (r == 0 && make)
		r = enable_controllers(place, name, settings, n, err);
	return r < 0 || !make ? r : TAKE_FD(place);
}

int cloister_cgroup_check(const struct cloister_plan *plan, struct cloister_error *err)
{
	struct cloister_cgroup_setting settings[CLOISTER_CGROUP_SETTINGS];
	size_t n = cloister_limits_cgroup(&plan->limits, settings);

	return plan->privileged && n > 0 ? prepare_place(settings, n, false, err) : 0;
}

/* io.max takes one device at a write. */
static int write_setting(int cgroup, const struct cloister_cgroup_setting *setting, struct cloister_error *err)
{
	char text[CLOISTER_IO_MAX], *rest = NULL;

	snprintf(text, sizeof(text), "%s", setting->value);
	for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		int r = write_control(cgroup, setting->file, line);

		if (r < 0)
			return cloister_fail(err, -r, STEP, setting->file, "the kernel refuses %s = %s", setting->key,
			                     line);
	}
	return 0;
}

/* A lock on root's own directory: flock(2) asks for no right to write, and anybody may open a cgroup. -EWOULDBLOCK when
 * it is held for as many milliseconds. */
static int lock_cgroups(int operation, uint64_t milliseconds, struct cloister_error *err)
{
	int _cleanup_close_ fd = cloister_registry_open(LOCKS, 0700, err);

	if (fd < 0)
		return fd;
	int r = cloister_lock_wait(fd, operation, milliseconds);
	if (r < 0 && r != -EWOULDBLOCK)
		return cloister_fail(err, -r, STEP, "/run/cloister/" LOCKS, "cannot lock");
	return r < 0 ? r : TAKE_FD(fd);
}

int cloister_cgroup_make(const struct cloister_plan *plan, int *lock, struct cloister_error *err)
{
	struct cloister_cgroup_setting settings[CLOISTER_CGROUP_SETTINGS];
	size_t n = cloister_limits_cgroup(&plan->limits, settings);

	int _cleanup_close_ place = prepare_place(settings, n, true, err);
	if (place < 0)
		return place;
	/*
	 * Against who removes what is empty, which this one is until init is in it. They hold the lock for a moment;
	 * but su(1) may be stopped by its caller at any, and no login must wait for that. What is removed then is this
	 * login's alone: it is refused.
	 */
	int _cleanup_close_ held = lock_cgroups(LOCK_SH, SWEEP_MILLISECONDS, err);
	if (held < 0 && held != -EWOULDBLOCK)
		return held;
	if (mkdirat(place, plan->session_id, 0755) < 0)
		return cloister_fail(err, errno, STEP, plan->session_id, "cannot make the session's cgroup");
	int _cleanup_close_ cgroup = open_below(place, plan->session_id, O_RDONLY | O_DIRECTORY);
	int r = cgroup < 0 ? cloister_fail(err, -cgroup, STEP, plan->session_id, "cannot open") : 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = write_setting(cgroup, &settings[i], err);
	if (r < 0) {
		unlinkat(place, plan->session_id, AT_REMOVEDIR);
		return r;
	}
	*lock = TAKE_FD(held);
	return TAKE_FD(cgroup);
}

static int open_cgroup(const char *id, struct cloister_error *err)
{
	int _cleanup_close_ place = open_place(err);

	if (place < 0)
		return place;
	int fd = open_below(place, id, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? cloister_fail(err, -fd, STEP, id, "cannot open the session's cgroup") : fd;
}

int cloister_cgroup_open_processes(const char *id, struct cloister_error *err)
{
	int _cleanup_close_ cgroup = open_cgroup(id, err);

	if (cgroup < 0)
		return cgroup;
	int fd = open_below(cgroup, "cgroup.procs", O_WRONLY);
	return fd < 0 ? cloister_fail(err, -fd, STEP, "cgroup.procs", "cannot open") : fd;
}

int cloister_cgroup_verify(const char *id, pid_t init, struct cloister_error *err)
{
	char path[40], line[4096];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)init);
	FILE _cleanup_fclose_ *file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		const char *slash = strrchr(line, '/');

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::", 3) == 0 && slash != NULL && strcmp(slash + 1, id) == 0)
			return 0;
	}
	return cloister_fail(err, EPERM, "verify", path, "init is not in the session's cgroup");
}

int cloister_cgroup_peak(const char *id, uint64_t *bytes)
{
	char text[CONTROLS_MAX];
	int _cleanup_close_ cgroup = open_cgroup(id, NULL);
	int r = cgroup < 0 ? cgroup : read_controls(cgroup, "memory.peak", text);

	return r < 0 ? r : cloister_number_parse(text, strlen(text), bytes);
}

int cloister_cgroup_oom_kills(const char *id, uint64_t *count)
{
	static const char key[] = "\noom_kill ";
	char text[CONTROLS_MAX];
	int _cleanup_close_ cgroup = open_cgroup(id, NULL);
	int r = cgroup < 0 ? cgroup : read_lines(cgroup, "memory.events", text);
	const char *at = r < 0 ? NULL : strstr(text, key);

	if (at == NULL)
		return r < 0 ? r : -ENOENT;
	at += strlen(key);
	return cloister_number_parse(at, strcspn(at, "\n"), count);
}

/* Waits until cgroup.events says that nothing lives there. The kernel makes it readable with POLLPRI at each change. */
static void wait_until_empty(int cgroup, int milliseconds)
{
	int _cleanup_close_ events = open_below(cgroup, "cgroup.events", O_RDONLY);
	struct pollfd poller = {.fd = events, .events = POLLPRI};
	struct timespec start, now;
	char text[CONTROLS_MAX];

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int left = milliseconds; events >= 0 && left > 0;) {
		ssize_t n = pread(events, text, sizeof(text) - 1, 0);

		text[n > 0 ? n : 0] = '\0';
		if (n <= 0 || strstr(text, "populated 0") != NULL)
			return;
		poll(&poller, 1, left);
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = milliseconds -
		       (int)((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000);
	}
}

int cloister_cgroup_remove(const char *id, int milliseconds)
{
	int _cleanup_close_ place = open_place(NULL);
	int _cleanup_close_ cgroup = place < 0 ? -1 : open_below(place, id, O_RDONLY | O_DIRECTORY);

	if (cgroup < 0)
		return 0;
	wait_until_empty(cgroup, milliseconds);
	return unlinkat(place, id, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* One that is not empty is EBUSY. */
static void remove_if_empty(int directory, const char *name)
{
	struct stat st;

	if (*name != '.' && fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		unlinkat(directory, name, AT_REMOVEDIR);
}

void cloister_cgroup_sweep(const char *user)
{
	int _cleanup_close_ place = open_place(NULL);
	int _cleanup_close_ lock = place < 0 ? -1 : lock_cgroups(LOCK_EX, 0, NULL);

	if (lock >= 0)
		cloister_registry_visit_some(place, user, remove_if_empty);
}
