/* SPDX-License-Identifier: MIT */
/* The plan as bytes, between the login process and init. Both are of one build: the version guards against a mixture.
 */
#include <errno.h>
#include <string.h>

#include "cloister/cleanup.h"
#include "cloister/plan.h"

/* Another one with each change of what follows, or of the numbers of kinds of rows: sessions outlive an upgrade. */
#define WIRE_MAGIC    0x434c5332U /* "CLS2" */
#define WIRE_TEXT_MAX (1024U * 1024U)
#define WIRE_ROWS_MAX 4096U

struct writer {
	char *bytes;
	size_t size, room;
	bool failed;
};

static void put(struct writer *writer, const void *bytes, size_t size)
{
	if (writer->failed)
		return;
	if (writer->size + size > writer->room) {
		size_t room = (writer->room + size) * 2;
		char *grown = realloc(writer->bytes, room);

		if (grown == NULL) {
			writer->failed = true;
			return;
		}
		writer->bytes = grown;
		writer->room = room;
	}
	memcpy(writer->bytes + writer->size, bytes, size);
	writer->size += size;
}

static void put_number(struct writer *writer, uint64_t number)
{
	put(writer, &number, sizeof(number));
}

static void put_text(struct writer *writer, const char *text)
{
	size_t length = strlen(text);

	put_number(writer, length);
	put(writer, text, length);
}

static void put_map(struct writer *writer, const struct cloister_id_map *map)
{
	put_number(writer, map->n);
	for (size_t i = 0; i < map->n; i++) {
		put_number(writer, map->extents[i].inside);
		put_number(writer, map->extents[i].outside);
		put_number(writer, map->extents[i].count);
	}
}

static void put_limits(struct writer *writer, const struct cloister_limits *limits)
{
	put_number(writer, limits->memory_max);
	put_number(writer, limits->swap_limited);
	put_number(writer, limits->swap_max);
	put_number(writer, limits->pids_max);
	put_text(writer, limits->cpu_max);
	put_text(writer, limits->io_max);
	for (size_t i = 0; i < CLOISTER_RLIMITS; i++) {
		put_number(writer, limits->rlimits[i].set);
		put_number(writer, limits->rlimits[i].soft);
		put_number(writer, limits->rlimits[i].hard);
	}
}

int cloister_plan_encode(const struct cloister_plan *plan, void **buffer, size_t *size)
{
	struct writer writer = {0};
	const char *const texts[] = {plan->session_id, plan->user,     plan->rootfs,       plan->state,  plan->shell,
	                             plan->home,       plan->hostname, plan->network_name, plan->publish};
	const uint64_t numbers[] = {plan->uid,
	                            plan->gid,
	                            plan->namespaces,
	                            plan->capabilities,
	                            plan->terminal,
	                            plan->timeout,
	                            plan->privileged,
	                            plan->no_new_privs,
	                            plan->seccomp,
	                            plan->inside_uid,
	                            plan->inside_gid,
	                            plan->root_inside,
	                            plan->root_capabilities,
	                            plan->writable_max,
	                            plan->writable_files_max,
	                            plan->linger,
	                            plan->shared,
	                            plan->network};

	put_number(&writer, WIRE_MAGIC);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		put_text(&writer, texts[i]);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		put_number(&writer, numbers[i]);
	put_map(&writer, &plan->uid_map);
	put_map(&writer, &plan->gid_map);
	put_map(&writer, &plan->root_uid_map);
	put_map(&writer, &plan->root_gid_map);
	put_limits(&writer, &plan->limits);
	put_number(&writer, plan->n_rows);
	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];

		put_number(&writer, row->kind);
		put_number(&writer, row->flags);
		put_number(&writer, row->attributes);
		put_number(&writer, row->mode);
		put_text(&writer, row->source);
		put_text(&writer, row->target);
		put_text(&writer, row->data);
		put_text(&writer, row->origin);
	}
	if (writer.failed) {
		free(writer.bytes);
		return -ENOMEM;
	}
	*buffer = writer.bytes;
	*size = writer.size;
	return 0;
}

struct reader {
	const char *bytes;
	size_t left;
	int error;
};

static uint64_t get_number(struct reader *reader, uint64_t limit)
{
	uint64_t number = 0;

	if (reader->error != 0 || reader->left < sizeof(number)) {
		reader->error = reader->error != 0 ? reader->error : EBADMSG;
		return 0;
	}
	memcpy(&number, reader->bytes, sizeof(number));
	reader->bytes += sizeof(number);
	reader->left -= sizeof(number);
	if (number > limit) {
		reader->error = EBADMSG;
		return 0;
	}
	return number;
}

static char *get_text(struct reader *reader)
{
	size_t length = (size_t)get_number(reader, WIRE_TEXT_MAX);

	if (reader->error != 0)
		return NULL;
	if (length > reader->left || memchr(reader->bytes, '\0', length) != NULL) {
		reader->error = EBADMSG;
		return NULL;
	}
	char *text = strndup(reader->bytes, length);
	if (text == NULL)
		reader->error = ENOMEM;
	reader->bytes += length;
	reader->left -= length;
	return text;
}

