/* SPDX-License-Identifier: MIT */
/* The part of cloister check that is about what a user has in an overlay. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cloister/cleanup.h"
#include "cloister/overlay.h"
#include "cloister/source.h"

#define SHOWN 5

static int print_error(const struct cloister_error *err)
{
	char line[2048];

	printf("error: %s\n", cloister_error_line(err, line, sizeof(line)));
	return 1;
}

/* The state directory, or what there is of the way to it: it will be on the same file system. */
static int open_nearest(const char *state, struct cloister_error *err)
{
	char _cleanup_free_ *path = strdup(state);

	if (path == NULL)
		return cloister_fail(err, ENOMEM, "state", state, "no memory");
	for (;;) {
		int fd = cloister_state_find(path, err);
		char *slash = strrchr(path, '/');

		if (fd != -ENOENT || slash == NULL || slash == path)
			return fd;
		*slash = '\0';
	}
}

static void print_hidden(const struct cloister_plan *plan, const struct cloister_overlay_changes *changes)
{
	size_t n = 0;

	for (size_t i = 0; i < changes->n; i++)
		n += changes->items[i].hides_newer;
	if (n == 0)
		return;
	printf("warning: %zu file%s of %s's overlay hide%s a newer one of %s:\n", n, n == 1 ? "" : "s", plan->user,
	       n == 1 ? "s" : "", plan->rootfs);
	size_t shown = 0;
	for (size_t i = 0; i < changes->n && shown < SHOWN; i++) {
		if (!changes->items[i].hides_newer)
			continue;
		fputs("        ", stdout);
		cli_print_change(&changes->items[i]);
		shown++;
	}
	if (n > shown)
		printf("        and %zu more\n", n - shown);
	printf("      `cloister diff %s` lists all that was changed, `cloister reset %s` drops it\n", plan->user,
	       plan->user);
}

int cli_check_overlay(const struct cloister_plan *plan)
{
	struct cloister_overlay_changes changes;
	struct cloister_error err = {0};

	if (geteuid() != 0 || *plan->state == '\0')
		return 0;
	int _cleanup_close_ nearest = open_nearest(plan->state, &err);
	if (nearest < 0)
		return print_error(&err);
	if (cloister_overlay_check_place(plan, nearest, &err) < 0)
		return print_error(&err);
	if (cloister_overlay_changes_find(plan, &changes, &err) < 0)
		return print_error(&err);
	print_hidden(plan, &changes);
	cloister_overlay_changes_free(&changes);
	return 0;
}
