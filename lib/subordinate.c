/* SPDX-License-Identifier: MIT */
/* A user's subordinate ids. */
#include "subordinate.h"

#include <dlfcn.h>
#include <errno.h>
#include <shadow/subid.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cloister/cleanup.h"
#include "cloister/number.h"

#define STRING(text)         #text
#define LIBRARY_NAME(number) "libsubid.so." STRING(number)

static const char library_name[] = LIBRARY_NAME(SUBID_ABI_MAJOR);

typedef bool init_function(const char *program, FILE *log);
typedef int list_function(const char *owner, struct subid_range **ranges);

static bool is_large(uint64_t start, uint64_t length, uint32_t count)
{
	return length >= count && start > 0 && start <= UINT32_MAX - count;
}

static bool is_owner(const char *field, size_t length, const struct cloister_account *account)
{
	uint64_t uid;

	return (strlen(account->name) == length && strncmp(field, account->name, length) == 0) ||
	       (cloister_number_parse(field, length, &uid) == 0 && uid == account->uid);
}

/* "NAME:START:COUNT" */
static bool parse_line(const char *line, const struct cloister_account *account, uint64_t *start, uint64_t *length)
{
	size_t owner = strcspn(line, ":\n");

	if (line[owner] != ':' || !is_owner(line, owner, account))
		return false;
	line += owner + 1;
	size_t first = strcspn(line, ":\n");
	if (line[first] != ':' || cloister_number_parse(line, first, start) < 0)
		return false;
	line += first + 1;
	return cloister_number_parse(line, strcspn(line, "\n"), length) == 0;
}

int cloister_subordinate_scan(FILE *lines, const struct cloister_account *account, uint32_t count, uint32_t *base)
{
	char _cleanup_free_ *line = NULL;
	size_t size = 0;
	uint64_t start, length;

	*base = 0;
	errno = 0;
	while (*base == 0 && getline(&line, &size, lines) >= 0) {
		if (parse_line(line, account, &start, &length) && is_large(start, length, count))
			*base = (uint32_t)start;
	}
	return *base == 0 && !feof(lines) ? -(errno != 0 ? errno : EIO) : 0;
}

int cloister_subordinate_scan_source(FILE *lines, bool *files)
{
	static const char key[] = "subid:", blanks[] = " \t\n", own[] = "files";
	char _cleanup_free_ *line = NULL;
	size_t size = 0;

	*files = true;
	errno = 0;
	while (getline(&line, &size, lines) >= 0) {
		const char *at = line + strspn(line, blanks);

		if (strncasecmp(at, key, strlen(key)) != 0)
			continue;
		at += strlen(key);
		at += strspn(at, blanks);
		size_t length = strcspn(at, blanks);
		*files = length == 0 || (length == strlen(own) && strncmp(at, own, length) == 0);
		return 0;
	}
	return feof(lines) ? 0 : -(errno != 0 ? errno : EIO);
}

static int find_in_file(const char *path, const struct cloister_account *account, uint32_t count, uint32_t *base,
                        struct cloister_error *err)
{
	FILE _cleanup_fclose_ *lines = fopen(path, "re");

	*base = 0;
	if (lines == NULL && errno == ENOENT)
		return 0;
	int r = lines == NULL ? -errno : cloister_subordinate_scan(lines, account, count, base);
	return r < 0 ? cloister_fail(err, -r, "ids", path, "cannot read") : 0;
}

static int is_left_to_files(bool *files, struct cloister_error *err)
{
	FILE _cleanup_fclose_ *lines = fopen(CLOISTER_NSSWITCH_FILE, "re");

	*files = true;
	if (lines == NULL && errno == ENOENT)
		return 0;
	int r = lines == NULL ? -errno : cloister_subordinate_scan_source(lines, files);
	return r < 0 ? cloister_fail(err, -r, "ids", CLOISTER_NSSWITCH_FILE, "cannot read") : 0;
}

static int ask_list(list_function *list, const char *what, const struct cloister_account *account, uint32_t count,
                    uint32_t *base, struct cloister_error *err)
{
	struct subid_range _cleanup_free_ *ranges = NULL;

	*base = 0;
	errno = 0;
	int n = list(account->name, &ranges);
	int code = errno;
	for (int i = 0; i < n && *base == 0; i++) {
		if (is_large(ranges[i].start, ranges[i].count, count))
			*base = (uint32_t)ranges[i].start;
	}
	/* Without an errno the source does not know the user. */
	return n < 0 && code != 0 && code != ENOENT ? cloister_fail(err, code, "ids", what, "cannot read") : 0;
}

/* Fills the pointer to a function with what a library has of that name; dlsym(3) has a pointer to data. */
static bool find_function(void *library, const char *name, void *pointer)
{
	void *symbol = dlsym(library, name);

	memcpy(pointer, &symbol, sizeof(symbol));
	return symbol != NULL;
}

static int ask(void *library, FILE *log, const struct cloister_account *account, uint32_t count, uint32_t *uid_base,
               uint32_t *gid_base, struct cloister_error *err)
{
	init_function *init;
	list_function *uids, *gids;

	if (!find_function(library, "subid_init", &init) || !find_function(library, "subid_get_uid_ranges", &uids) ||
	    !find_function(library, "subid_get_gid_ranges", &gids))
		return cloister_fail(err, ELIBBAD, "ids", library_name, "has not the functions of libsubid");
	if (!init("cloister", log))
		return cloister_fail(err, ENOMEM, "ids", library_name, "cannot be started");
	int r = ask_list(uids, CLOISTER_SUBUID_FILE, account, count, uid_base, err);
	return r < 0 ? r : ask_list(gids, CLOISTER_SUBGID_FILE, account, count, gid_base, err);
}

static int ask_library(const struct cloister_account *account, uint32_t count, uint32_t *uid_base, uint32_t *gid_base,
                       struct cloister_error *err)
{
	/* Never closed: the libraries behind it register what runs at exit. */
	void *library = dlopen(library_name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (library == NULL)
		return cloister_fail(err, ELIBACC, "ids", library_name,
		                     "\"subid:\" of " CLOISTER_NSSWITCH_FILE " names a source that needs it");
	/* It tells what it misses on stderr unless it is given another stream, and stderr is the login program's. */
	FILE *silence = fopen("/dev/null", "we");
	int r = silence == NULL ? cloister_fail(err, errno, "ids", "/dev/null", "cannot open")
	                        : ask(library, silence, account, count, uid_base, gid_base, err);
	if (silence != NULL)
		fclose(silence);
	dlclose(library);
	return r;
}

int cloister_subordinate_find(const struct cloister_account *account, uint32_t count, uint32_t *uid_base,
                              uint32_t *gid_base, struct cloister_error *err)
{
	bool files;
	int r = is_left_to_files(&files, err);

	if (r < 0)
		return r;
	if (!files)
		return ask_library(account, count, uid_base, gid_base, err);
	r = find_in_file(CLOISTER_SUBUID_FILE, account, count, uid_base, err);
	return r < 0 ? r : find_in_file(CLOISTER_SUBGID_FILE, account, count, gid_base, err);
}
