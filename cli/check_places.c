/* SPDX-License-Identifier: MIT */
/* The part of cloister check that is about the places in a rootfs on which something is mounted. */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"
#include "cloister/source.h"
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

/* The user's layer, where one is kept: what it has need not be in the rootfs. */
static int open_upper(const struct cloister_plan *plan)
{
	struct cloister_error err = {0};

	if (*plan->state == '\0')
		return -1;
	int _cleanup_close_ state = cloister_state_find(plan->state, &err);
	return state < 0 ? -1 : cloister_path_open_inside(state, "upper", O_PATH | O_DIRECTORY);
}

static bool is_there(int root, const char *target)
{
	int _cleanup_close_ fd = root < 0 ? -1 : cloister_path_open_inside(root, target, O_PATH);

	return fd >= 0;
}

/* Through layers that are idmapped init is root over what is root's; through others, as in the rootfs itself, not. */
static bool login_is_not_root(const struct cloister_plan *plan, const struct cloister_row *row, int root,
                              const struct cloister_image *image, struct cli_findings *findings)
{
	struct cloister_error err = {0};

	if (row->kind != CLOISTER_ROW_OVERLAY)
		return true;
	if (geteuid() != 0 || !(row->flags & CLOISTER_ROW_IDMAP))
		return false;
	int r = cli_overlay_is_idmapped(plan, row, root, image, &err);
	if (r < 0)
		cli_find_error(findings, "overlay", &err);
	return r == 0;
}

void cli_check_places(const struct cloister_plan *plan, const struct cloister_row *row, int root,
                      const struct cloister_image *image, struct cli_findings *findings)
{
	if (!plan->privileged || !(plan->namespaces & CLONE_NEWUSER) ||
	    !login_is_not_root(plan, row, root, image, findings))
		return;
	int _cleanup_close_ upper = open_upper(plan);
	for (size_t i = 0; i < plan->n_rows; i++) {
		const char *target = plan->rows[i].target;

		if (!is_mount(&plan->rows[i]) || is_below_another(plan, i) || is_there(root, target) ||
		    is_there(upper, target) || can_be_made(plan, root, target))
			continue;
		cli_find(findings, CLI_ERROR, "rootfs", row->source,
		         "%s is missing in the rootfs %s, and no login can make it: what it is in is not %s's", target,
		         row->source, plan->user);
		cli_find_advice(findings, "make it there, as a directory to mount on");
	}
}
