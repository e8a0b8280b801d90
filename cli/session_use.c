/* SPDX-License-Identifier: MIT */
/* What sessions use: the processes of their pid namespaces, found in /proc. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/number.h"
#include "sessions.h"

/* Calls visit for each process with the inode of its pid namespace. What may not be looked into is passed over. */
static void each_process(void (*visit)(pid_t pid, uint64_t pid_namespace, void *data), void *data)
{
	DIR *proc = opendir("/proc");

	if (proc == NULL)
		return;
	for (const struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		uint64_t pid;
		char path[40];
		struct stat st;

		if (cloister_number_parse(entry->d_name, strlen(entry->d_name), &pid) < 0 || pid > INT32_MAX)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
		if (stat(path, &st) == 0)
			visit((pid_t)pid, st.st_ino, data);
	}
	closedir(proc);
}

static ssize_t read_file(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	int _cleanup_close_ fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

static void add_tty(struct cli_use *use, dev_t tty)
{
	for (size_t i = 0; i < use->n_ttys; i++) {
		if (use->ttys[i] == tty)
			return;
	}
	if (tty != 0 && use->n_ttys < CLI_TTYS_MAX)
		use->ttys[use->n_ttys++] = tty;
}

/* A field of a line of words, counted from 0; 0 when it is no number, or negative. */
static uint64_t field(const char *line, unsigned number)
{
	uint64_t value = 0;

	for (line += strspn(line, " "); number > 0 && *line != '\0'; number--) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	return cloister_number_parse(line, strcspn(line, " \n"), &value) == 0 ? value : 0;
}

/* Fields 7 (tty_nr) and 14 to 17 (times) of proc_pid_stat(5). The name in field 2 may hold anything. */
static void add_stat(pid_t pid, struct cli_use *use)
{
	char text[1024];

	if (read_file(pid, "stat", text, sizeof(text)) <= 0)
		return;
	const char *at = strrchr(text, ')');
	if (at == NULL)
		return;
	for (unsigned i = 14; i <= 17; i++)
		use->cpu += (double)field(at + 1, i - 3) / (double)sysconf(_SC_CLK_TCK);
	/* The kernel's new encoding of a device number, as makedev(3) has it. */
	unsigned tty = (unsigned)field(at + 1, 7 - 3);
	add_tty(use, makedev((tty >> 8) & 0xfff, (tty & 0xff) | ((tty >> 12) & 0xfff00)));
}

static void add_memory(pid_t pid, struct cli_use *use)
{
	char text[4096];

	if (read_file(pid, "smaps_rollup", text, sizeof(text)) > 0) {
		const char *line = strstr(text, "\nPss:");

		if (line != NULL)
			use->memory += strtoull(line + 5, NULL, 10) * 1024;
	} else if (read_file(pid, "statm", text, sizeof(text)) > 0) {
		use->memory += field(text, 1) * (uint64_t)sysconf(_SC_PAGESIZE);
	}
}

static void measure(pid_t pid, uint64_t pid_namespace, void *data)
{
	struct cli_sessions *sessions = data;

	for (size_t i = 0; i < sessions->n; i++) {
		struct cli_session *session = &sessions->list[i];

		if (session->pid_namespace != pid_namespace || pid_namespace == 0)
			continue;
		add_stat(pid, &session->use);
		add_memory(pid, &session->use);
		if (pid != session->registered.init)
			session->use.processes++;
	}
}

void cli_sessions_measure(struct cli_sessions *sessions)
{
	for (size_t i = 0; i < sessions->n; i++)
		sessions->list[i].use.known = sessions->list[i].pid_namespace != 0;
	each_process(measure, sessions);
}

struct count {
	uint64_t pid_namespace;
	size_t n;
};

static void count(pid_t pid, uint64_t pid_namespace, void *data)
{
	struct count *count = data;

	(void)pid;
	count->n += pid_namespace == count->pid_namespace;
}

size_t cli_processes_in(uint64_t pid_namespace)
{
	struct count found = {.pid_namespace = pid_namespace};

	each_process(count, &found);
	return found.n;
}
