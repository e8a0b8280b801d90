/* SPDX-License-Identifier: MIT */
/* The part of cloister check that is about what a user has in an overlay. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cloister/cleanup.h"
#include "cloister/image.h"
#include "cloister/mounts.h"
#include "cloister/overlay.h"
#include "cloister/source.h"
#include "findings.h"

#define SHOWN 5

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

static void add_path(const struct cloister_overlay_change *change, struct cli_findings *findings)
{
	char _cleanup_free_ *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return;
	cli_print_escaped(out, change->path);
	if (fclose(out) == 0)
		cli_find_detail(findings, "%c %s", (char)change->kind, text);
}

static void find_hidden(const struct cloister_plan *plan, const struct cloister_overlay_changes *changes,
                        struct cli_findings *findings)
{
	size_t n = 0, shown = 0;

	for (size_t i = 0; i < changes->n; i++)
		n += changes->items[i].hides_newer;
	if (n == 0)
		return;
	cli_find(findings, CLI_WARNING, "overlay", plan->state,
	         "%zu file%s of %s's overlay hide%s a newer one of %s:", n, n == 1 ? "" : "s", plan->user,
	         n == 1 ? "s" : "", plan->rootfs);
	for (size_t i = 0; i < changes->n && shown < SHOWN; i++) {
		if (!changes->items[i].hides_newer)
			continue;
		add_path(&changes->items[i], findings);
		shown++;
	}
	if (n > shown)
		cli_find_detail(findings, "and %zu more", n - shown);
	cli_find_advice(findings, "`cloister diff %s` lists all that was changed, `cloister reset %s` drops it",
	                plan->user, plan->user);
}

void cli_check_overlay(const struct cloister_plan *plan, struct cli_findings *findings)
{
	struct cloister_overlay_changes changes = {0};
	struct cloister_error err = {0};

	if (geteuid() != 0 || *plan->state == '\0')
		return;
	int _cleanup_close_ nearest = open_nearest(plan->state, &err);
	int r = nearest < 0 ? nearest : cloister_overlay_check_place(plan, nearest, &err);
	if (r == 0)
		r = cloister_overlay_changes_find(plan, &changes, &err);
	if (r == 0)
		find_hidden(plan, &changes, findings);
	if (r == 0 && changes.left_out > 0)
		cli_find(findings, CLI_WARNING, "overlay", plan->state,
		         "%s has changed more than can be looked at: %zu changes and directories are left out",
		         plan->user, changes.left_out);
	if (r < 0)
		cli_find_error(findings, "overlay", &err);
	cloister_overlay_changes_free(&changes);
}

int cli_overlay_is_idmapped(const struct cloister_plan *plan, const struct cloister_row *row, int root,
                            const struct cloister_image *image, struct cloister_error *err)
{
	int _cleanup_close_ nearest = *plan->state != '\0' ? open_nearest(plan->state, err) : -1;
	int _cleanup_close_ lower =
		image != NULL ? cloister_image_lower(image, row->source, err) : cloister_mount_clone(root, false);

	if (*plan->state != '\0' && nearest < 0)
		return nearest;
	if (lower < 0)
		return image != NULL ? lower
		                     : cloister_fail(err, -lower, "overlay", row->source, "cannot clone its mount");
	return cloister_overlay_is_idmapped(plan, lower, nearest, err);
}
