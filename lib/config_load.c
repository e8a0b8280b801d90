/* SPDX-License-Identifier: MIT */
/* Configuration files: where they are, and whether they may decide for root. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/config.h"
#include "cloister/path.h"

#define MAIN_FILE   CLOISTER_SYSCONFDIR "/cloister/cloister.conf"
#define VENDOR_FILE CLOISTER_PREFIX "/lib/cloister/cloister.conf"

static enum cloister_path_trust trust_of(bool trusted)
{
	return trusted ? CLOISTER_PATH_ROOT_OWNED : CLOISTER_PATH_OWN_RIGHTS;
}

/* The O_PATH descriptor of the walk is what is read: a name is not resolved twice, and a FIFO is never opened. */
static int open_for_reading(const char *path, bool trusted, struct cloister_error *err)
{
	char name[40];
	struct stat st;
	int _cleanup_close_ fd = cloister_path_open_host(path, 0, trust_of(trusted), err);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return cloister_fail(err, errno, "configuration", path, "cannot stat");
	if (!S_ISREG(st.st_mode))
		return cloister_fail(err, EACCES, "configuration", path, "not a regular file");
	if (st.st_size > CLOISTER_CONFIG_SIZE_MAX)
		return cloister_fail(err, EFBIG, "configuration", path, "larger than %u bytes",
		                     CLOISTER_CONFIG_SIZE_MAX);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	int file = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return file < 0 ? cloister_fail(err, errno, "configuration", path, "cannot read") : file;
}

static int load_file(const char *path, bool trusted, struct cloister_config *config, struct cloister_error *err)
{
	int _cleanup_close_ fd = open_for_reading(path, trusted, err);
	size_t used = 0;

	if (fd < 0)
		return fd;
	char _cleanup_free_ *text = malloc(CLOISTER_CONFIG_SIZE_MAX + 1);
	if (text == NULL)
		return cloister_fail(err, ENOMEM, "configuration", path, "no memory");
	for (;;) {
		ssize_t n = read(fd, text + used, CLOISTER_CONFIG_SIZE_MAX + 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cloister_fail(err, errno, "configuration", path, "cannot read");
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > CLOISTER_CONFIG_SIZE_MAX)
			return cloister_fail(err, EFBIG, "configuration", path, "larger than %u bytes",
			                     CLOISTER_CONFIG_SIZE_MAX);
	}
	/* A file of no bytes is what a crash left of one: nobody can tell who was to be isolated. */
	if (used == 0)
		return cloister_fail(err, ENODATA, "configuration", path, "the file is empty");
	return cloister_config_parse(config, text, used, path, err);
}

static int is_drop_in(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

/* strcmp(3), since the order must not depend on the login program's locale. */
static int by_name(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

/* How many there are, or -errno, which is never -ENOENT: that would be "no configuration" to callers. */
static int load_drop_ins(const char *path, bool trusted, struct cloister_config *config, struct cloister_error *err)
{
	char directory[PATH_MAX], file[PATH_MAX];
	struct cloister_error why = {0};
	struct dirent **entries = NULL;
	int r = 0;

	int size = snprintf(directory, sizeof(directory), "%s.d", path);
	if (size < 0 || (size_t)size >= sizeof(directory))
		return cloister_fail(err, ENAMETOOLONG, "configuration", path, "too long");
	int _cleanup_close_ found = cloister_path_open_host(directory, O_DIRECTORY, trust_of(trusted), &why);
	if (found == -ENOENT || found == -ENOTDIR)
		return 0;
	if (found < 0)
		return cloister_fail(err, -found, "configuration", directory, "cannot open: %s", why.text);
	int n = scandirat(found, ".", &entries, is_drop_in, by_name);
	if (n < 0)
		return cloister_fail(err, errno, "configuration", directory, "cannot read");
	if (n > (int)CLOISTER_CONFIG_DROPINS_MAX)
		r = cloister_fail(err, E2BIG, "configuration", directory, "more than %u files",
		                  CLOISTER_CONFIG_DROPINS_MAX);
	for (int i = 0; i < n; i++) {
		size = snprintf(file, sizeof(file), "%s/%s", directory, entries[i]->d_name);
		if (r == 0 && size > 0 && (size_t)size < sizeof(file))
			r = load_file(file, trusted, config, err);
		/* A link that leads nowhere, or replaced at this moment. Without it the rest is another policy. */
		if (r == -ENOENT)
			r = cloister_fail(err, ESTALE, "configuration", file,
			                  "is listed in the directory, and is not there");
		free(entries[i]);
	}
	free(entries);
	return r < 0 ? r : n;
}

int cloister_config_load(const char *path, bool trusted, struct cloister_config **out, struct cloister_error *err)
{
	struct cloister_config _cleanup_config_ *config = calloc(1, sizeof(*config));
	const char *main_file = path != NULL ? path : MAIN_FILE;
	struct stat st;

	if (config == NULL)
		return cloister_fail(err, ENOMEM, "configuration", main_file, "no memory");
	int r = load_file(main_file, trusted, config, err);
	if (r == -ENOENT && lstat(main_file, &st) == 0)
		return cloister_fail(err, ESTALE, "configuration", main_file, "a link that leads nowhere");
	if (r == -ENOENT && path == NULL)
		r = load_file(VENDOR_FILE, trusted, config, err);
	if (r < 0 && r != -ENOENT)
		return r;
	int n = load_drop_ins(main_file, trusted, config, err);
	if (n < 0)
		return n;
	if (r == -ENOENT && n == 0)
		return cloister_fail(err, ENOENT, "configuration", main_file, "there is no configuration");
	if (config->n_entries == 0 && config->n_faults > 0)
		return cloister_fail(err, EINVAL, "configuration", config->faults[0].file,
		                     "line %u: %s; nothing in it can be read", config->faults[0].line,
		                     config->faults[0].text);
	*out = TAKE_PTR(config);
	return 0;
}
