/* SPDX-License-Identifier: MIT */
/* The live sessions as the verbs ls, enter and kill see them. */
#ifndef CLOISTER_CLI_SESSIONS_H
#define CLOISTER_CLI_SESSIONS_H

#include "cloister/registry.h"

#define CLI_TTYS_MAX 64

/* What a session uses; known is false where the caller may not look into it. */
struct cli_use {
	bool known;
	uint64_t processes;       /* without init */
	uint64_t memory;          /* bytes: the sum of the processes' proportional share (proc_pid_smaps(5), Pss) */
	double cpu;               /* seconds, of the processes and of those that they have waited for */
	dev_t ttys[CLI_TTYS_MAX]; /* controlling terminals, each once */
	size_t n_ttys;
};

struct cli_session {
	struct cloister_registered registered;
	uint64_t pid_namespace; /* 0: unknown */
	struct cloister_login *logins;
	size_t n_logins;
	struct cli_use use;
};

struct cli_sessions {
	struct cli_session *list;
	size_t n;
};

/*
 * Finds the live sessions: all of them to root, to others their own. name: an id, or a user's name; NULL: any. Ordered
 * by user and time. cli_sessions_clear frees what was found. Returns 0 or -errno.
 */
int cli_sessions_find(const char *name, struct cli_sessions *sessions, struct cloister_error *err);
void cli_sessions_clear(struct cli_sessions *sessions);

/* Adds the logins of each. */
int cli_sessions_add_logins(struct cli_sessions *sessions, struct cloister_error *err);
/* Adds what each uses, by one walk through /proc. */
void cli_sessions_measure(struct cli_sessions *sessions);

/* Prints them as metrics of Prometheus, measured and with their logins. Returns 0 or -errno. */
int cli_print_prometheus(const struct cli_sessions *sessions, struct cloister_error *err);

/* The number of processes, init included, in a pid namespace. */
size_t cli_processes_in(uint64_t pid_namespace);

#endif
