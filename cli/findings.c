/* SPDX-License-Identifier: MIT */
/* Telling what cloister check finds. */
#include "findings.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "cloister/cleanup.h"
#include "cloister/printable.h"

#define MARGIN 8

static const char *const names[CLI_SEVERITIES] = {"ok", "note", "warning", "error"};

static struct json_object *json_text_or_null(const char *text)
{
	bool is_text;

	return text != NULL && *text != '\0' ? cli_json_text(text, &is_text) : NULL;
}

/* NULL without memory. The caller frees it. */
static char *__attribute__((format(printf, 1, 0))) format_text(const char *format, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		return NULL;
	/* Lines are an advice's own. */
	for (char *line = text; line != NULL;) {
		char *end = strchr(line, '\n');

		if (end != NULL)
			*end = '\0';
		cloister_make_printable(line);
		if (end != NULL)
			*end++ = '\n';
		line = end;
	}
	return text;
}

static void add(struct cli_findings *findings, enum cli_severity severity, const char *what, const char *where,
                const char *text)
{
	findings->n[severity]++;
	if (findings->list == NULL) {
		printf("%s: %s\n", names[severity], text);
		return;
	}
	struct json_object *object = json_object_new_object();
	json_object_object_add(object, "severity", json_object_new_string(names[severity]));
	json_object_object_add(object, "user", json_text_or_null(findings->user));
	json_object_object_add(object, "what", json_object_new_string(what));
	json_object_object_add(object, "where", json_text_or_null(where));
	json_object_object_add(object, "text", json_text_or_null(text));
	json_object_object_add(object, "details", json_object_new_array());
	json_object_object_add(object, "advice", NULL);
	json_object_array_add(findings->list, object);
	findings->last = object;
}

void cli_find(struct cli_findings *findings, enum cli_severity severity, const char *what, const char *where,
              const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char _cleanup_free_ *text = format_text(format, args);
	va_end(args);
	/* Even without memory for its text it counts. */
	add(findings, severity, what, where, text != NULL ? text : what);
}

void cli_find_error(struct cli_findings *findings, const char *what, const struct cloister_error *err)
{
	char line[2048];

	cloister_error_line(err, line, sizeof(line));
	if (strcmp(what, err->step) == 0)
		cli_find(findings, CLI_ERROR, what, err->path, "%s", line);
	else
		cli_find(findings, CLI_ERROR, what, err->path, "%s: %s", what, line);
}

/* True when the text is in its place in the text form: below its finding, and not in a document. */
static bool print_below(const struct cli_findings *findings, const char *text)
{
	if (findings->list != NULL)
		return false;
	for (const char *at = text; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n')
		printf("%*s%.*s\n", MARGIN, "", (int)strcspn(at, "\n"), at);
	return true;
}

void cli_find_detail(struct cli_findings *findings, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char _cleanup_free_ *text = format_text(format, args);
	va_end(args);
	if (text != NULL && !print_below(findings, text))
		json_object_array_add(json_object_object_get(findings->last, "details"), json_text_or_null(text));
}

void cli_find_advice(struct cli_findings *findings, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char _cleanup_free_ *text = format_text(format, args);
	va_end(args);
	if (text != NULL && !print_below(findings, text))
		json_object_object_add(findings->last, "advice", json_text_or_null(text));
}
