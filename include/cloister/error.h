/* SPDX-License-Identifier: MIT */
/*
 * Errors as values: what was being done (step), to what (path), and why it failed (code, text).
 *
 * Every function of the core that can fail returns 0 or a negative errno and fills the error object
 * that its caller passed. Outputs are untouched on failure. Nothing in the core prints or logs.
 */
#ifndef CLOISTER_ERROR_H
#define CLOISTER_ERROR_H

/* Bytes kept of each part; longer text is cut. */
#define CLOISTER_ERROR_STEP_MAX 48
#define CLOISTER_ERROR_PATH_MAX 512
#define CLOISTER_ERROR_TEXT_MAX 512

/* The step of a login that the configuration refuses (`refuse`): its text is for the user. */
#define CLOISTER_REFUSED "refuse"

struct cloister_error {
	int code;                           /* errno value, positive; 0 when there was no error */
	char step[CLOISTER_ERROR_STEP_MAX]; /* the step that failed, such as "rootfs" or "proc" */
	char path[CLOISTER_ERROR_PATH_MAX]; /* what it was done to; empty when there is no path */
	char text[CLOISTER_ERROR_TEXT_MAX]; /* one sentence for an administrator, no newline */
};

/*
 * Fills *err (which may be NULL) and returns -code, so that a failing function ends with
 * `return cloister_fail(err, errno, "proc", "/proc", "cannot mount procfs");`.
 * code: a positive errno value; any other is taken for EIO, since an error without a reason is still one, and what
 * another process sent as a code must not become a success.
 * path: may be NULL. Control characters in path and text are replaced by '?': they go to syslog.
 */
int cloister_fail(struct cloister_error *err, int code, const char *step, const char *path, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * Writes "step: text: path: strerror (errno NAME)" into buffer and returns buffer. The line has no newline.
 */
const char *cloister_error_line(const struct cloister_error *err, char *buffer, unsigned long size);

#endif
