/* SPDX-License-Identifier: MIT */
/*
 * The user's directories on the host, opened by the user. Root squash (exports(5)) and FUSE without allow_other keep
 * root out of a home that its owner can use, and Kerberos has a ticket of the user's, not of root's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"
#include "cloister/source.h"
#include "host_child.h"

struct request {
	const struct cloister_plan *plan;
	const struct cloister_row *row;
	enum cloister_path_trust trust;
};

static int check(const struct request *request, int fd, struct cloister_error *err)
{
	const struct cloister_row *row = request->row;
	bool home = (row->flags & CLOISTER_ROW_FOR_USER) != 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return cloister_fail(err, errno, cloister_row_name(row->kind), row->source, "cannot stat");
	if (home && (st.st_uid != request->plan->inside_uid || !S_ISDIR(st.st_mode)))
		return cloister_fail(err, EPERM, "home", row->source, "not a directory of %s's own",
		                     request->plan->user);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode))
		return cloister_fail(err, EINVAL, "bind", row->source, "neither a directory, a file nor a socket");
	return 0;
}

static int open_checked(const struct request *request, struct cloister_error *err)
{
	const struct cloister_row *row = request->row;
	bool home = (row->flags & CLOISTER_ROW_FOR_USER) != 0;
	int _cleanup_close_ fd = cloister_path_open_host(row->source, home ? O_DIRECTORY : 0, request->trust, err);

	if (fd < 0)
		return fd;
	int r = check(request, fd, err);
	return r < 0 ? r : TAKE_FD(fd);
}

/* Where the user's rights are those of everybody, no child is needed: a third of a session's work in the login process.
 */
static int open_local(const struct request *request)
{
	int _cleanup_close_ fd = cloister_path_open_local(request->row->source);

	return fd >= 0 && check(request, fd, NULL) == 0 ? TAKE_FD(fd) : -EACCES;
}

static int open_as_user(const void *argument, struct cloister_error *err)
{
	const struct request *request = argument;
	int r = cloister_child_become_user(request->plan);

	if (r < 0)
		return cloister_fail(err, -r, "home", request->row->source, "cannot become %s", request->plan->user);
	return open_checked(request, err);
}

/* Says more about an error from below: whose rights were not enough, and which line asked for it. */
static int tell(const struct request *request, bool as_user, int code, struct cloister_error *err)
{
	const struct cloister_row *row = request->row;
	bool home = (row->flags & CLOISTER_ROW_FOR_USER) != 0;
	char text[CLOISTER_ERROR_TEXT_MAX];

	if (err == NULL)
		return code;
	memcpy(text, err->text, sizeof(text));
	return cloister_fail(err, -code, home ? "home" : "bind", row->source, "%.300s%s%s%s%s%s", text,
	                     as_user ? ", as " : "", as_user ? request->plan->user : "",
	                     *row->origin != '\0' ? " (" : "", row->origin, *row->origin != '\0' ? ")" : "");
}

int cloister_bind_source_open(const struct cloister_plan *plan, const struct cloister_row *row,
                              enum cloister_path_trust trust, struct cloister_error *err)
{
	const struct request request = {.plan = plan, .row = row, .trust = trust};
	bool as_user = plan->privileged && (row->flags & CLOISTER_ROW_FOR_USER);
	int fd = as_user ? open_local(&request) : open_checked(&request, err);

	/* Root is kept out by nothing but a file server; then the user's own rights are what counts. */
	if (fd == -EACCES && plan->privileged && !(row->flags & CLOISTER_ROW_ROOT_ONLY)) {
		as_user = true;
		fd = cloister_child_open(open_as_user, &request, plan->timeout, err);
	}
	return fd < 0 ? tell(&request, as_user, fd, err) : fd;
}
