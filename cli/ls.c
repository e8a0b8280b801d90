/* SPDX-License-Identifier: MIT */
/* cloister ls: the live sessions. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cli.h"
#include "cloister/cleanup.h"
#include "sessions.h"

static const char usage[] = "usage: cloister ls [--json | --prometheus]\n"
			    "Lists the sessions that are there: root sees all, others their own.\n"
			    "  --prometheus  as metrics for node_exporter's textfile collector; for root alone\n"
			    "Exit status: 0, or 125 when Cloister itself failed.\n";

#define PTY_MAJOR 136 /* and seven more: devices.txt of the kernel */
#define TTY_MAJOR 4

static void tty_name(dev_t tty, char *name, size_t size)
{
	if (major(tty) >= PTY_MAJOR && major(tty) < PTY_MAJOR + 8)
		snprintf(name, size, "pts/%u", (major(tty) - PTY_MAJOR) * 256 + minor(tty));
	else if (major(tty) == TTY_MAJOR && minor(tty) < 64)
		snprintf(name, size, "tty%u", minor(tty));
	else if (major(tty) == TTY_MAJOR)
		snprintf(name, size, "ttyS%u", minor(tty) - 64);
	else
		snprintf(name, size, "%u:%u", major(tty), minor(tty));
}

/* "a,b,c", each once; "-" for none. */
static void add_word(char *words, size_t size, const char *word)
{
	size_t used = strlen(words), length = strlen(word);

	for (const char *at = words; *word != '\0' && *at != '\0'; at += strcspn(at, ","), at += *at == ',') {
		if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
			return;
	}
	if (length > 0)
		snprintf(words + used, size - used, "%s%s", used > 0 ? "," : "", word);
}

static void size_text(uint64_t bytes, char *text, size_t size)
{
	if (bytes < UINT64_C(10) << 20)
		snprintf(text, size, "%" PRIu64 "K", bytes >> 10);
	else if (bytes < UINT64_C(10) << 30)
		snprintf(text, size, "%" PRIu64 "M", bytes >> 20);
	else
		snprintf(text, size, "%" PRIu64 "G", bytes >> 30);
}

/* For people, or as ISO 8601 has it. */
static void time_text(int64_t since, bool exact, char *text, size_t size)
{
	time_t when = (time_t)since;
	struct tm broken_down;

	*text = '\0';
	if (localtime_r(&when, &broken_down) == NULL)
		return;
	if (exact)
		strftime(text, size, "%FT%T%z", &broken_down);
	else
		strftime(text, size, "%F %H:%M", &broken_down);
}

static void print_session(const struct cli_session *session)
{
	const struct cloister_registered *registered = &session->registered;
	char ttys[256] = "", hosts[256] = "", since[32], memory[24] = "-", cpu[24] = "-", processes[24] = "-";

	for (size_t i = 0; i < session->use.n_ttys; i++) {
		char name[32];

		tty_name(session->use.ttys[i], name, sizeof(name));
		add_word(ttys, sizeof(ttys), name);
	}
	for (size_t i = 0; i < session->n_logins; i++)
		add_word(hosts, sizeof(hosts), session->logins[i].remote_host);
	time_text(registered->since, false, since, sizeof(since));
	if (session->use.known) {
		size_text(session->use.memory, memory, sizeof(memory));
		snprintf(cpu, sizeof(cpu), "%.1fs", session->use.cpu);
		snprintf(processes, sizeof(processes), "%" PRIu64, session->use.processes);
	}
	printf("%-12s %-24s %-16s %6zu %6s %7s %8s %-8s %-12s %-16s %s\n", registered->user, registered->id, since,
	       session->n_logins, processes, memory, cpu, registered->network, *ttys != '\0' ? ttys : "-",
	       *hosts != '\0' ? hosts : "-", registered->rootfs);
}

static json_object *json_login(const struct cloister_login *login)
{
	json_object *object = json_object_new_object();
	char since[40];
	bool is_text;

	time_text(login->since, true, since, sizeof(since));
	json_object_object_add(object, "pid", json_object_new_int(login->pid));
	json_object_object_add(object, "service", cli_json_text(login->service, &is_text));
	json_object_object_add(object, "tty", cli_json_text(login->tty, &is_text));
	json_object_object_add(object, "remote_host", cli_json_text(login->remote_host, &is_text));
	json_object_object_add(object, "since", json_object_new_string(since));
	return object;
}

