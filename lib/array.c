/* SPDX-License-Identifier: MIT */
/* Arrays that grow. */
#include "cloister/array.h"

#include <stdlib.h>

void *cloister_array_grow(void *array, size_t *room, size_t used, size_t size)
{
	if (used < *room)
		return array;
	size_t more = *room * 2 + 64;
	void *larger = reallocarray(array, more, size);
	if (larger != NULL)
		*room = more;
	return larger;
}
