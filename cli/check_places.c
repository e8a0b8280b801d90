/* SPDX-License-Identifier: MIT */
/* The part of cloister check that is about the places in a rootfs on which something is mounted. */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"
#include "findings.h"

/* A row that needs a place of the rootfs; what is optional is left out where there is none. */
static bool is_mount(const struct cloister_row *row)
{
	static const enum cloister_row_kind kinds[] = {CLOISTER_ROW_TMPFS, CLOISTER_ROW_PROC, CLOISTER_ROW_BIND,
	                                               CLOISTER_ROW_HOME};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (row->kind == kinds[i])
			return (row->flags & CLOISTER_ROW_IF_PRESENT) == 0;
	}
	return false;
}

/* What an earlier mount brings is not the rootfs'. */
static bool is_below_another(const struct cloister_plan *plan, size_t row)
{
	for (size_t i = 0; i < row; i++) {
		if (is_mount(&plan->rows[i]) &&
		    cloister_path_is_below(plan->rows[row].target, plan->rows[i].target, true))
			return true;
	}
	return false;
}

/* Whether init can make what is missing of path: it is root over what belongs to ids of its own namespace alone. */
static bool can_be_made(const struct cloister_plan *plan, int root, const char *path)
{
	char _cleanup_free_ *copy = strdup(path);
	struct stat st;

	for (char *slash = copy != NULL ? strrchr(copy, '/') : NULL; slash != NULL; slash = strrchr(copy, '/')) {
		*slash = '\0';
		int _cleanup_close_ fd =
			cloister_path_open_inside(root, *copy != '\0' ? copy : "/", O_PATH | O_DIRECTORY);

		if (fd >= 0 && fstat(fd, &st) == 0)
			return (cloister_id_map_inside(&plan->uid_map, st.st_uid) != UINT32_MAX &&
			        cloister_id_map_inside(&plan->gid_map, st.st_gid) != UINT32_MAX) ||
			       (st.st_mode & S_IWOTH) != 0;
	}
	return false;
}

void cli_check_places(const struct cloister_plan *plan, const char *rootfs, int root, struct cli_findings *findings)
{
	if (!plan->privileged || !(plan->namespaces & CLONE_NEWUSER))
		return;
	for (size_t i = 0; i < plan->n_rows; i++) {
		const char *target = plan->rows[i].target;

		if (!is_mount(&plan->rows[i]) || is_below_another(plan, i))
			continue;
		int _cleanup_close_ fd = cloister_path_open_inside(root, target, O_PATH);
		if (fd >= 0 || can_be_made(plan, root, target))
			continue;
		cli_find(findings, CLI_ERROR, "rootfs", rootfs,
		         "%s is missing in the rootfs %s, and no login can make it: what it is in is not %s's", target,
		         rootfs, plan->user);
		cli_find_advice(findings, "make it there, as a directory to mount on");
	}
}
