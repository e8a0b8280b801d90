/* SPDX-License-Identifier: MIT */
/* users = root: the id maps of a user namespace inside the session's, in which the user is 0. Pure. */
#include <errno.h>
#include <inttypes.h>

#include "cloister/ids.h"

static int add_extent(struct cloister_id_map *map, uint32_t inside, uint32_t outside, uint32_t count)
{
	if (count == 0)
		return 0;
	if (map->n == CLOISTER_ID_EXTENTS_MAX)
		return -E2BIG;
	map->extents[map->n++] = (struct cloister_id_extent){inside, outside, count};
	return 0;
}

/* The ids of the range behind those that the outer map keeps for the host's: 0 inside leaves the user's number free. */
static int add_spares(const uint32_t *kept, size_t n_kept, uint32_t base, uint32_t count, struct cloister_id_map *outer)
{
	int r = 0;

	for (size_t i = 0; i < outer->n; i++) {
		if (outer->extents[i].inside >= CLOISTER_ID_SPARE)
			return -ERANGE;
	}
	for (size_t i = 0; i < n_kept && r == 0; i++) {
		if (kept[i] < count)
			r = add_extent(outer, CLOISTER_ID_SPARE + (uint32_t)i, base + kept[i], 1);
	}
	return r;
}

/* The first of the kept ids that is at least `from`, as an index; n_kept when there is none. */
static size_t next_kept(const uint32_t *kept, size_t n_kept, uint32_t from)
{
	size_t found = n_kept;

	for (size_t i = 0; i < n_kept; i++) {
		if (kept[i] >= from && (found == n_kept || kept[i] < kept[found]))
			found = i;
	}
	return found;
}

static int fill_inner(const uint32_t *kept, size_t n_kept, uint32_t count, const struct cloister_id_map *outer,
                      struct cloister_id_map *inner)
{
	int r = add_extent(inner, 0, kept[0], 1);

	for (uint32_t id = 1; id < count && r == 0;) {
		size_t at = next_kept(kept, n_kept, id);
		uint32_t end = at < n_kept && kept[at] < count ? kept[at] : count;

		r = add_extent(inner, id, id, end - id);
		if (r == 0 && end < count)
			r = add_extent(inner, end, CLOISTER_ID_SPARE + (uint32_t)at, 1);
		id = end + 1;
	}
	/* Groups of the user's above the range. */
	for (size_t i = 0; i < outer->n && r == 0; i++) {
		uint32_t id = outer->extents[i].inside;

		if (id >= count && id < CLOISTER_ID_SPARE && id != kept[0])
			r = add_extent(inner, id, id, 1);
	}
	return r;
}

int cloister_id_map_root(const uint32_t *kept, size_t n_kept, uint32_t base, uint32_t count,
                         struct cloister_id_map *outer, struct cloister_id_map *inner, struct cloister_error *err)
{
	struct cloister_id_map with_spares = *outer, result = {.n = 0};
	int r = kept[0] == 0 ? -EPERM : add_spares(kept, n_kept, base, count, &with_spares);

	if (r == 0)
		r = fill_inner(kept, n_kept, count, outer, &result);
	if (r < 0)
		return cloister_fail(err, -r, "ids", NULL, "cannot make %" PRIu32 " the 0 of a user namespace",
		                     kept[0]);
	*outer = with_spares;
	*inner = result;
	return 0;
}
