/* SPDX-License-Identifier: MIT */
/*
 * cloister ls --prometheus: the text format 0.0.4, for node_exporter's textfile collector. A series for each session
 * would be a new one at each login, so there are sums: of all, and of each user who has a session.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/cleanup.h"
#include "cloister/printable.h"
#include "sessions.h"

enum value { SESSIONS, LOGINS, PROCESSES, MEMORY, CPU, OLDEST, VALUES };

struct sums {
	const char *user; /* NULL: all of them */
	double values[VALUES];
};

/* Gauges, all of them: what a session has used goes with it. */
static const struct {
	const char *name, *help;
} metrics[VALUES] = {
	{"sessions", "Sessions that are there."},
	{"logins", "Logins that are in them."},
	{"processes", "Processes in them, without their init."},
	{"memory_bytes", "Memory of these processes, the sum of their proportional shares (Pss)."},
	{"cpu_seconds", "CPU time of these processes and of those that they have waited for."},
	{"oldest_session_start_timestamp_seconds", "When the oldest session began."},
};

static void add(const struct cli_session *session, struct sums *sums)
{
	double since = (double)session->registered.since;

	sums->values[SESSIONS] += 1;
	sums->values[LOGINS] += (double)session->n_logins;
	/* Of one that has just ended nothing is known any more. */
	if (session->use.known) {
		sums->values[PROCESSES] += (double)session->use.processes;
		sums->values[MEMORY] += (double)session->use.memory;
		sums->values[CPU] += session->use.cpu;
	}
	if (sums->values[OLDEST] <= 0 || since < sums->values[OLDEST])
		sums->values[OLDEST] = since;
}

/* No name of a user may end the value or the line, or be what the reader refuses the whole file for (no UTF-8). */
static void print_label(const char *text)
{
	while (*text != '\0') {
		uint32_t code;
		size_t length = cloister_utf8_decode(text, &code);

		if (length > 0 && cloister_is_printable(code)) {
			printf("%s%.*s", code == '"' || code == '\\' ? "\\" : "", (int)length, text);
			text += length;
			continue;
		}
		for (size_t i = 0; i < (length > 0 ? length : 1); i++, text++)
			printf("\\\\x%02x", (unsigned char)*text);
	}
}

static void print_head(const char *prefix, enum value value, const char *of)
{
	const char *name = metrics[value].name, *help = metrics[value].help;

	printf("# HELP cloister_%s%s %.*s%s.\n# TYPE cloister_%s%s gauge\n", prefix, name, (int)strlen(help) - 1, help,
	       of, prefix, name);
}

static void print_metrics(const struct sums *all, const struct sums *users, size_t n)
{
	puts("# HELP cloister_build_info The version of Cloister that wrote this.\n"
	     "# TYPE cloister_build_info gauge\n"
	     "cloister_build_info{version=\"" CLOISTER_VERSION "\"} 1\n"
	     "# HELP cloister_users Users who have a session.\n"
	     "# TYPE cloister_users gauge");
	printf("cloister_users %zu\n", n);
	for (enum value value = 0; value < OLDEST; value++) {
		print_head("", value, "");
		printf("cloister_%s %.15g\n", metrics[value].name, all->values[value]);
	}
	for (enum value value = 0; n > 0 && value < VALUES; value++) {
		print_head("user_", value, ", by user");
		for (size_t i = 0; i < n; i++) {
			printf("cloister_user_%s{user=\"", metrics[value].name);
			print_label(users[i].user);
			printf("\"} %.15g\n", users[i].values[value]);
		}
	}
}

int cli_print_prometheus(const struct cli_sessions *sessions, struct cloister_error *err)
{
	struct sums all = {0}, _cleanup_free_ *users = calloc(sessions->n + 1, sizeof(*users));
	size_t n = 0;

	if (users == NULL)
		return cloister_fail(err, ENOMEM, "ls", NULL, "no memory");
	/* They are in the order of their users. */
	for (size_t i = 0; i < sessions->n; i++) {
		const struct cli_session *session = &sessions->list[i];

		if (n == 0 || strcmp(users[n - 1].user, session->registered.user) != 0)
			users[n++].user = session->registered.user;
		add(session, &users[n - 1]);
		add(session, &all);
	}
	print_metrics(&all, users, n);
	return 0;
}
