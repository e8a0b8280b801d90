/* SPDX-License-Identifier: MIT */
/* An event as one line of a log. Pure. Names come from configurations, clients and users: none may be more than a
 * value. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "cloister/audit.h"
#include "cloister/printable.h"

static const char *const words[] = {
	[CLOISTER_AUDIT_START] = "start",   [CLOISTER_AUDIT_JOIN] = "join",   [CLOISTER_AUDIT_ENTER] = "enter",
	[CLOISTER_AUDIT_REFUSE] = "refuse", [CLOISTER_AUDIT_LEAVE] = "leave", [CLOISTER_AUDIT_END] = "end"};
/* As journald's and lsns(8)'s users would look for them. */
static const char *const namespace_keys[CLOISTER_NAMESPACE_KINDS] = {"userns", "mntns",    "pidns", "utsns",
                                                                     "ipcns",  "cgroupns", "netns"};

/* Room for the longest value, each byte of which may become four. */
#define PAIR_MAX (32 + 4 * CLOISTER_AUDIT_VALUE_MAX)

struct line {
	char *text;
	size_t size, length;
};

/* The part for people: escapes would be in its way, and what it says stands in the values, too. */
static void add_words(struct line *line, const char *text)
{
	while (*text != '\0') {
		uint32_t code = 0;
		size_t length = cloister_utf8_decode(text, &code);
		bool is_whole = length > 0 && cloister_is_printable(code) && code != '"';

		if (line->length + (is_whole ? length : 1) >= line->size)
			return;
		if (is_whole)
			memcpy(line->text + line->length, text, length);
		else
			line->text[line->length] = code == '"' && length > 0 ? '\'' : '?';
		line->length += is_whole ? length : 1;
		text += length > 0 ? length : 1;
	}
}

static size_t escape(const char *value, char *out)
{
	size_t used = 0;

	while (*value != '\0') {
		uint32_t code = 0;
		size_t length = cloister_utf8_decode(value, &code);

		if (length > 0 && cloister_is_printable(code) && code != '"' && code != '\\') {
			memcpy(out + used, value, length);
			used += length;
			value += length;
			continue;
		}
		for (size_t i = 0; i < (length > 0 ? length : 1); i++, value++)
			used += (size_t)sprintf(out + used, "\\x%02x", (unsigned char)*value);
	}
	return used;
}

/* Whole, or not at all. */
static void add(struct line *line, const char *key, const char *value)
{
	char pair[PAIR_MAX], cut[CLOISTER_AUDIT_VALUE_MAX];

	if (*value == '\0')
		return;
	snprintf(cut, sizeof(cut), "%s", value);
	size_t length = (size_t)snprintf(pair, sizeof(pair), " %s=\"", key);
	length += escape(cut, pair + length);
	pair[length++] = '"';
	if (line->length + length >= line->size)
		return;
	memcpy(line->text + line->length, pair, length);
	line->length += length;
}

static void __attribute__((format(printf, 3, 4)))
add_number(struct line *line, const char *key, const char *format, ...)
{
	char text[32];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	add(line, key, text);
}

static void add_lead(struct line *line, const struct cloister_audit *audit)
{
	static const char *const verbs[] = {[CLOISTER_AUDIT_START] = " started", [CLOISTER_AUDIT_JOIN] = " joined",
	                                    [CLOISTER_AUDIT_ENTER] = " entered", [CLOISTER_AUDIT_REFUSE] = "",
	                                    [CLOISTER_AUDIT_LEAVE] = " left",    [CLOISTER_AUDIT_END] = " ended"};
	char reason[2048];

	add_words(line, "session ");
	if (audit->event == CLOISTER_AUDIT_REFUSE) {
		add_words(line, "for ");
		add_words(line, audit->user);
		add_words(line, " refused: ");
		if (strcmp(audit->error.step, CLOISTER_REFUSED) == 0) {
			add_words(line, "refuse = ");
			add_words(line, audit->error.text);
		} else {
			add_words(line, cloister_error_line(&audit->error, reason, sizeof(reason)));
		}
	} else {
		add_words(line, audit->session);
		if (audit->event == CLOISTER_AUDIT_START || audit->event == CLOISTER_AUDIT_JOIN) {
			add_words(line, " of ");
			add_words(line, audit->user);
		}
		add_words(line, verbs[audit->event]);
	}
	add_words(line, ";");
}

static void add_end(struct line *line, const struct cloister_audit *audit)
{
	add(line, "reason", audit->reason);
	if (audit->duration >= 0)
		add_number(line, "duration", "%" PRId64 ".%03d", audit->duration / 1000, (int)(audit->duration % 1000));
	if (audit->status >= 0 && WIFEXITED(audit->status))
		add_number(line, "exit", "%d", WEXITSTATUS(audit->status));
	else if (audit->status >= 0 && WIFSIGNALED(audit->status))
		add_number(line, "signal", "%d", WTERMSIG(audit->status));
	if (audit->memory_peak >= 0)
		add_number(line, "memory_peak", "%" PRId64, audit->memory_peak);
	if (audit->oom_kills >= 0)
		add_number(line, "oom_kills", "%" PRId64, audit->oom_kills);
}

static void add_error(struct line *line, const struct cloister_error *error)
{
	const char *name = strerrorname_np(error->code);

	add(line, "step", error->step);
	add(line, "errno", name != NULL ? name : "");
	add(line, "path", error->path);
}

const char *cloister_audit_line(const struct cloister_audit *audit, char *buffer, size_t size)
{
	struct line line = {.text = buffer, .size = size < CLOISTER_AUDIT_LINE_MAX ? size : CLOISTER_AUDIT_LINE_MAX};

	if (size == 0)
		return buffer;
	add_lead(&line, audit);
	add(&line, "event", words[audit->event]);
	add(&line, "session", audit->session);
	add(&line, "user", audit->user);
	if (audit->uid >= 0)
		add_number(&line, "uid", "%" PRId64, audit->uid);
	add(&line, "service", audit->service);
	if (audit->event == CLOISTER_AUDIT_REFUSE)
		add_error(&line, &audit->error);
	if (audit->event == CLOISTER_AUDIT_LEAVE || audit->event == CLOISTER_AUDIT_END)
		add_end(&line, audit);
	add(&line, "tty", audit->tty);
	add(&line, "rhost", audit->remote_host);
	if (audit->init > 0)
		add_number(&line, "init", "%d", (int)audit->init);
	add(&line, "network", audit->network);
	for (size_t i = 0; i < CLOISTER_NAMESPACE_KINDS; i++) {
		if (audit->namespaces[i] != 0)
			add_number(&line, namespace_keys[i], "%" PRIu64, audit->namespaces[i]);
	}
	add(&line, "rootfs", audit->rootfs);
	buffer[line.length] = '\0';
	return buffer;
}
