/* SPDX-License-Identifier: MIT */
/* cloister image: a program of its own, for the sake of the libraries that it needs. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"

int cli_image(int argc, char **argv)
{
	char path[PATH_MAX];
	struct cloister_error err = {0};

	(void)argc;
	int r = cli_program_path("cloister-image", path, sizeof(path));
	if (r < 0) {
		cloister_fail(&err, -r, "image", "cloister-image", "cannot find");
		return cli_fail(&err);
	}
	execv(path, argv);
	cloister_fail(&err, errno, "image", path, "cannot start");
	return cli_fail(&err);
}
