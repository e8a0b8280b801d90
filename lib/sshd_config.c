/* SPDX-License-Identifier: MIT */
/* sshd -T, and a look at its files. */
#include "cloister/sshd_config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "sshd_text.h"

#define SSHD      "/usr/sbin/sshd"
#define DIRECTORY "/etc/ssh/sshd_config.d"

static bool file_mentions(const char *path, const char *keyword)
{
	FILE _cleanup_fclose_ *file = fopen(path, "re");

	return file != NULL && cloister_sshd_text_mentions(file, keyword);
}

bool cloister_sshd_mentions(const char *keyword)
{
	bool found = file_mentions("/etc/ssh/sshd_config", keyword);
	DIR *directory = found ? NULL : opendir(DIRECTORY);

	if (directory == NULL)
		return found;
	for (struct dirent *entry = readdir(directory); entry != NULL && !found; entry = readdir(directory)) {
		char path[sizeof(DIRECTORY) + sizeof(entry->d_name) + 1];

		snprintf(path, sizeof(path), "%s/%s", DIRECTORY, entry->d_name);
		found = file_mentions(path, keyword);
	}
	closedir(directory);
	return found;
}

static int start_sshd(const char *connection, pid_t *pid, int *output)
{
	static char sshd[] = SSHD, test[] = "-T", for_connection[] = "-C";
	char *const argv[] = {sshd, test, for_connection, (char *)(uintptr_t)connection, NULL};
	char *const environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	int r = posix_spawn_file_actions_init(&actions);
	if (r == 0) {
		r = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
		if (r == 0)
			r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
		if (r == 0)
			r = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
		if (r == 0)
			r = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
		if (r == 0)
			r = posix_spawn(pid, SSHD, &actions, NULL, argv, environment);
		posix_spawn_file_actions_destroy(&actions);
	}
	close(ends[1]);
	if (r != 0) {
		close(ends[0]);
		return -r;
	}
	*output = ends[0];
	return 0;
}

int cloister_sshd_value(const char *user, const char *address, const char *keyword, char *value, size_t size)
{
	char connection[512];
	int output = -1, r = -ENOENT;
	pid_t pid = -1;

	if (address == NULL || *address == '\0')
		address = "127.0.0.1";
	/* Commas part the specification. */
	if (strchr(user, ',') != NULL || strchr(address, ',') != NULL)
		return -EINVAL;
	int n = snprintf(connection, sizeof(connection), "user=%s,host=%s,addr=%s", user, address, address);
	if (n < 0 || (size_t)n >= sizeof(connection))
		return -ENAMETOOLONG;
	int started = start_sshd(connection, &pid, &output);
	if (started < 0)
		return started;
	FILE _cleanup_fclose_ *file = fdopen(output, "r");
	if (file == NULL)
		close(output);
	else
		r = cloister_sshd_text_value(file, keyword, value, size);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