static void get_map(struct reader *reader, struct cloister_id_map *map)
{
	size_t n = (size_t)get_number(reader, CLOISTER_ID_EXTENTS_MAX);

	for (size_t i = 0; i < n; i++) {
		map->extents[i].inside = (uint32_t)get_number(reader, UINT32_MAX);
		map->extents[i].outside = (uint32_t)get_number(reader, UINT32_MAX);
		map->extents[i].count = (uint32_t)get_number(reader, UINT32_MAX);
	}
	map->n = n;
}

static void get_short_text(struct reader *reader, char *text, size_t size)
{
	char _cleanup_free_ *read = get_text(reader);

	if (read != NULL && strlen(read) >= size)
		reader->error = EBADMSG;
	else if (read != NULL)
		memcpy(text, read, strlen(read) + 1);
}

static void get_limits(struct reader *reader, struct cloister_limits *limits)
{
	limits->memory_max = get_number(reader, UINT64_MAX);
	limits->swap_limited = get_number(reader, 1) != 0;
	limits->swap_max = get_number(reader, UINT64_MAX);
	limits->pids_max = get_number(reader, UINT64_MAX);
	get_short_text(reader, limits->cpu_max, sizeof(limits->cpu_max));
	get_short_text(reader, limits->io_max, sizeof(limits->io_max));
	for (size_t i = 0; i < CLOISTER_RLIMITS; i++) {
		limits->rlimits[i].set = get_number(reader, 1) != 0;
		limits->rlimits[i].soft = get_number(reader, UINT64_MAX);
		limits->rlimits[i].hard = get_number(reader, UINT64_MAX);
	}
}

static void get_rows(struct reader *reader, struct cloister_plan *plan)
{
	size_t n = (size_t)get_number(reader, WIRE_ROWS_MAX);

	plan->rows = calloc(n + 1, sizeof(*plan->rows));
	if (plan->rows == NULL) {
		reader->error = ENOMEM;
		return;
	}
	plan->n_rows = n;
	for (size_t i = 0; i < n && reader->error == 0; i++) {
		struct cloister_row *row = &plan->rows[i];

		row->kind = (enum cloister_row_kind)get_number(reader, CLOISTER_ROW_KINDS - 1);
		row->flags = (uint32_t)get_number(reader, UINT32_MAX);
		row->attributes = get_number(reader, UINT64_MAX);
		row->mode = (uint32_t)get_number(reader, 07777);
		row->source = get_text(reader);
		row->target = get_text(reader);
		row->data = get_text(reader);
		row->origin = get_text(reader);
	}
}

int cloister_plan_decode(const void *buffer, size_t size, struct cloister_plan **out)
{
	struct reader reader = {.bytes = buffer, .left = size};
	struct cloister_plan _cleanup_plan_ *plan = calloc(1, sizeof(*plan));

	if (plan == NULL)
		return -ENOMEM;
	if (get_number(&reader, UINT32_MAX) != WIRE_MAGIC)
		return -EBADMSG;
	plan->session_id = get_text(&reader);
	plan->user = get_text(&reader);
	plan->rootfs = get_text(&reader);
	plan->state = get_text(&reader);
	plan->shell = get_text(&reader);
	plan->home = get_text(&reader);
	plan->hostname = get_text(&reader);
	plan->network_name = get_text(&reader);
	plan->publish = get_text(&reader);
	plan->uid = (uint32_t)get_number(&reader, UINT32_MAX);
	plan->gid = (uint32_t)get_number(&reader, UINT32_MAX);
	plan->namespaces = get_number(&reader, UINT64_MAX);
	plan->capabilities = get_number(&reader, UINT64_MAX);
	plan->terminal = (uint32_t)get_number(&reader, CLOISTER_TERMINAL_RELAY);
	plan->timeout = (uint32_t)get_number(&reader, UINT32_MAX);
	plan->privileged = get_number(&reader, 1) != 0;
	plan->no_new_privs = get_number(&reader, 1) != 0;
	plan->seccomp = get_number(&reader, 1) != 0;
	plan->inside_uid = (uint32_t)get_number(&reader, UINT32_MAX);
	plan->inside_gid = (uint32_t)get_number(&reader, UINT32_MAX);
	plan->root_inside = get_number(&reader, 1) != 0;
	plan->root_capabilities = get_number(&reader, UINT64_MAX);
	plan->writable_max = get_number(&reader, UINT64_MAX);
	plan->writable_files_max = get_number(&reader, UINT64_MAX);
	plan->linger = (uint32_t)get_number(&reader, UINT32_MAX);
	plan->shared = get_number(&reader, 1) != 0;
	plan->network = (uint32_t)get_number(&reader, CLOISTER_NETWORK_NETNS);
	get_map(&reader, &plan->uid_map);
	get_map(&reader, &plan->gid_map);
	get_map(&reader, &plan->root_uid_map);
	get_map(&reader, &plan->root_gid_map);
	get_limits(&reader, &plan->limits);
	if (reader.error == 0)
		get_rows(&reader, plan);
	if (reader.error == 0 && reader.left != 0)
		reader.error = EBADMSG;
	if (reader.error != 0)
		return -reader.error;
	*out = TAKE_PTR(plan);
	return 0;
}
