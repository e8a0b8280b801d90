/* SPDX-License-Identifier: MIT */
/* The plan for people (`cloister plan USER`) and for programs (`--json`). */
#include <inttypes.h>
#include <json-c/json.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "cloister/cleanup.h"
#include "cloister/plan.h"

struct flag_name {
	uint64_t flag;
	const char *name;
};

static const struct flag_name namespace_names[] = {{CLONE_NEWUSER, "user"}, {CLONE_NEWNS, "mnt"},
                                                   {CLONE_NEWPID, "pid"},   {CLONE_NEWUTS, "uts"},
                                                   {CLONE_NEWIPC, "ipc"},   {CLONE_NEWCGROUP, "cgroup"},
                                                   {CLONE_NEWNET, "net"},   {0, NULL}};
static const struct flag_name attribute_names[] = {{MOUNT_ATTR_RDONLY, "ro"},
                                                   {MOUNT_ATTR_NOSUID, "nosuid"},
                                                   {MOUNT_ATTR_NODEV, "nodev"},
                                                   {MOUNT_ATTR_NOEXEC, "noexec"},
                                                   {0, NULL}};
static const struct flag_name row_flag_names[] = {{CLOISTER_ROW_IDMAP, "idmap"},
                                                  {CLOISTER_ROW_IF_PRESENT, "if-present"},
                                                  {CLOISTER_ROW_TRUSTED, "trusted"},
                                                  {CLOISTER_ROW_ROOT_ONLY, "root-owned"},
                                                  {CLOISTER_ROW_FOR_USER, "user-owned"},
                                                  {CLOISTER_ROW_ALONE, "alone"},
                                                  {0, NULL}};
static const char *const terminal_names[] = {"none", "login-view", "bind", "relay"};

static void print_flags(FILE *out, uint64_t flags, const struct flag_name *names, const char *before)
{
	for (const struct flag_name *name = names; name->name != NULL; name++) {
		if (flags & name->flag) {
			fprintf(out, "%s%s", before, name->name);
			before = ",";
		}
	}
}

static void print_map(FILE *out, const char *title, const struct cloister_id_map *map)
{
	fprintf(out, "%s", title);
	if (map->n == 0)
		fputs(" as on the host", out);
	for (size_t i = 0; i < map->n; i++)
		fprintf(out, " %" PRIu32 ":%" PRIu32 ":%" PRIu32, map->extents[i].inside, map->extents[i].outside,
		        map->extents[i].count);
	fputc('\n', out);
}

/* Mount points are named by users, too, and what is printed here is read on a terminal. */
static void print_safe(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else
			fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
	}
}

static void print_row(FILE *out, size_t number, const struct cloister_row *row)
{
	fprintf(out, "%3zu %-12s", number, cloister_row_name(row->kind));
	if (*row->target != '\0') {
		fputc(' ', out);
		print_safe(out, row->target);
	}
	if (*row->source != '\0') {
		fputs(" from ", out);
		print_safe(out, row->source);
	}
	if (*row->data != '\0') {
		fputs(" \"", out);
		print_safe(out, row->data);
		fputc('"', out);
	}
	print_flags(out, row->attributes, attribute_names, " ");
	print_flags(out, row->flags, row_flag_names, " [");
	if (row->flags != 0)
		fputc(']', out);
	fputc('\n', out);
}