static json_object *json_session(const struct cli_session *session)
{
	const struct cloister_registered *registered = &session->registered;
	json_object *object = json_object_new_object();
	json_object *ttys = json_object_new_array(), *logins = json_object_new_array();
	bool known = session->use.known, is_text;
	char since[40];

	time_text(registered->since, true, since, sizeof(since));
	for (size_t i = 0; i < session->use.n_ttys; i++) {
		char name[32];

		tty_name(session->use.ttys[i], name, sizeof(name));
		json_object_array_add(ttys, json_object_new_string(name));
	}
	for (size_t i = 0; i < session->n_logins; i++)
		json_object_array_add(logins, json_login(&session->logins[i]));
	json_object_object_add(object, "session", cli_json_text(registered->id, &is_text));
	json_object_object_add(object, "user", cli_json_text(registered->user, &is_text));
	json_object_object_add(object, "uid", json_object_new_uint64(registered->uid));
	json_object_object_add(object, "scope", json_object_new_string(registered->shared ? "user" : "session"));
	json_object_object_add(object, "since", json_object_new_string(since));
	json_object_object_add(object, "init", json_object_new_int(registered->init));
	json_object_object_add(object, "rootfs", cli_json_text(registered->rootfs, &is_text));
	json_object_object_add(object, "network", cli_json_text(registered->network, &is_text));
	json_object_object_add(object, "processes", known ? json_object_new_uint64(session->use.processes) : NULL);
	json_object_object_add(object, "memory", known ? json_object_new_uint64(session->use.memory) : NULL);
	json_object_object_add(object, "cpu_seconds", known ? json_object_new_double(session->use.cpu) : NULL);
	json_object_object_add(object, "ttys", ttys);
	json_object_object_add(object, "logins", logins);
	return object;
}

static void print_json(const struct cli_sessions *sessions)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < sessions->n; i++)
		json_object_array_add(array, json_session(&sessions->list[i]));
	puts(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY));
	json_object_put(array);
}

static void print_table(const struct cli_sessions *sessions)
{
	printf("%-12s %-24s %-16s %6s %6s %7s %8s %-8s %-12s %-16s %s\n", "USER", "SESSION", "SINCE", "LOGINS", "PROCS",
	       "MEMORY", "CPU", "NETWORK", "TTY", "FROM", "ROOTFS");
	for (size_t i = 0; i < sessions->n; i++)
		print_session(&sessions->list[i]);
}

static int print(struct cli_sessions *sessions, const struct cli_options *options, struct cloister_error *err)
{
	int r = 0;

	cli_sessions_measure(sessions);
	if (options->prometheus)
		r = cli_print_prometheus(sessions, err);
	else if (options->json)
		print_json(sessions);
	else
		print_table(sessions);
	if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = cloister_fail(err, EIO, "ls", NULL, "cannot print");
	return r;
}

int cli_ls(int argc, char **argv)
{
	struct cli_options options;
	struct cli_sessions sessions;
	struct cloister_error err = {0};

	int first = cli_options_parse(argc, argv, usage, true, &options);
	if (first < 0)
		return CLI_FAILED;
	free(options.settings);
	if (argv[first] != NULL || (options.json && options.prometheus)) {
		fputs(usage, stderr);
		return CLI_FAILED;
	}
	/* What a part of the sessions sums up to is no measure of the machine. */
	if (options.prometheus && geteuid() != 0) {
		cloister_fail(&err, EPERM, "ls", NULL, "--prometheus is for root alone");
		return cli_fail(&err);
	}
	int r = cli_sessions_find(NULL, &sessions, &err);
	if (r == 0)
		r = cli_sessions_add_logins(&sessions, &err);
	/* With no session too: entries of logins that nobody took away. */
	if (r == 0 && geteuid() == 0)
		r = cloister_registry_each_login(NULL, NULL, NULL, &err);
	if (r == 0)
		r = print(&sessions, &options, &err);
	cli_sessions_clear(&sessions);
	return r < 0 ? cli_fail(&err) : 0;
}
