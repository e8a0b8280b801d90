/* SPDX-License-Identifier: MIT */
/*
 * What is told of a session to the administrator's logs: one line, in words for people and in keys and values for
 * programs, when a session starts, is joined, is refused and ends. Nothing here writes to a log: the programs do.
 */
#ifndef CLOISTER_AUDIT_H
#define CLOISTER_AUDIT_H

#include <stdint.h>
#include <sys/types.h>

#include "cloister/error.h"
#include "cloister/plan.h"
#include "cloister/registry.h"
#include "cloister/session.h"

/* Bytes of a value that are kept; and of a line, of which RFC 5424 wants receivers to take 2048 with its header. */
#define CLOISTER_AUDIT_VALUE_MAX 256
#define CLOISTER_AUDIT_LINE_MAX  1900

enum cloister_audit_event {
	CLOISTER_AUDIT_START, /* a session, with its first login */
	CLOISTER_AUDIT_JOIN,  /* one more login to a session that is there */
	CLOISTER_AUDIT_ENTER, /* `cloister enter` */
	CLOISTER_AUDIT_REFUSE,
	CLOISTER_AUDIT_LEAVE, /* a login, or who entered; the session stays */
	CLOISTER_AUDIT_END,   /* a login, and the session with it */
};

/* "", 0 or -1: not known, and not in the line. */
struct cloister_audit {
	enum cloister_audit_event event;
	char session[CLOISTER_AUDIT_VALUE_MAX];
	char user[CLOISTER_AUDIT_VALUE_MAX];
	char service[CLOISTER_AUDIT_VALUE_MAX];
	char tty[CLOISTER_AUDIT_VALUE_MAX];
	char remote_host[CLOISTER_AUDIT_VALUE_MAX];
	char rootfs[CLOISTER_AUDIT_VALUE_MAX];
	char network[CLOISTER_AUDIT_VALUE_MAX];
	int64_t uid;
	pid_t init;
	/* By cloister_namespace_kinds. */
	uint64_t namespaces[CLOISTER_NAMESPACE_KINDS];

	struct cloister_error error; /* why it is refused */

	char reason[CLOISTER_AUDIT_VALUE_MAX]; /* why it ended */
	int64_t began;                         /* milliseconds of CLOCK_BOOTTIME */
	int64_t duration;                      /* milliseconds; -1 */
	int status;                            /* of the user's command, as of waitpid(2); -1 */
	int64_t memory_peak;                   /* bytes, where the session has a cgroup with that controller; -1 */
	int64_t oom_kills;                     /* processes of the session that the kernel killed for memory; -1 */
};

/* An event of which nothing is known yet but who and how. login: may be NULL. */
void cloister_audit_begin(struct cloister_audit *audit, const char *user, int64_t uid,
                          const struct cloister_login *login);

/* Adds what a plan says of the session. */
void cloister_audit_add_plan(struct cloister_audit *audit, const struct cloister_plan *plan);

/* The session is there: its id, init and namespaces, and the time from which the login's duration counts. */
void cloister_audit_started(struct cloister_audit *audit, enum cloister_audit_event event,
                            const struct cloister_session *session);

/*
 * A login is about to leave the session, or to end it; to be called before it does, while the kernel can still be asked
 * what became of it: reason ("logout", "cloister kill", "oom", "init died"), duration, peak memory.
 */
void cloister_audit_ending(struct cloister_audit *audit, const struct cloister_session *session);

/* Why nothing was started. */
void cloister_audit_refused(struct cloister_audit *audit, const struct cloister_error *err);

/*
 * The line, without newline, cut to CLOISTER_AUDIT_LINE_MAX at the end of a value:
 *
 *   session iris-1a2b3c4d of iris started; event="start" session="iris-1a2b3c4d" user="iris" uid="1001" ...
 *
 * Every value is in double quotes, and there is no other double quote in the line: what would be one, a backslash,
 * control characters and bytes that are no UTF-8 are \xNN in a value; before the first key they are "'", or "?". So no
 * value can look like another key, or a line of its own. Pure. Returns buffer.
 */
const char *cloister_audit_line(const struct cloister_audit *audit, char *buffer, size_t size);

/*
 * The same event as the text of a record of type VIRT_CONTROL, which libvirt writes for its containers and ausearch(8)
 * finds by `--vm-name SESSION`; in libaudit's way of writing what others have chosen. Pure. Returns buffer.
 */
#define CLOISTER_AUDIT_RECORD_MAX 4096
const char *cloister_audit_record(const struct cloister_audit *audit, char *buffer, size_t size);
/* What such a record has for its result. */
bool cloister_audit_succeeded(const struct cloister_audit *audit);

/*
 * Sends that record to the kernel, which needs root. 0, also where there is no audit for the caller to write to, or
 * -errno: nothing that may change a login. Leaves no descriptor.
 */
int cloister_audit_send(const struct cloister_audit *audit);

#endif