static void print_network(FILE *out, const struct cloister_plan *plan)
{
	char network[CLOISTER_NETWORK_TEXT_MAX];

	cloister_plan_network(plan, network, sizeof(network));
	fprintf(out, "network    %s\n", network);
	for (const char *line = plan->publish; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n')
		fprintf(out, "publish    %.*s\n", (int)strcspn(line, "\n"), line);
}

/* Two lines of io.max in one. */
static void print_limit(FILE *out, const char *name, const char *value)
{
	fprintf(out, "limit      %s ", name);
	for (; *value != '\0'; value++)
		fputc(*value == '\n' ? ',' : *value, out);
	fputc('\n', out);
}

static void print_limits(FILE *out, const struct cloister_limits *limits)
{
	struct cloister_cgroup_setting settings[CLOISTER_CGROUP_SETTINGS];
	size_t n = cloister_limits_cgroup(limits, settings);

	for (size_t i = 0; i < n; i++)
		print_limit(out, settings[i].file, settings[i].value);
	for (size_t i = 0; i < CLOISTER_RLIMITS; i++) {
		char value[2 * 20 + 2];

		if (cloister_rlimit_text(&limits->rlimits[i], value, sizeof(value)))
			print_limit(out, cloister_rlimit_names[i].key, value);
	}
}

char *cloister_plan_text(const struct cloister_plan *plan)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	fprintf(out, "user       %s (%" PRIu32 ":%" PRIu32 ")\n", plan->user, plan->uid, plan->gid);
	fprintf(out, "session    %s\n", plan->session_id);
	fprintf(out, "carried by %s\n", plan->privileged ? "root" : "the user, in a namespace of their own");
	fputs("namespaces", out);
	print_flags(out, plan->namespaces, namespace_names, " ");
	fputc('\n', out);
	print_map(out, "uids      ", &plan->uid_map);
	print_map(out, "gids      ", &plan->gid_map);
	if (plan->root_inside) {
		print_map(out, "root: uids", &plan->root_uid_map);
		print_map(out, "root: gids", &plan->root_gid_map);
		fprintf(out, "root: caps %#" PRIx64 "\n", plan->root_capabilities);
	}
	print_network(out, plan);
	fprintf(out, "shell      %s\n", plan->shell);
	fprintf(out, "terminal   %s\n", terminal_names[plan->terminal]);
	fprintf(out, "timeout    %" PRIu32 " s\n", plan->timeout);
	if (plan->writable_max != 0)
		fprintf(out, "quota      %" PRIu64 " bytes\n", plan->writable_max);
	if (plan->writable_files_max != 0)
		fprintf(out, "quota      %" PRIu64 " files\n", plan->writable_files_max);
	fprintf(out, "scope      %s\n", plan->shared ? "user" : "session");
	if (plan->shared && plan->linger == CLOISTER_PLAN_LINGER_FOREVER)
		fputs("linger     for ever\n", out);
	else if (plan->shared)
		fprintf(out, "linger     %" PRIu32 " s\n", plan->linger);
	print_limits(out, &plan->limits);
	for (size_t i = 0; i < plan->n_rows; i++)
		print_row(out, i + 1, &plan->rows[i]);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static json_object *json_flags(uint64_t flags, const struct flag_name *names)
{
	json_object *array = json_object_new_array();

	for (const struct flag_name *name = names; name->name != NULL; name++) {
		if (flags & name->flag)
			json_object_array_add(array, json_object_new_string(name->name));
	}
	return array;
}

static json_object *json_map(const struct cloister_id_map *map)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < map->n; i++) {
		json_object *extent = json_object_new_object();

		json_object_object_add(extent, "inside", json_object_new_uint64(map->extents[i].inside));
		json_object_object_add(extent, "outside", json_object_new_uint64(map->extents[i].outside));
		json_object_object_add(extent, "count", json_object_new_uint64(map->extents[i].count));
		json_object_array_add(array, extent);
	}
	return array;
}

static json_object *json_row(const struct cloister_row *row)
{
	json_object *object = json_object_new_object();

	json_object_object_add(object, "step", json_object_new_string(cloister_row_name(row->kind)));
	if (*row->target != '\0')
		json_object_object_add(object, "target", json_object_new_string(row->target));
	if (*row->source != '\0')
		json_object_object_add(object, "source", json_object_new_string(row->source));
	if (*row->data != '\0')
		json_object_object_add(object, "data", json_object_new_string(row->data));
	if (*row->origin != '\0')
		json_object_object_add(object, "origin", json_object_new_string(row->origin));
	if (row->attributes != 0)
		json_object_object_add(object, "attributes", json_flags(row->attributes, attribute_names));
	if (row->flags != 0)
		json_object_object_add(object, "flags", json_flags(row->flags, row_flag_names));
	return object;
}

