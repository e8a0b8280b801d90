/* SPDX-License-Identifier: MIT */
/*
 * One static binary, four lives: the helper of pasta and the relay, when it was started under that name; init, when it
 * is PID 1 of a namespace, by the kernel's word; or what stands at the path of the user's login shell inside a session.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/launcher.h"
#include "cloister/pasta.h"
#include "cloister/relay.h"
#include "init.h"

static int relay_main(char **argv)
{
	struct cloister_error err = {0};
	int input = argv[1] != NULL && strcmp(argv[1], "1") == 0 ? 0 : -1;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return 1;
	return cloister_relay_run(input, 1, 4, 3, &err) < 0 ? 1 : 0;
}

static int launcher_main(char **argv)
{
	struct cloister_error err = {0};
	struct cloister_inside inside;
	char line[2048];

	if (!cloister_launcher_inside(&inside)) {
		fprintf(stderr, "cloister: not inside a session: refused\n");
		return 125;
	}
	/* As the login shell; on the path of another one it also stands for what scripts name as their interpreter. */
	const char *slash = argv[0] != NULL ? strrchr(argv[0], '/') : NULL;
	const char *name = slash != NULL ? slash + 1 : argv[0];
	if (name != NULL && strcmp(name + (*name == '-'), "cloister-sh") == 0)
		cloister_launcher_clean_environment(environ);
	cloister_launcher_exec(&inside, argv, environ, &err);
	if (strcmp(err.step, CLOISTER_REFUSED) == 0) {
		fprintf(stderr, "%s\n", err.text);
		return 125;
	}
	fprintf(stderr, "cloister: %s\n", cloister_error_line(&err, line, sizeof(line)));
	return 127;
}

int main(int argc, char **argv)
{
	(void)argc;
	/* Is PID 1 as well, of a namespace in which pasta is its only child. */
	if (argv[0] != NULL && strcmp(argv[0], CLOISTER_PASTA_HELPER) == 0)
		return cloister_pasta_main(argv);
	if (getpid() == 1)
		return cloister_init_main();
	if (argv[0] != NULL && strcmp(argv[0], "cloister-relay") == 0)
		return relay_main(argv);
	return launcher_main(argv);
}
