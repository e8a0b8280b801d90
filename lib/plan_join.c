/* SPDX-License-Identifier: MIT */
/* Whether a login may join a session: its plan against the one that the session was started with. Pure. */
#include <stdio.h>
#include <string.h>

#include "cloister/plan.h"

static bool same_map(const struct cloister_id_map *a, const struct cloister_id_map *b)
{
	return a->n == b->n && memcmp(a->extents, b->extents, a->n * sizeof(*a->extents)) == 0;
}

/* The session file names the session in its first line, and that is not ours. */
static const char *without_id(const struct cloister_row *row)
{
	const char *data = row->data;

	if (row->kind == CLOISTER_ROW_FILE && strcmp(row->target, CLOISTER_SESSION_FILE) == 0)
		data += strcspn(data, "\n");
	return data;
}

static bool same_row(const struct cloister_row *a, const struct cloister_row *b)
{
	return a->kind == b->kind && a->flags == b->flags && a->attributes == b->attributes && a->mode == b->mode &&
	       strcmp(a->source, b->source) == 0 && strcmp(a->target, b->target) == 0 &&
	       strcmp(without_id(a), without_id(b)) == 0;
}

static bool same_rows(const struct cloister_plan *ours, const struct cloister_plan *theirs, char *what, size_t size)
{
	for (size_t i = 0; i < ours->n_rows || i < theirs->n_rows; i++) {
		const struct cloister_row *row = i < ours->n_rows ? &ours->rows[i] : &theirs->rows[i];

		if (i < ours->n_rows && i < theirs->n_rows && same_row(&ours->rows[i], &theirs->rows[i]))
			continue;
		snprintf(what, size, "%s%s%s", cloister_row_name(row->kind), *row->target != '\0' ? " " : "",
		         row->target);
		return false;
	}
	return true;
}

/*
 * Two things are left out: the session's id, and what is the login's own (its terminal). A row that is not security's
 * business, such as a host name, counts too: whoever changed it expects to see it.
 */
bool cloister_plan_may_join(const struct cloister_plan *ours, const struct cloister_plan *theirs, char *what,
                            size_t size)
{
	const struct {
		bool same;
		const char *what;
	} parts[] = {
		{ours->shared && theirs->shared, "scope"},
		{ours->privileged == theirs->privileged, "who carries it out"},
		{ours->uid == theirs->uid && ours->gid == theirs->gid, "the user's ids"},
		{strcmp(ours->user, theirs->user) == 0, "the user's name"},
		{strcmp(ours->rootfs, theirs->rootfs) == 0, "rootfs"},
		{strcmp(ours->state, theirs->state) == 0, "state"},
		{strcmp(ours->shell, theirs->shell) == 0, "shell"},
		{strcmp(ours->home, theirs->home) == 0, "home"},
		{strcmp(ours->hostname, theirs->hostname) == 0, "hostname"},
		{ours->network == theirs->network && strcmp(ours->network_name, theirs->network_name) == 0, "network"},
		{strcmp(ours->publish, theirs->publish) == 0, "publish"},
		{ours->namespaces == theirs->namespaces, "users"},
		{same_map(&ours->uid_map, &theirs->uid_map), "uid map"},
		{same_map(&ours->gid_map, &theirs->gid_map), "gid map"},
		{ours->root_inside == theirs->root_inside && ours->inside_uid == theirs->inside_uid &&
	                 ours->inside_gid == theirs->inside_gid &&
	                 same_map(&ours->root_uid_map, &theirs->root_uid_map) &&
	                 same_map(&ours->root_gid_map, &theirs->root_gid_map),
	         "users"},
		{ours->capabilities == theirs->capabilities && ours->root_capabilities == theirs->root_capabilities,
	         "capabilities"},
		{ours->writable_max == theirs->writable_max && ours->writable_files_max == theirs->writable_files_max,
	         "writable_max or writable_files_max"},
		{ours->no_new_privs == theirs->no_new_privs, "no_new_privs"},
		{ours->seccomp == theirs->seccomp, "seccomp"},
		{cloister_limits_same(&ours->limits, &theirs->limits), "limits"},
		{ours->linger == theirs->linger, "linger"},
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (!parts[i].same) {
			snprintf(what, size, "%s", parts[i].what);
			return false;
		}
	}
	return same_rows(ours, theirs, what, size);
}
