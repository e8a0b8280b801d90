/* SPDX-License-Identifier: MIT */
/*
 * cloister.conf(5): an INI file as entries with their place. Reading is strict, and goes on after an
 * error, so that it can be told whom a broken configuration concerns (cloister_policy_for_user).
 *
 * Why not libeconf: version 0.5 keeps neither the line of an entry nor a repeated key, takes part of
 * its behaviour from environment variables, and drops a NUL byte and what follows it in silence.
 */
#ifndef CLOISTER_CONFIG_H
#define CLOISTER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "cloister/error.h"

#define CLOISTER_CONFIG_SIZE_MAX    (1024U * 1024U) /* bytes of one file */
#define CLOISTER_CONFIG_LINE_MAX    4096U           /* bytes of one line */
#define CLOISTER_CONFIG_DROPINS_MAX 256U            /* files of one cloister.conf.d */

enum cloister_section_kind {
	CLOISTER_SECTION_NONE, /* a line before any section, or under a header that is none */
	CLOISTER_SECTION_DEFAULT,
	CLOISTER_SECTION_GROUP,
	CLOISTER_SECTION_USER,
};

/* One "key = value" line. All strings are owned by the configuration. */
struct cloister_config_entry {
	enum cloister_section_kind section;
	const char *name; /* of the group or user; "" for [default] */
	const char *key;
	const char *value; /* blanks around it taken away; never NULL */
	const char *file;
	unsigned line;
};

/* A line that is wrong. The section is the one it stands in (for a broken header: the one it seems to open). */
struct cloister_config_fault {
	enum cloister_section_kind section;
	const char *name;
	const char *file;
	unsigned line;
	char text[200];
};

struct cloister_config {
	struct cloister_config_entry *entries; /* in the order read: later files after earlier ones */
	size_t n_entries;
	struct cloister_config_fault *faults;
	size_t n_faults;
	void *storage; /* private */
};

/*
 * Parses text of size bytes (it need not end with NUL), as if read from a file called file_name, and
 * adds what it finds to config (zeroed at first). Pure: no system call. Faults in the text are recorded in
 * config->faults, not returned. Comments are whole lines that start with '#' or ';'.
 * A NUL byte, a carriage return, a byte-order mark, an overlong line, a header that is not
 * [default], [group:NAME] or [user:NAME], a line without '=', an empty key: each a fault with its line.
 * Returns 0 or -ENOMEM.
 */
int cloister_config_parse(struct cloister_config *config, const char *text, size_t size, const char *file_name,
                          struct cloister_error *err);

/*
 * Loads a configuration.
 * path: the file to read, for it alone; or NULL for the standard places: SYSCONFDIR/cloister/cloister.conf
 * if it exists, else the vendor's PREFIX/lib/cloister/cloister.conf, then SYSCONFDIR/cloister/cloister.conf.d/
 * *.conf in the order of their names (strcmp). A path given also has its own PATH.d directory, read in the same way.
 * trusted: the configuration decides for root: each file must be a regular file (a symlink only in a
 * directory that root alone can write), owned by root and writable by nobody else, and so must be every
 * directory on the way; a FIFO never blocks. Not trusted (the unprivileged shell and `cloister plan`): the file
 * is only required to be a regular one.
 * Errors: -ENOENT when there is no configuration at all, -EACCES/-EPERM for one that cannot be trusted, -EFBIG.
 * On success *out is owned by the caller, who must look at n_faults.
 */
int cloister_config_load(const char *path, bool trusted, struct cloister_config **out, struct cloister_error *err);

/* Frees what a configuration holds and itself; NULL is allowed. */
void cloister_config_free(struct cloister_config *config);
/* Frees what a configuration on the stack holds, not itself. */
void cloister_config_clear(struct cloister_config *config);

static inline void cloister_cleanup_config(struct cloister_config **config)
{
	cloister_config_free(*config);
}
#define _cleanup_config_ __attribute__((cleanup(cloister_cleanup_config)))

#endif
