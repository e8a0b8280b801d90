/* SPDX-License-Identifier: MIT */
/* users = root: the id maps of a user namespace inside the session's, in which the user is 0. Pure. */
#include <errno.h>
#include <inttypes.h>

#include "cloister/ids.h"

/* The user's own number is free inside, and stands for the id of the range that the outer map hides behind it. */
static int add_spare(uint32_t own, uint32_t base, uint32_t count, struct cloister_id_map *outer)
{
	for (size_t i = 0; i < outer->n; i++) {
		if (outer->extents[i].inside >= CLOISTER_ID_SPARE)
			return -ERANGE;
	}
	return own < count ? cloister_id_map_add(outer, CLOISTER_ID_SPARE, base + own, 1) : 0;
}

/* Line by line, since a line of a map must lie in one of the parent's (user_namespaces(7)). */
static int fill_inner(uint32_t own, uint32_t count, const struct cloister_id_map *outer, struct cloister_id_map *inner)
{
	int r = cloister_id_map_add(inner, 0, own, 1);

	for (size_t i = 0; i < outer->n && r == 0; i++) {
		const struct cloister_id_extent *extent = &outer->extents[i];

		if (extent->inside == own)
			r = own < count ? cloister_id_map_add(inner, own, CLOISTER_ID_SPARE, 1) : 0;
		else if (extent->inside == 0)
			r = cloister_id_map_add(inner, 1, 1, extent->count - 1);
		else
			r = cloister_id_map_add(inner, extent->inside, extent->inside, extent->count);
	}
	return r;
}

int cloister_id_map_root(uint32_t own, uint32_t base, uint32_t count, struct cloister_id_map *outer,
                         struct cloister_id_map *inner, struct cloister_error *err)
{
	struct cloister_id_map with_spare = *outer, result = {.n = 0};
	int r = own == 0 ? -EPERM : add_spare(own, base, count, &with_spare);

	if (r == 0)
		r = fill_inner(own, count, outer, &result);
	if (r < 0)
		return cloister_fail(err, -r, "ids", NULL, "cannot make %" PRIu32 " the 0 of a user namespace", own);
	*outer = with_spare;
	*inner = result;
	return 0;
}
