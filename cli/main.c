/* SPDX-License-Identifier: MIT */
/* cloister(8). */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const struct {
	const char *name;
	int (*function)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{"run", cli_run, "start a session by hand and run a command in it"},
	{"plan", cli_plan, "show what a session of a user would do, without doing it"},
	{"ls", cli_ls, "list the sessions that are there"},
	{"enter", cli_enter, "run a command in a session that is there"},
	{"kill", cli_kill, "end a session, and all that runs in it"},
	{"check", cli_check, "say what would fail: configuration, rootfs, PAM stack, sshd_config"},
	{"doctor", cli_doctor, "say what this machine lacks, and what is weaker on it"},
	{"diff", cli_diff, "list what a user has changed in an overlay"},
	{"reset", cli_reset, "drop what a user has changed in an overlay"},
	{"image", cli_image, "import, list and remove root file systems"},
};

static void show_help(FILE *out)
{
	fputs("usage: cloister VERB [ARGUMENT...]\n       cloister [VERB] --help\n       cloister --version\n\n", out);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].help);
	fputs("\n`cloister VERB --help` tells more. See cloister(8).\n", out);
}

int main(int argc, char **argv)
{
	/* Whoever ignores it passes that on, and then no child is waited for (wait(2)). */
	signal(SIGCHLD, SIG_DFL);
	if (argc < 2) {
		show_help(stderr);
		return CLI_FAILED;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		show_help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("cloister " CLOISTER_VERSION);
		return 0;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].function(argc - 1, argv + 1);
	}
	fprintf(stderr, "cloister: unknown verb %s\n", argv[1]);
	show_help(stderr);
	return CLI_FAILED;
}
