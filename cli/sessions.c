/* SPDX-License-Identifier: MIT */
/* Finding live sessions by id or user. */
#include "sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/cleanup.h"

struct search {
	const char *name;
	struct cli_sessions *sessions;
};

static int keep(const struct cloister_registered *registered, void *data)
{
	struct search *search = data;
	struct cli_sessions *sessions = search->sessions;
	char path[40];
	struct stat st;

	if (geteuid() != 0 && registered->uid != getuid())
		return 0;
	if (search->name != NULL && strcmp(search->name, registered->id) != 0 &&
	    strcmp(search->name, registered->user) != 0)
		return 0;
	struct cli_session *grown = reallocarray(sessions->list, sessions->n + 1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	sessions->list = grown;
	/* Who lists all of them signals none, and a machine has more sessions than this process may have descriptors.
	 */
	int pidfd = search->name != NULL ? fcntl(registered->pidfd, F_DUPFD_CLOEXEC, 3) : -1;
	if (pidfd < 0 && search->name != NULL)
		return -errno;
	struct cli_session *session = &sessions->list[sessions->n++];
	*session = (struct cli_session){.registered = *registered};
	session->registered.pidfd = pidfd;
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)registered->init);
	if (stat(path, &st) == 0)
		session->pid_namespace = st.st_ino;
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct cloister_registered *a = &((const struct cli_session *)left)->registered;
	const struct cloister_registered *b = &((const struct cli_session *)right)->registered;
	int r = strcmp(a->user, b->user);

	if (r == 0)
		r = (a->since > b->since) - (a->since < b->since);
	return r != 0 ? r : strcmp(a->id, b->id);
}

int cli_sessions_find(const char *name, struct cli_sessions *sessions, struct cloister_error *err)
{
	struct search search = {.name = name, .sessions = sessions};

	*sessions = (struct cli_sessions){0};
	int r = cloister_registry_each(NULL, keep, &search, err);
	if (r < 0)
		return err->code != 0 ? r : cloister_fail(err, -r, "registry", NULL, "cannot keep all sessions");
	if (sessions->n > 0)
		qsort(sessions->list, sessions->n, sizeof(*sessions->list), compare);
	return 0;
}

void cli_sessions_clear(struct cli_sessions *sessions)
{
	for (size_t i = 0; i < sessions->n; i++) {
		if (sessions->list[i].registered.pidfd >= 0)
			close(sessions->list[i].registered.pidfd);
		free(sessions->list[i].logins);
	}
	free(sessions->list);
	*sessions = (struct cli_sessions){0};
}

static int keep_login(const struct cloister_login *login, void *data)
{
	struct cli_session *session = data;
	struct cloister_login *grown = reallocarray(session->logins, session->n_logins + 1, sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	session->logins = grown;
	session->logins[session->n_logins++] = *login;
	return 0;
}

int cli_sessions_add_logins(struct cli_sessions *sessions, struct cloister_error *err)
{
	for (size_t i = 0; i < sessions->n; i++) {
		struct cli_session *session = &sessions->list[i];
		int r = cloister_registry_each_login(session->registered.id, keep_login, session, err);

		if (r < 0)
			return r == -ENOMEM ? cloister_fail(err, ENOMEM, "registry", NULL, "no memory") : r;
	}
	return 0;
}
