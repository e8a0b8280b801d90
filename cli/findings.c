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

#define MARGIN 8

static const char *const names[CLI_SEVERITIES] = {"ok", "note", "warning", "error"};

static struct json_object *json_text_or_null(const char *text)
{
	bool is_text;

	return text != NULL && *text != '\0' ? cli_json_text(text, &is_text) : NULL;
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
	char _cleanup_free_ *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
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

static void print_lines(const char *text)
{
	for (const char *at = text; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n')
		printf("%*s%.*s\n", MARGIN, "", (int)strcspn(at, "\n"), at);
}

void cli_find_detail(struct cli_findings *findings, const char *format, ...)
{
	char _cleanup_free_ *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text == NULL)
		return;
	if (findings->list == NULL)
		print_lines(text);
	else
		json_object_array_add(json_object_object_get(findings->last, "details"), json_text_or_null(text));
}

void cli_find_advice(struct cli_findings *findings, const char *format, ...)
{
	char _cleanup_free_ *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text == NULL)
		return;
	if (findings->list == NULL)
		print_lines(text);
	else
		json_object_object_add(findings->last, "advice", json_text_or_null(text));
}
