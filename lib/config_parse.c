/* SPDX-License-Identifier: MIT */
/* The pure parser of cloister.conf(5): bytes in, entries and faults with their places out. */
#include "cloister/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cloister/policy.h"

/* All faults of one section concern the same users: a file with wrong line ends need not be told of a thousand times.
 */
#define FAULTS_PER_SECTION_MAX 16U

/* What the entries of one file point into. */
struct stored_text {
	struct stored_text *next;
	char bytes[];
};

struct parser {
	struct cloister_config *config;
	const char *file;
	unsigned line;
	enum cloister_section_kind section;
	const char *name;
	unsigned section_faults;
	bool in_section; /* a header came before, good or bad */
	uint64_t keys;   /* bit n: cloister_keys[n] was seen in this section */
};

static int add_fault(struct parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int add_fault(struct parser *parser, const char *format, ...)
{
	struct cloister_config *config = parser->config;
	struct cloister_config_fault *fault;
	va_list arguments;

	if (parser->section_faults == FAULTS_PER_SECTION_MAX)
		return 0;
	parser->section_faults++;
	/* Doubled at each power of two: an array that grows by one would cost the square of a hostile file. */
	if ((config->n_faults & (config->n_faults - 1)) == 0) {
		size_t room = config->n_faults == 0 ? 1 : config->n_faults * 2;

		fault = reallocarray(config->faults, room, sizeof(*fault));
		if (fault == NULL)
			return -ENOMEM;
		config->faults = fault;
	}
	fault = &config->faults[config->n_faults++];
	*fault = (struct cloister_config_fault){.section = parser->section,
	                                        .name = parser->name,
	                                        .file = parser->file,
	                                        .line = parser->line};
	va_start(arguments, format);
	(void)vsnprintf(fault->text, sizeof(fault->text), format, arguments);
	va_end(arguments);
	return 0;
}

static int add_entry(struct parser *parser, const char *key, const char *value)
{
	struct cloister_config *config = parser->config;

	if ((config->n_entries & (config->n_entries - 1)) == 0) {
		size_t room = config->n_entries == 0 ? 1 : config->n_entries * 2;
		struct cloister_config_entry *larger = reallocarray(config->entries, room, sizeof(*larger));

		if (larger == NULL)
			return -ENOMEM;
		config->entries = larger;
	}
	config->entries[config->n_entries++] = (struct cloister_config_entry){
		.section = parser->section,
		.name = parser->name,
		.key = key,
		.value = value,
		.file = parser->file,
		.line = parser->line,
	};
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cuts the blanks at both ends in place. */
static char *trim(char *text)
{
	size_t length;

	while (is_blank(*text))
		text++;
	length = strlen(text);
	while (length > 0 && is_blank(text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

static bool section_name_is_good(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && strpbrk(name, ":/[]") == NULL && !is_blank(name[0]) && !is_blank(name[length - 1]);
}

static void open_section(struct parser *parser, enum cloister_section_kind kind, const char *name)
{
	parser->section = kind;
	parser->name = name;
	parser->section_faults = 0;
	parser->in_section = true;
	parser->keys = 0;
}

/*
 * Whom a broken header was meant for: "[User: alice]", "[users:alice", "[default] # all". Its lines still count as
 * theirs, so that a typing error there refuses these users and does not let them out of their container. Where the name
 * is not clear either, the section is none, which concerns every isolated user.
 */
static void guess_section(struct parser *parser, char *header)
{
	char *word = header + 1 + strspn(header + 1, " \t[");
	char *name = word;

	while (isalpha((unsigned char)*name))
		name++;
	open_section(parser, CLOISTER_SECTION_NONE, "");
	if (strncasecmp(word, "default", strlen("default")) == 0) {
		open_section(parser, CLOISTER_SECTION_DEFAULT, "");
		return;
	}
	name += strspn(name, " \t:=");
	name[strcspn(name, "]#;")] = '\0';
	name = trim(name);
	if (!section_name_is_good(name))
		return;
	if (strncasecmp(word, "user", strlen("user")) == 0)
		open_section(parser, CLOISTER_SECTION_USER, name);
	else if (strncasecmp(word, "group", strlen("group")) == 0)
		open_section(parser, CLOISTER_SECTION_GROUP, name);
}

/* Opens the section of a header that is right. */
static bool read_header(struct parser *parser, char *header)
{
	size_t length = strlen(header);
	enum cloister_section_kind kind;
	char *name;

	if (strcmp(header, "[default]") == 0) {
		open_section(parser, CLOISTER_SECTION_DEFAULT, "");
		return true;
	}
	if (strncmp(header, "[user:", strlen("[user:")) == 0)
		kind = CLOISTER_SECTION_USER;
	else if (strncmp(header, "[group:", strlen("[group:")) == 0)
		kind = CLOISTER_SECTION_GROUP;
	else
		return false;
	if (header[length - 1] != ']')
		return false;
	header[length - 1] = '\0';
	name = strchr(header, ':') + 1;
	if (!section_name_is_good(name)) {
		header[length - 1] = ']';
		return false;
	}
	open_section(parser, kind, name);
	return true;
}

/* fault: what is already known to be wrong with the line; NULL when nothing is. */
static int parse_header(struct parser *parser, char *header, const char *fault)
{
	if (read_header(parser, header))
		return fault != NULL ? add_fault(parser, "%s", fault) : 0;
	guess_section(parser, header);
	return add_fault(parser, "%s", fault != NULL ? fault : "a section is [default], [group:NAME] or [user:NAME]");
}

/* A key that is given twice in one section: one of the lines is not what somebody meant. */
static int check_repeated(struct parser *parser, const char *key)
{
	for (unsigned i = 0; i < 64 && cloister_keys[i].key != NULL; i++) {
		uint64_t bit = UINT64_C(1) << i;

		if (cloister_keys[i].repeated || strcmp(cloister_keys[i].key, key) != 0)
			continue;
		if ((parser->keys & bit) != 0)
			return add_fault(parser, "'%s' is set twice in this section", key);
		parser->keys |= bit;
	}
	return 0;
}

static int parse_setting(struct parser *parser, char *line, const char *fault)
{
	char *equals = strchr(line, '=');
	const char *key;
	int r;

	if (fault != NULL) {
		r = add_fault(parser, "%s", fault);
		if (r < 0)
			return r;
	}
	if (!parser->in_section)
		return fault != NULL ? 0 : add_fault(parser, "a line before the first section");
	if (equals == NULL)
		return fault != NULL ? 0 : add_fault(parser, "a line without '='");
	*equals = '\0';
	key = trim(line);
	if (*key == '\0')
		return fault != NULL ? 0 : add_fault(parser, "no key before '='");
	/* The fault of the header has told of everything below it. */
	if (parser->section == CLOISTER_SECTION_NONE)
		return 0;
	r = check_repeated(parser, key);
	return r < 0 ? r : add_entry(parser, key, trim(equals + 1));
}

/* Lines that nothing can be read from: whoever's section they stand in, it is not what was written. */
static const char *unreadable(const char *line, size_t length)
{
	if (length > CLOISTER_CONFIG_LINE_MAX)
		return "the line is too long";
	if (memchr(line, '\0', length) != NULL)
		return "a NUL byte";
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f)
			return "a control character";
	}
	return NULL;
}

/* line[length] may be overwritten. A line with a wrong end or start is a fault, but what it says is still known. */
static int parse_line(struct parser *parser, char *line, size_t length)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	const char *hopeless = unreadable(line, length), *fault = NULL;

	line[length] = '\0';
	if (parser->line == 1 && strncmp(line, byte_order_mark, strlen(byte_order_mark)) == 0) {
		fault = "a byte-order mark";
		line += strlen(byte_order_mark);
	}
	if (hopeless == NULL && strchr(line, '\r') != NULL) {
		fault = "a carriage return";
		line[strcspn(line, "\r")] = '\0';
	}
	line = trim(line);
	if (hopeless != NULL) {
		if (*line == '[')
			guess_section(parser, line);
		return add_fault(parser, "%s", hopeless);
	}
	if (*line == '[')
		return parse_header(parser, line, fault);
	if (*line == '\0' || *line == '#' || *line == ';')
		return fault != NULL ? add_fault(parser, "%s", fault) : 0;
	return parse_setting(parser, line, fault);
}

static struct stored_text *store(struct cloister_config *config, const char *text, size_t size, const char *file_name)
{
	size_t name_size = strlen(file_name) + 1;
	struct stored_text *stored = malloc(sizeof(*stored) + name_size + size + 1);

	if (stored == NULL)
		return NULL;
	memcpy(stored->bytes, file_name, name_size);
	if (size > 0)
		memcpy(stored->bytes + name_size, text, size);
	stored->bytes[name_size + size] = '\0';
	stored->next = config->storage;
	config->storage = stored;
	return stored;
}

int cloister_config_parse(struct cloister_config *config, const char *text, size_t size, const char *file_name,
                          struct cloister_error *err)
{
	struct stored_text *stored = store(config, text, size, file_name);
	struct parser parser = {.config = config, .name = "", .section = CLOISTER_SECTION_NONE};
	int r = stored != NULL ? 0 : -ENOMEM;

	if (r == 0) {
		char *line = stored->bytes + strlen(file_name) + 1;
		char *end = line + size;

		parser.file = stored->bytes;
		while (line < end && r == 0) {
			char *newline = memchr(line, '\n', (size_t)(end - line));
			char *stop = newline != NULL ? newline : end;

			parser.line++;
			r = parse_line(&parser, line, (size_t)(stop - line));
			line = stop + 1;
		}
	}
	if (r < 0)
		return cloister_fail(err, -r, "config", file_name, "no memory for the configuration");
	return 0;
}

void cloister_config_clear(struct cloister_config *config)
{
	struct stored_text *stored = config->storage;

	while (stored != NULL) {
		struct stored_text *next = stored->next;

		free(stored);
		stored = next;
	}
	free(config->entries);
	free(config->faults);
	*config = (struct cloister_config){.n_entries = 0};
}

void cloister_config_free(struct cloister_config *config)
{
	if (config == NULL)
		return;
	cloister_config_clear(config);
	free(config);
}
