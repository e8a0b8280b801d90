/* SPDX-License-Identifier: MIT */
/* Where what the configuration asks for may be mounted, and in which order. Pure. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/path.h"
#include "plan_rows.h"

/* Why a row cannot be where it was asked for; NULL: it can. */
static const char *refusal(const struct cloister_row *row)
{
	const char *target = row->target;
	bool mask = row->kind == CLOISTER_ROW_MASK;

	/* A mount over part of /proc or /dev would stand between a program and what it asks the kernel for
	 * (runc CVE-2025-31133); less of them to be seen is harmless. */
	if (cloister_path_is_below(target, "/proc", true))
		return mask && strcmp(target, "/proc") != 0 ? NULL : "nothing can be mounted over /proc";
	if (cloister_path_is_below(target, "/dev", true)) {
		if (mask && strcmp(target, "/dev") != 0)
			return NULL;
		if (row->kind == CLOISTER_ROW_TMPFS && strcmp(target, "/dev/shm") == 0)
			return NULL;
		if (row->kind == CLOISTER_ROW_BIND && strcmp(target, "/dev/log") == 0)
			return NULL;
		return "nothing can be mounted over /dev but a tmpfs on /dev/shm and a socket on /dev/log";
	}
	if (cloister_path_is_below(target, "/run/cloister", true))
		return "/run/cloister is what tells a session from the host";
	/* The session's own files are made in /run: in a directory of the host's they would be made there. */
	if (strcmp(target, "/run") == 0 && row->kind != CLOISTER_ROW_TMPFS)
		return "/run is the session's own: a tmpfs; bind what lies below it";
	return NULL;
}

/* What a row is in the administrator's words: "bind (/etc/cloister/cloister.conf:7)". */
static const char *describe(const struct cloister_row *row, char *text, size_t size)
{
	const char *what = cloister_row_name(row->kind);

	if (row->kind == CLOISTER_ROW_HOME || (row->flags & CLOISTER_ROW_FOR_USER))
		what = "the home";
	if (*row->origin != '\0')
		snprintf(text, size, "%s (%s)", what, row->origin);
	else
		snprintf(text, size, "%s%s", what, row->kind == CLOISTER_ROW_TMPFS ? " (built in)" : "");
	return text;
}

static int compare_targets(const void *left, const void *right)
{
	const struct cloister_row *a = left, *b = right;

	return strcmp(a->target, b->target);
}

int cloister_plan_order_content(struct cloister_plan *plan, size_t first, struct cloister_error *err)
{
	char one[220], other[220];

	/* Parents first, since a mount on a parent hides what was mounted below it. */
	qsort(plan->rows + first, plan->n_rows - first, sizeof(*plan->rows), compare_targets);
	for (size_t i = first; i < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];
		const char *why = refusal(row);

		if (why != NULL)
			return cloister_fail(err, EINVAL, "plan", row->target, "%s: %s",
			                     describe(row, one, sizeof(one)), why);
	}
	for (size_t i = first; i + 1 < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];

		if (strcmp(row->target, row[1].target) == 0)
			return cloister_fail(err, EEXIST, "plan", row->target, "two mounts on one place: %s and %s",
			                     describe(row, one, sizeof(one)), describe(&row[1], other, sizeof(other)));
	}
	/* A mask that something lies below must have room for its mount point. */
	for (size_t i = first; i + 1 < plan->n_rows; i++) {
		struct cloister_row *row = &plan->rows[i];

		if (row->kind != CLOISTER_ROW_MASK)
			continue;
		for (size_t j = i + 1; j < plan->n_rows; j++) {
			if (plan->rows[j].kind != CLOISTER_ROW_MASK &&
			    cloister_path_is_below(plan->rows[j].target, row->target, false)) {
				int r = cloister_row_make_room(row);
				if (r < 0)
					return cloister_fail(err, -r, "plan", row->target, "no memory");
				break;
			}
		}
	}
	return 0;
}
