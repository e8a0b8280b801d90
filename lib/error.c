/* SPDX-License-Identifier: MIT */
/* Filling an error object, and the one line that an administrator reads of it. */
#include "cloister/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cloister/printable.h"

static void copy_cut(char *to, size_t size, const char *from)
{
	size_t length = strnlen(from, size - 1);

	memcpy(to, from, length);
	to[length] = '\0';
	/* A newline or an escape sequence in a path would forge a log line or reach an administrator's terminal. */
	cloister_make_printable(to);
}

int cloister_fail(struct cloister_error *err, int code, const char *step, const char *path, const char *format, ...)
{
	/* Filled aside: a caller may pass parts of *err itself to say more about an error from below. */
	struct cloister_error filled = {.code = code > 0 ? code : EIO};
	va_list arguments;

	if (err == NULL)
		return -filled.code;
	copy_cut(filled.step, sizeof(filled.step), step);
	copy_cut(filled.path, sizeof(filled.path), path != NULL ? path : "");
	va_start(arguments, format);
	if (vsnprintf(filled.text, sizeof(filled.text), format, arguments) < 0)
		filled.text[0] = '\0';
	va_end(arguments);
	cloister_make_printable(filled.text);
	*err = filled;
	return -filled.code;
}

const char *cloister_error_line(const struct cloister_error *err, char *buffer, unsigned long size)
{
	/* Not strerror(3): it depends on the locale, and what is searched for in a log must not. */
	const char *description = strerrordesc_np(err->code);
	const char *name = strerrorname_np(err->code);

	if (size == 0)
		return buffer;
	if (snprintf(buffer, size, "%s: %s%s%s: %s (errno %s)", err->step, err->text, err->path[0] != '\0' ? ": " : "",
	             err->path, description != NULL ? description : "Unknown error",
	             name != NULL ? name : "unknown") < 0)
		buffer[0] = '\0';
	/* Errors come from the sandbox of an import, too, which need not have used the above. */
	cloister_make_printable(buffer);
	return buffer;
}
