/* SPDX-License-Identifier: MIT */
/* The names in a directory of the registry, some at a time: readdir(3) asks for 32 KiB of them at once, which with a
 * thousand sessions costs more than all else that a login does there. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>
#include <unistd.h>

#include "registry_entries.h"

/* So many of a user's entries a login looks at, to remove dead ones. */
#define SWEEP_MAX 4
/* A login goes through a directory with more entries than this only now and then, and then looks at so many more. */
#define SMALL      64
#define SELDOM     16
#define SWEEP_MANY (SWEEP_MAX * SELDOM)

void cloister_registry_names_start(struct cloister_registry_names *names, int directory)
{
	*names = (struct cloister_registry_names){.directory = directory};
}

const char *cloister_registry_names_next(struct cloister_registry_names *names)
{
	for (;;) {
		if (names->at >= names->size) {
			ssize_t n = getdents64(names->directory, names->buffer, sizeof(names->buffer));

			names->error = n < 0 ? -errno : 0;
			if (n <= 0)
				return NULL;
			names->size = (size_t)n;
			names->at = 0;
		}
		const struct dirent64 *entry = (const struct dirent64 *)(const void *)(names->buffer + names->at);
		names->at += entry->d_reclen;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return entry->d_name;
	}
}

static void rewind_names(struct cloister_registry_names *names)
{
	lseek(names->directory, 0, SEEK_SET);
	cloister_registry_names_start(names, names->directory);
}

bool cloister_registry_is_of(const char *name, const char *user)
{
	size_t length = strlen(user) < CLOISTER_SESSION_ID_USER ? strlen(user) : CLOISTER_SESSION_ID_USER;

	return *name == '.' || (strncmp(name, user, length) == 0 && name[length] == '-');
}

/* A number below count, or 0 when the kernel has none to give yet. */
static size_t any_below(size_t count)
{
	size_t number = 0;

	return getrandom(&number, sizeof(number), GRND_NONBLOCK) == (ssize_t)sizeof(number) ? number % count : 0;
}

void cloister_registry_visit_some(int directory, const char *user, void (*visit)(int directory, const char *name))
{
	struct cloister_registry_names names;
	size_t all = 0, own = 0, number = 0, most = SWEEP_MAX;

	cloister_registry_names_start(&names, directory);
	for (const char *name; (name = cloister_registry_names_next(&names)) != NULL;) {
		own += cloister_registry_is_of(name, user);
		if (++all != SMALL)
			continue;
		if (any_below(SELDOM) != 0)
			return;
		most = SWEEP_MANY;
	}
	if (own == 0)
		return;
	/* Wherever: what is dead is met sooner or later. */
	size_t first = own > most ? any_below(own) : 0;
	rewind_names(&names);
	for (const char *name; number < own && (name = cloister_registry_names_next(&names)) != NULL;) {
		if (cloister_registry_is_of(name, user) && (number++ + own - first) % own < most)
			visit(directory, name);
	}
}