static void json_network(json_object *object, const struct cloister_plan *plan)
{
	char network[CLOISTER_NETWORK_TEXT_MAX];
	json_object *publish = json_object_new_array();

	cloister_plan_network(plan, network, sizeof(network));
	json_object_object_add(object, "network", json_object_new_string(network));
	for (const char *line = plan->publish; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n')
		json_object_array_add(publish, json_object_new_string_len(line, (int)strcspn(line, "\n")));
	json_object_object_add(object, "publish", publish);
}

static json_object *json_limits(const struct cloister_limits *limits)
{
	struct cloister_cgroup_setting settings[CLOISTER_CGROUP_SETTINGS];
	json_object *object = json_object_new_object();
	size_t n = cloister_limits_cgroup(limits, settings);

	for (size_t i = 0; i < n; i++)
		json_object_object_add(object, settings[i].file, json_object_new_string(settings[i].value));
	for (size_t i = 0; i < CLOISTER_RLIMITS; i++) {
		char value[2 * 20 + 2];

		if (cloister_rlimit_text(&limits->rlimits[i], value, sizeof(value)))
			json_object_object_add(object, cloister_rlimit_names[i].key, json_object_new_string(value));
	}
	return object;
}

char *cloister_plan_json(const struct cloister_plan *plan)
{
	json_object *object = json_object_new_object();
	json_object *rows = json_object_new_array();

	json_object_object_add(object, "user", json_object_new_string(plan->user));
	json_object_object_add(object, "uid", json_object_new_uint64(plan->uid));
	json_object_object_add(object, "gid", json_object_new_uint64(plan->gid));
	json_object_object_add(object, "session", json_object_new_string(plan->session_id));
	json_object_object_add(object, "privileged", json_object_new_boolean(plan->privileged));
	json_object_object_add(object, "namespaces", json_flags(plan->namespaces, namespace_names));
	json_object_object_add(object, "uid_map", json_map(&plan->uid_map));
	json_object_object_add(object, "gid_map", json_map(&plan->gid_map));
	if (plan->root_inside) {
		json_object_object_add(object, "root_uid_map", json_map(&plan->root_uid_map));
		json_object_object_add(object, "root_gid_map", json_map(&plan->root_gid_map));
		json_object_object_add(object, "root_capabilities", json_object_new_uint64(plan->root_capabilities));
	}
	json_object_object_add(object, "rootfs", json_object_new_string(plan->rootfs));
	json_object_object_add(object, "shell", json_object_new_string(plan->shell));
	json_network(object, plan);
	json_object_object_add(object, "hostname", json_object_new_string(plan->hostname));
	json_object_object_add(object, "terminal", json_object_new_string(terminal_names[plan->terminal]));
	json_object_object_add(object, "timeout", json_object_new_uint64(plan->timeout));
	if (plan->writable_max != 0)
		json_object_object_add(object, "writable_max", json_object_new_uint64(plan->writable_max));
	if (plan->writable_files_max != 0)
		json_object_object_add(object, "writable_files_max", json_object_new_uint64(plan->writable_files_max));
	json_object_object_add(object, "scope", json_object_new_string(plan->shared ? "user" : "session"));
	if (plan->shared)
		json_object_object_add(object, "linger",
		                       plan->linger == CLOISTER_PLAN_LINGER_FOREVER
		                               ? json_object_new_string("yes")
		                               : json_object_new_uint64(plan->linger));
	json_object_object_add(object, "limits", json_limits(&plan->limits));
	for (size_t i = 0; i < plan->n_rows; i++)
		json_object_array_add(rows, json_row(&plan->rows[i]));
	json_object_object_add(object, "rows", rows);
	char *text = strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY));
	json_object_put(object);
	return text;
}
