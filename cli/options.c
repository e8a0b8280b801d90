/* SPDX-License-Identifier: MIT */
/* The options of the verbs. */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define HELP_WIDTH 78

static const struct option names[] = {{"config", required_argument, NULL, 'c'}, {"user", required_argument, NULL, 'u'},
                                      {"rootfs", required_argument, NULL, 'r'}, {"set", required_argument, NULL, 's'},
                                      {"json", no_argument, NULL, 'j'},         {"prometheus", no_argument, NULL, 'p'},
                                      {"force", no_argument, NULL, 'f'},        {"quiet", no_argument, NULL, 'q'},
                                      {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};

static bool usage_names(const char *usage, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = usage; (at = strstr(at, "--")) != NULL;) {
		at += 2;
		if (strncmp(at, name, length) == 0 && at[length] != '-' && !isalnum((unsigned char)at[length]))
			return true;
	}
	return false;
}

static void print_help(const char *usage)
{
	int column = HELP_WIDTH;

	fputs(usage, stdout);
	if (!usage_names(usage, "set"))
		return;
	fputs("KEY, each with its values in cloister.conf(5):", stdout);
	for (const struct cloister_key *known = cloister_keys; known->key != NULL; known++) {
		bool fits = column + 1 + (int)strlen(known->key) <= HELP_WIDTH;

		column = fits ? column + printf(" %s", known->key) : printf("\n  %s", known->key) - 1;
	}
	putchar('\n');
}

static void set_option(struct cli_options *options, int option)
{
	switch (option) {
	case 'c':
		options->configuration = optarg;
		break;
	case 'u':
		options->user = optarg;
		break;
	case 'r':
		options->rootfs = optarg;
		break;
	case 's':
		options->settings[options->n_settings++] = optarg;
		break;
	case 'j':
		options->json = true;
		break;
	case 'p':
		options->prometheus = true;
		break;
	case 'f':
		options->force = true;
		break;
	default:
		options->quiet = true;
		break;
	}
}

int cli_options_parse(int argc, char **argv, const char *usage, bool anywhere, struct cli_options *options)
{
	int option, at = 0;

	*options = (struct cli_options){.configuration = getenv("CLOISTER_CONF")};
	options->settings = calloc((size_t)argc + 1, sizeof(char *));
	if (options->settings == NULL)
		return -1;
	while ((option = getopt_long(argc, argv, anywhere ? "" : "+", names, &at)) != -1) {
		if (option == 'h') {
			print_help(usage);
			exit(0);
		}
		if (option == '?' || !usage_names(usage, names[at].name)) {
			if (option != '?')
				fprintf(stderr, "%s: unrecognized option '--%s'\n", argv[0], names[at].name);
			fputs(usage, stderr);
			return -1;
		}
		set_option(options, option);
	}
	return optind;
}
