/* SPDX-License-Identifier: MIT */
/* Arrays that grow. */
#ifndef CLOISTER_ARRAY_H
#define CLOISTER_ARRAY_H

#include <stddef.h>

/*
 * The array with room for one more than the `used` elements of `size` bytes each, maybe elsewhere, and *room then.
 * NULL: no memory, and the array is as before, the caller's to free.
 */
void *cloister_array_grow(void *array, size_t *room, size_t used, size_t size);

#endif
