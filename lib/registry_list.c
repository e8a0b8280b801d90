/* SPDX-License-Identifier: MIT */
/* The live sessions, and the logins to them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "cloister/cleanup.h"
#include "registry_entries.h"

#define SESSIONS "sessions"
#define LOGINS   "logins"
#define KILLED   "killed=yes\n"

/* To a user there is no directory where there has been no session since the boot: -ENOENT, which is no failure. */
static int open_list(const char *name, struct cloister_error *err)
{
	struct cloister_error why = {0};
	int fd = cloister_registry_open(name, 0755, &why);

	return fd >= 0 || why.code == ENOENT ? fd : cloister_fail(err, why.code, why.step, why.path, "%s", why.text);
}

/* /proc with hidepid=1: a user is not shown other users' processes, and so not their sessions. */
static bool is_hidden(int code)
{
	return (code == -EPERM || code == -EACCES) && geteuid() != 0;
}

int cloister_registry_each(const char *user, int (*visit)(const struct cloister_registered *session, void *data),
                           void *data, struct cloister_error *err)
{
	struct cloister_registered session;
	struct cloister_registry_names names;
	int r = 0;
	int _cleanup_close_ registry = open_list(SESSIONS, err);

	if (registry < 0)
		return registry == -ENOENT ? 0 : registry;
	cloister_registry_names_start(&names, registry);
	for (const char *name; r == 0 && (name = cloister_registry_names_next(&names)) != NULL;) {
		char text[CLOISTER_REGISTRY_ENTRY_MAX];

		if (user != NULL && !cloister_registry_is_of(name, user))
			continue;
		int _cleanup_close_ pidfd = cloister_registry_live(registry, name, text, sizeof(text));
		if (pidfd == -ESRCH || (pidfd < 0 && is_hidden(pidfd)))
			continue;
		if (pidfd < 0)
			return cloister_fail(err, -pidfd, "registry", name, "cannot tell whether the session lives");
		cloister_registry_parse_session(name, text, pidfd, &session);
		if (user != NULL && strcmp(session.user, user) != 0)
			continue;
		r = visit(&session, data);
	}
	return r == 0 && names.error < 0 ? cloister_fail(err, -names.error, "registry", SESSIONS, "cannot read") : r;
}

/* 1: a live login; 0: it is not one, and removed; -errno: nobody can tell, and it stays. */
static int read_login(int directory, const char *name, char text[CLOISTER_REGISTRY_ENTRY_MAX],
                      struct cloister_login *login)
{
	uint64_t start = 0, now = 0;
	int r = cloister_registry_read(directory, name, text, CLOISTER_REGISTRY_ENTRY_MAX);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = cloister_registry_parse_login(text, login, &start);
	if (r == 0)
		r = cloister_registry_start_time(login->pid, &now);
	if (r == 0 && now == start)
		return 1;
	if (r < 0 && r != -ESRCH && r != -EBADMSG)
		return r;
	unlinkat(directory, name, 0);
	return 0;
}

static void look_at(int directory, const char *name)
{
	struct cloister_login login;
	char text[CLOISTER_REGISTRY_ENTRY_MAX];

	if (*name == '.')
		cloister_registry_sweep_hidden(directory, name);
	else
		read_login(directory, name, text, &login);
}

void cloister_registry_sweep_logins(const char *user)
{
	int _cleanup_close_ registry = cloister_registry_open(LOGINS, 0755, NULL);

	if (registry >= 0)
		cloister_registry_visit_some(registry, user, look_at);
}

int cloister_registry_each_login(const char *id, int (*visit)(const struct cloister_login *login, void *data),
                                 void *data, struct cloister_error *err)
{
	struct cloister_login login;
	struct cloister_registry_names names;
	char session[CLOISTER_SESSION_ID_MAX];
	int r = 0;
	int _cleanup_close_ registry = open_list(LOGINS, err);

	if (registry < 0)
		return registry == -ENOENT ? 0 : registry;
	cloister_registry_names_start(&names, registry);
	for (const char *name; r == 0 && (name = cloister_registry_names_next(&names)) != NULL;) {
		char text[CLOISTER_REGISTRY_ENTRY_MAX];

		if (*name == '.') {
			cloister_registry_sweep_hidden(registry, name);
			continue;
		}
		/* ID.PID */
		if (id != NULL && (strncmp(name, id, strlen(id)) != 0 || name[strlen(id)] != '.'))
			continue;
		int live = read_login(registry, name, text, &login);
		if (live < 0 && is_hidden(live))
			continue;
		if (live < 0)
			return cloister_fail(err, -live, "registry", name, "cannot tell whether the login lives");
		if (live == 0)
			continue;
		cloister_registry_text(text, "session", session, sizeof(session));
		if (id != NULL && strcmp(session, id) == 0)
			r = visit(&login, data);
	}
	return r == 0 && names.error < 0 ? cloister_fail(err, -names.error, "registry", LOGINS, "cannot read") : r;
}

