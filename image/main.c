/* SPDX-License-Identifier: MIT */
/* cloister-image, which is what `cloister image` runs: import, ls, rm. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/error.h"
#include "cloister/number.h"
#include "import.h"
#include "list.h"
#include "names.h"
#include "store.h"

static const char usage[] =
	"usage: cloister image import [--replace] [--ref TAG] [--max-size BYTES] [--max-files N] [--quiet] SOURCE "
	"NAME\n"
	"       cloister image ls [--json]\n"
	"       cloister image rm NAME\n"
	"SOURCE is a tarball (plain, gzip, xz, zstd, bzip2), an archive of `docker save`, an OCI layout (a directory "
	"or a\n"
	"tar of one), or - for a tarball on standard input. The line for cloister.conf is printed at the end.\n"
	"Exit status: 0, or 125 when Cloister itself failed.\n";

/* As of every verb of cloister(8). */
#define FAILED 125

enum option_letter { OPTION_REPLACE = 256, OPTION_REF, OPTION_MAX_SIZE, OPTION_MAX_FILES, OPTION_QUIET, OPTION_JSON };

struct image_options {
	struct image_import_options import;
	bool json;
};

static int usage_error(const char *text)
{
	fprintf(stderr, "cloister: image: %s\n%s", text, usage);
	return -1;
}

static int parse_number(const char *text, uint64_t *number)
{
	return cloister_number_parse(text, strlen(text), number) < 0 || *number == 0
	               ? usage_error("a limit is a number, in bytes or files, above 0")
	               : 0;
}

static const struct option import_options[] = {{"replace", no_argument, NULL, OPTION_REPLACE},
                                               {"ref", required_argument, NULL, OPTION_REF},
                                               {"max-size", required_argument, NULL, OPTION_MAX_SIZE},
                                               {"max-files", required_argument, NULL, OPTION_MAX_FILES},
                                               {"quiet", no_argument, NULL, OPTION_QUIET},
                                               {"help", no_argument, NULL, 'h'},
                                               {NULL, 0, NULL, 0}};
static const struct option ls_options[] = {{"json", no_argument, NULL, OPTION_JSON},
                                           {"help", no_argument, NULL, 'h'},
                                           {NULL, 0, NULL, 0}};
static const struct option no_options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

/* The index of the first other argument, or -1 after saying what is wrong. */
static int parse(int argc, char **argv, const struct option *names, struct image_options *options)
{
	int option, r = 0;

	*options = (struct image_options){
		.import = {.max_bytes = IMAGE_MAX_BYTES_DEFAULT, .max_entries = IMAGE_MAX_ENTRIES_DEFAULT}};
	while (r == 0 && (option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		switch (option) {
		case OPTION_REPLACE:
			options->import.replace = true;
			break;
		case OPTION_REF:
			options->import.reference = optarg;
			break;
		case OPTION_MAX_SIZE:
			r = parse_number(optarg, &options->import.max_bytes);
			break;
		case OPTION_MAX_FILES:
			r = parse_number(optarg, &options->import.max_entries);
			break;
		case OPTION_QUIET:
			options->import.quiet = true;
			break;
		case OPTION_JSON:
			options->json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			return -1;
		}
	}
	return r < 0 ? r : optind;
}

static int check_name(const char *name, struct cloister_error *err)
{
	return image_name_is_valid(name) ? 0
	                                 : cloister_fail(err, EINVAL, "images", name,
	                                                 "a name is a letter or digit, then letters, digits, \".\", "
	                                                 "\"_\" and \"-\", at most %d in all",
	                                                 IMAGE_NAME_MAX);
}

static int verb_import(char **arguments, struct image_options *options, struct cloister_error *err)
{
	options->import.source = arguments[0];
	options->import.name = arguments[1];
	int r = check_name(arguments[1], err);
	return r < 0 ? r : image_import(&options->import, err);
}

static int verb_ls(char **arguments, struct image_options *options, struct cloister_error *err)
{
	(void)arguments;
	return image_list(options->json, err);
}

static int verb_rm(char **arguments, struct image_options *options, struct cloister_error *err)
{
	struct image_store store;

	(void)options;
	int r = check_name(arguments[0], err);
	if (r == 0)
		r = image_store_open(&store, false, err);
	if (r < 0)
		return r;
	r = image_store_lock(&store, err);
	if (r == 0)
		r = image_store_remove(&store, arguments[0], err);
	image_store_close(&store);
	return r;
}

static const struct verb {
	const char *name;
	const struct option *options;
	int arguments;
	int (*function)(char **arguments, struct image_options *options, struct cloister_error *err);
} verbs[] = {{"import", import_options, 2, verb_import},
             {"ls", ls_options, 0, verb_ls},
             {"rm", no_options, 1, verb_rm}};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; name != NULL && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(name, verbs[i].name) == 0)
			return &verbs[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct verb *verb = find_verb(argv[1]);
	struct image_options options;
	struct cloister_error err = {0};
	char line[2048];

	int first = parse(argc, argv, verb != NULL ? verb->options : no_options, &options);
	if (first < 0)
		return FAILED;
	if (verb == NULL || argc - first - 1 != verb->arguments) {
		usage_error(first < argc ? "not understood" : "import, ls or rm?");
		return FAILED;
	}
	int r = verb->function(argv + first + 1, &options, &err);
	if (r >= 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = cloister_fail(&err, EIO, "image", NULL, "cannot print");
	if (r >= 0)
		return 0;
	fprintf(stderr, "cloister: %s\n", cloister_error_line(&err, line, sizeof(line)));
	return FAILED;
}
