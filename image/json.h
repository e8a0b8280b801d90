/* SPDX-License-Identifier: MIT */
/* Strict reading of JSON that somebody else wrote. */
#ifndef CLOISTER_IMAGE_JSON_H
#define CLOISTER_IMAGE_JSON_H

#include <json-c/json.h>
#include <stddef.h>

#include "cloister/error.h"

/*
 * The whole text as one value of this type; NULL with an error otherwise (nesting over 32, bad UTF-8, anything after
 * it). The caller releases it: _cleanup_json_.
 */
json_object *image_json_parse(const char *text, size_t size, enum json_type type, const char *step,
                              struct cloister_error *err);

/* A member of an object, if it is of this type; NULL otherwise, also when object is NULL or no object. */
json_object *image_json_member(json_object *object, const char *key, enum json_type type);

/* A string without a NUL in it, or NULL. It lives as long as the value. */
const char *image_json_string(json_object *value);
const char *image_json_text(json_object *object, const char *key);

static inline void image_cleanup_json(json_object **object)
{
	json_object_put(*object);
}
#define _cleanup_json_ __attribute__((cleanup(image_cleanup_json)))

#endif
