/* SPDX-License-Identifier: MIT */
/* Arithmetic of id maps. */
#include "cloister/ids.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cloister/cleanup.h"

static int compare_ids(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return a < b ? -1 : a > b;
}

int cloister_id_map_add(struct cloister_id_map *map, uint32_t inside, uint32_t outside, uint32_t count)
{
	if (count == 0)
		return 0;
	if (map->n == CLOISTER_ID_EXTENTS_MAX)
		return -E2BIG;
	map->extents[map->n++] = (struct cloister_id_extent){inside, outside, count};
	return 0;
}

int cloister_id_map_keep(const uint32_t *own, size_t n_own, uint32_t base, uint32_t count, struct cloister_id_map *map,
                         struct cloister_error *err)
{
	struct cloister_id_map result = {.n = 0};
	uint32_t _cleanup_free_ *sorted = calloc(n_own + 1, sizeof(*sorted));
	uint32_t next = 0;
	int r = 0;

	if (sorted == NULL)
		return cloister_fail(err, ENOMEM, "ids", NULL, "no memory for the id map");
	for (size_t i = 0; i < n_own; i++)
		sorted[i] = own[i];
	qsort(sorted, n_own, sizeof(*sorted), compare_ids);

	for (size_t i = 0; i < n_own && r == 0; i++) {
		uint32_t id = sorted[i];

		if (i > 0 && id == sorted[i - 1])
			continue;
		if (id >= base && id - base < count)
			return cloister_fail(err, ERANGE, "ids", NULL,
			                     "id %" PRIu32 " lies in the unprivileged range %" PRIu32 ":%" PRIu32, id,
			                     base, count);
		if (next < count) {
			uint32_t end = id < count ? id : count;

			r = cloister_id_map_add(&result, next, base + next, end - next);
			next = end;
		}
		if (r == 0)
			r = cloister_id_map_add(&result, id, id, 1);
		if (id < count)
			next = id + 1;
	}
	if (r == 0 && next < count)
		r = cloister_id_map_add(&result, next, base + next, count - next);
	if (r < 0)
		return cloister_fail(err, -r, "ids", NULL, "%zu ids of the user need more than %d lines of an id map",
		                     n_own, CLOISTER_ID_EXTENTS_MAX);
	*map = result;
	return 0;
}

ssize_t cloister_id_map_text(const struct cloister_id_map *map, char *buffer, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < map->n; i++) {
		const struct cloister_id_extent *extent = &map->extents[i];
		int n = snprintf(buffer + used, size - used, "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n", extent->inside,
		                 extent->outside, extent->count);

		if (n < 0 || (size_t)n >= size - used)
			return -ENOSPC;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

uint32_t cloister_id_map_outside(const struct cloister_id_map *map, uint32_t inside)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct cloister_id_extent *extent = &map->extents[i];

		if (inside >= extent->inside && inside - extent->inside < extent->count)
			return extent->outside + (inside - extent->inside);
	}
	return UINT32_MAX;
}

uint32_t cloister_id_map_inside(const struct cloister_id_map *map, uint32_t outside)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct cloister_id_extent *extent = &map->extents[i];

		if (outside >= extent->outside && outside - extent->outside < extent->count)
			return extent->inside + (outside - extent->outside);
	}
	return UINT32_MAX;
}

size_t cloister_ids_own_groups(const struct cloister_account *account, uint32_t *groups, size_t size)
{
	size_t n = 0;

	if (size > 0)
		groups[n++] = account->gid;
	for (size_t i = 0; i < account->n_groups && n < size; i++) {
		if (account->groups[i] >= CLOISTER_FIRST_USER_GID)
			groups[n++] = account->groups[i];
	}
	return n;
}
