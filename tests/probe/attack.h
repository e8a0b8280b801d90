/* SPDX-License-Identifier: MIT */
/*
 * What the programs of attacks have in common: a table of small attacks, each run in a child of its own.
 * usage: PROGRAM NAME[=ARGUMENT]...   prints "NAME: worked" or "NAME: refused ERRNO" for each.
 */
#ifndef ATTACK_H
#define ATTACK_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct attack {
	const char *name;
	/* argument: what stood behind "=", or "". 0: it worked; else the errno that refused it. */
	int (*run)(const char *argument);
};

/* What a wall answers. Any other errno shows that the kernel went past the wall and looked at the arguments. */
static inline int refusal(long result)
{
	if (result >= 0)
		return 0;
	switch (errno) {
	case EPERM:
	case EACCES:
	case ENOSYS:
	case EAFNOSUPPORT:
		return errno;
	default:
		return 0;
	}
}

/* For what must really succeed. */
static inline int success(long result)
{
	return result < 0 ? errno : 0;
}

static inline void attack_one(const struct attack *attack, const char *name, const char *argument)
{
	int channel[2], status = 0, result = 0;

	if (pipe(channel) < 0)
		exit(2);
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0) {
		printf("%s: no fork\n", name);
		return;
	}
	if (pid == 0) {
		alarm(10);
		result = attack->run(argument);
		_exit(write(channel[1], &result, sizeof(result)) == sizeof(result) ? 0 : 1);
	}
	close(channel[1]);
	ssize_t n = read(channel[0], &result, sizeof(result));
	close(channel[0]);
	waitpid(pid, &status, 0);
	if (n != sizeof(result))
		printf("%s: refused SIG%s\n", name, WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : "?");
	else if (result == 0)
		printf("%s: worked\n", name);
	else
		printf("%s: refused %s\n", name, strerrorname_np(result));
}

static inline int attack_main(const struct attack *attacks, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		size_t length = strcspn(argv[i], "=");
		const char *argument = argv[i] + length + (argv[i][length] == '=');
		bool found = false;

		for (const struct attack *attack = attacks; attack->name != NULL; attack++) {
			if (strlen(attack->name) != length || strncmp(attack->name, argv[i], length) != 0)
				continue;
			found = true;
			attack_one(attack, argv[i], argument);
		}
		if (!found)
			printf("%s: no such attack\n", argv[i]);
	}
	return 0;
}

#endif
