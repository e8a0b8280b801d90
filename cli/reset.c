/* SPDX-License-Identifier: MIT */
/* cloister reset USER: drops what the user has changed in an overlay. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "cloister/cleanup.h"
#include "cloister/overlay.h"

static const char usage[] =
	"usage: cloister reset [--force] [--quiet] [--json] [--rootfs ROOTFS] [--set KEY=VALUE]... [--config FILE] "
	"USER\n"
	"Drops what USER has changed in an overlay: the next login begins with the plain rootfs. Needs root.\n"
	"  --force  ends the sessions that use it; without it they are a reason to refuse\n"
	"  --quiet  says nothing but errors\n"
	"Exit status: 0, or 125 when Cloister itself failed.\n";

#define BAR_WIDTH    40
#define BAR_INTERVAL 100000000L /* nanoseconds between two drawings */

struct bar {
	struct timespec drawn;
};

static void draw_bar(void *data, uint64_t removed, uint64_t total)
{
	struct bar *bar = data;
	struct timespec now;
	char line[BAR_WIDTH + 1];

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (removed < total && now.tv_sec == bar->drawn.tv_sec && now.tv_nsec - bar->drawn.tv_nsec < BAR_INTERVAL)
		return;
	bar->drawn = now;
	size_t filled = total == 0 ? BAR_WIDTH : (size_t)(removed * BAR_WIDTH / total);
	memset(line, ' ', BAR_WIDTH);
	memset(line, '#', filled);
	line[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r[%s] %3u%% %" PRIu64 "/%" PRIu64, line,
	        total == 0 ? 100U : (unsigned)(removed * 100 / total), removed, total);
	fflush(stderr);
}

static void print_result(const struct cli_subject *subject, const struct cloister_overlay_reset *reset, bool json)
{
	if (!json) {
		if (reset->sessions_ended > 0)
			printf("%u session%s ended\n", reset->sessions_ended, reset->sessions_ended == 1 ? "" : "s");
		if (reset->dropped)
			printf("dropped what %s had changed in %s\n", subject->plan->user, subject->plan->rootfs);
		else
			printf("%s has changed nothing in %s\n", subject->plan->user, subject->plan->rootfs);
		return;
	}
	json_object *object = json_object_new_object();
	json_object_object_add(object, "user", json_object_new_string(subject->plan->user));
	json_object_object_add(object, "rootfs", json_object_new_string(subject->plan->rootfs));
	json_object_object_add(object, "state", json_object_new_string(subject->plan->state));
	json_object_object_add(object, "dropped", json_object_new_boolean(reset->dropped));
	json_object_object_add(object, "sessions_ended", json_object_new_uint64(reset->sessions_ended));
	json_object_object_add(object, "removed", json_object_new_uint64(reset->removed));
	json_object_object_add(object, "failed", json_object_new_uint64(reset->failed));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

int cli_reset(int argc, char **argv)
{
	struct cli_subject subject = {0};
	struct cli_options options;
	struct bar bar = {0};
	struct cloister_overlay_reset reset = {.data = &bar};
	struct cloister_error err = {0};

	int first = cli_options_parse(argc, argv, usage, true, &options);
	if (first < 0)
		return CLI_FAILED;
	reset.force = options.force;
	int r = cli_overlay_subject("reset", &options, argv + first, &subject, &err);
	if (r == 0) {
		bool on_terminal = !options.quiet && isatty(STDERR_FILENO);

		reset.progress = on_terminal ? draw_bar : NULL;
		r = cloister_overlay_reset(subject.plan, &reset, &err);
		if (on_terminal && bar.drawn.tv_sec != 0)
			fputc('\n', stderr);
		/* What was done is said even where something is left. */
		if (!options.quiet && (r == 0 || reset.dropped || reset.sessions_ended > 0))
			print_result(&subject, &reset, options.json);
	}
	cli_subject_clear(&subject);
	free(options.settings);
	return r < 0 ? cli_fail(&err) : 0;
}