/* What a remote side or a user may have chosen: one line stays one line. */
static void write_text(FILE *out, const char *key, const char *value)
{
	fprintf(out, "%s=", key);
	for (size_t i = 0; i < CLOISTER_REGISTERED_TEXT_MAX - 1 && value[i] != '\0'; i++)
		fputc((unsigned char)value[i] < ' ' || value[i] == 127 ? '?' : value[i], out);
	fputc('\n', out);
}

static void login_name(const char *id, char *name, size_t size)
{
	snprintf(name, size, ".%s.%d", id, (int)getpid());
}

int cloister_registry_add_login(const char *id, const struct cloister_login *login, struct cloister_error *err)
{
	uint64_t ticks = 0;
	char hidden[CLOISTER_SESSION_ID_MAX + 16];
	int _cleanup_close_ registry = cloister_registry_open(LOGINS, 0755, err);

	if (registry < 0)
		return registry;
	if (cloister_registry_start_time(getpid(), &ticks) < 0)
		return cloister_fail(err, ESRCH, "registry", "/proc/self/stat", "cannot tell when this process began");
	login_name(id, hidden, sizeof(hidden));
	/* A process of that number may have been killed while it wrote. */
	unlinkat(registry, hidden, 0);
	int fd = openat(registry, hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	if (out == NULL) {
		int code = errno;

		if (fd >= 0) {
			close(fd);
			unlinkat(registry, hidden, 0);
		}
		return cloister_fail(err, code, "registry", CLOISTER_REGISTRY_LOGINS, "cannot write");
	}
	fprintf(out, "session=%s\npid=%d\nstart=%" PRIu64 "\nsince=%lld\n", id, (int)getpid(), ticks,
	        (long long)time(NULL));
	write_text(out, "service", login->service);
	write_text(out, "tty", login->tty);
	write_text(out, "remote_host", login->remote_host);
	if (fclose(out) != 0 || renameat(registry, hidden, registry, hidden + 1) < 0) {
		int code = errno;

		unlinkat(registry, hidden, 0);
		return cloister_fail(err, code, "registry", CLOISTER_REGISTRY_LOGINS, "cannot write");
	}
	return 0;
}

static int append_kill(const struct cloister_login *login, void *data)
{
	char name[CLOISTER_SESSION_ID_MAX + 16];
	int _cleanup_close_ registry = cloister_registry_open(LOGINS, 0755, NULL);

	snprintf(name, sizeof(name), "%s.%d", (const char *)data, (int)login->pid);
	int _cleanup_close_ fd =
		registry < 0 ? -1 : openat(registry, name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		(void)!write(fd, KILLED, strlen(KILLED));
	return 0;
}

void cloister_registry_note_kill(const char *id)
{
	char name[CLOISTER_SESSION_ID_MAX];

	snprintf(name, sizeof(name), "%s", id);
	cloister_registry_each_login(id, append_kill, name, NULL);
}

bool cloister_registry_login_was_killed(const char *id)
{
	char name[CLOISTER_SESSION_ID_MAX + 16], text[CLOISTER_REGISTRY_ENTRY_MAX];
	int _cleanup_close_ registry = cloister_registry_open(LOGINS, 0755, NULL);

	login_name(id, name, sizeof(name));
	return registry >= 0 && cloister_registry_read(registry, name + 1, text, sizeof(text)) == 0 &&
	       strstr(text, "\n" KILLED) != NULL;
}

void cloister_registry_remove_login(const char *id)
{
	char name[CLOISTER_SESSION_ID_MAX + 16];
	int _cleanup_close_ registry = cloister_registry_open(LOGINS, 0755, NULL);

	login_name(id, name, sizeof(name));
	if (registry >= 0 && strchr(id, '/') == NULL)
		unlinkat(registry, name + 1, 0);
}
