/* SPDX-License-Identifier: MIT */
#ifndef CLOISTER_IMAGE_LIST_H
#define CLOISTER_IMAGE_LIST_H

#include <stdbool.h>

#include "cloister/error.h"

/* Prints the images there are, sorted by name. */
int image_list(bool json, struct cloister_error *err);

#endif
