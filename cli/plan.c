/* SPDX-License-Identifier: MIT */
/* cloister plan USER: what a session of this user would be, without making one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "cloister/cleanup.h"

static const char usage[] =
	"usage: cloister plan [--json] [--rootfs DIRECTORY] [--set KEY=VALUE]... [--config FILE] USER\n"
	"Prints, in order, everything that a session of USER would do. Changes nothing.\n";

static int print_plan(const struct cli_subject *subject, bool json)
{
	char _cleanup_free_ *text = json ? cloister_plan_json(subject->plan) : cloister_plan_text(subject->plan);

	if (text == NULL)
		return -ENOMEM;
	if (!subject->policy->isolate)
		fprintf(stderr, "cloister: note: %s is not isolated (isolate = no); this is what a session would be\n",
		        subject->account->name);
	fputs(text, stdout);
	if (json)
		putchar('\n');
	return fflush(stdout) == 0 ? 0 : -EIO;
}

int cli_plan(int argc, char **argv)
{
	struct cli_subject subject = {0};
	struct cli_options options;
	struct cloister_error err = {0};

	int first = cli_options_parse(argc, argv, usage, true, &options);
	if (first < 0)
		return CLI_FAILED;
	if (argv[first] != NULL)
		options.user = argv[first];
	int r = options.user == NULL ? cloister_fail(&err, EINVAL, "plan", NULL, "name a user") : 0;
	if (r == 0)
		r = cli_subject_find(&options, &subject, &err);
	if (r == 0)
		r = cli_subject_plan(&subject, true, &err);
	if (r == 0 && print_plan(&subject, options.json) < 0)
		r = cloister_fail(&err, EIO, "plan", NULL, "cannot print");
	cli_subject_clear(&subject);
	free(options.settings);
	return r < 0 ? cli_fail(&err) : 0;
}
