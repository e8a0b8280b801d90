/* SPDX-License-Identifier: MIT */
/* json-c with every leniency off. */
#include "json.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define DEPTH_MAX 32

json_object *image_json_parse(const char *text, size_t size, enum json_type type, const char *step,
                              struct cloister_error *err)
{
	struct json_tokener *tokener = size <= INT_MAX ? json_tokener_new_ex(DEPTH_MAX) : NULL;

	if (tokener == NULL) {
		cloister_fail(err, ENOMEM, step, NULL, "no memory");
		return NULL;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	json_object *object = json_tokener_parse_ex(tokener, text, (int)size);
	enum json_tokener_error problem = json_tokener_get_error(tokener);
	size_t end = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	/* What follows the value may be white space alone. */
	while (object != NULL && end < size && strchr(" \t\r\n", text[end]) != NULL && text[end] != '\0')
		end++;
	if (problem == json_tokener_success && object != NULL && end == size && json_object_is_type(object, type))
		return object;
	json_object_put(object);
	cloister_fail(err, EINVAL, step, NULL, "it is not the JSON that it should be (%s)",
	              problem != json_tokener_success ? json_tokener_error_desc(problem) : "another type, or a rest");
	return NULL;
}

json_object *image_json_member(json_object *object, const char *key, enum json_type type)
{
	json_object *value = NULL;

	if (object == NULL || !json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

const char *image_json_string(json_object *value)
{
	if (value == NULL || !json_object_is_type(value, json_type_string))
		return NULL;
	const char *text = json_object_get_string(value);
	return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

const char *image_json_text(json_object *object, const char *key)
{
	return image_json_string(image_json_member(object, key, json_type_string));
}
