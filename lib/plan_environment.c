/* SPDX-License-Identifier: MIT */
/* What of the host's a plan leaves in place, for the variables that name a path. Pure. */
#include <string.h>

#include "cloister/plan.h"

const char *cloister_plan_runtime_directory(const struct cloister_plan *plan)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];

		if ((row->kind == CLOISTER_ROW_TMPFS || row->kind == CLOISTER_ROW_BIND) &&
		    strncmp(row->target, CLOISTER_RUNTIME_DIRECTORIES, strlen(CLOISTER_RUNTIME_DIRECTORIES)) == 0 &&
		    strchr(row->target + strlen(CLOISTER_RUNTIME_DIRECTORIES), '/') == NULL)
			return row->target;
	}
	return NULL;
}

/* The length of directory where path is it or is below it; 0 where it is not. */
static size_t covers(const char *directory, const char *path)
{
	size_t length = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return 1;
	return strncmp(directory, path, length) == 0 && (path[length] == '/' || path[length] == '\0') ? length : 0;
}

bool cloister_plan_shows(const struct cloister_plan *plan, const char *path)
{
	const struct cloister_row *nearest = NULL;
	size_t best = 0;

	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];
		bool mounts = row->kind == CLOISTER_ROW_ROOT || row->kind == CLOISTER_ROW_OVERLAY ||
		              row->kind == CLOISTER_ROW_TMPFS || row->kind == CLOISTER_ROW_BIND ||
		              row->kind == CLOISTER_ROW_MASK || row->kind == CLOISTER_ROW_HOME;
		size_t length = mounts ? covers(row->target, path) : 0;

		/* Of two on one place the later lies on top. */
		if (length >= best && length > 0) {
			best = length;
			nearest = row;
		}
	}
	if (nearest == NULL || nearest->kind == CLOISTER_ROW_TMPFS || nearest->kind == CLOISTER_ROW_MASK)
		return false;
	return strcmp(nearest->source, nearest->target) == 0;
}
