/* SPDX-License-Identifier: MIT */
/* Gathering what is told of a session. */
#include "cloister/audit.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cloister/cgroup.h"
#include "cloister/cleanup.h"
#include "cloister/clock.h"
#include "cloister/number.h"

#define EXITING 0x4

static void keep(char to[CLOISTER_AUDIT_VALUE_MAX], const char *from)
{
	size_t length = strnlen(from, CLOISTER_AUDIT_VALUE_MAX);
	const char *const mark = "...";

	if (length < CLOISTER_AUDIT_VALUE_MAX) {
		memcpy(to, from, length + 1);
		return;
	}
	length = CLOISTER_AUDIT_VALUE_MAX - strlen(mark) - 1;
	memcpy(to, from, length);
	memcpy(to + length, mark, strlen(mark) + 1);
}

void cloister_audit_begin(struct cloister_audit *audit, const char *user, int64_t uid,
                          const struct cloister_login *login)
{
	*audit = (struct cloister_audit){.uid = uid,
	                                 .began = cloister_clock_milliseconds(CLOCK_BOOTTIME),
	                                 .duration = -1,
	                                 .status = -1,
	                                 .memory_peak = -1,
	                                 .oom_kills = -1};
	keep(audit->user, user);
	if (login != NULL) {
		keep(audit->service, login->service);
		keep(audit->tty, login->tty);
		keep(audit->remote_host, login->remote_host);
	}
}

void cloister_audit_add_plan(struct cloister_audit *audit, const struct cloister_plan *plan)
{
	keep(audit->rootfs, plan->rootfs);
	cloister_plan_network(plan, audit->network, sizeof(audit->network));
}

void cloister_audit_started(struct cloister_audit *audit, enum cloister_audit_event event,
                            const struct cloister_session *session)
{
	char init[16];

	audit->event = event;
	audit->init = session->init;
	keep(audit->session, session->id);
	snprintf(init, sizeof(init), "%d", (int)session->init);
	for (size_t i = 0; i < CLOISTER_NAMESPACE_KINDS; i++) {
		audit->namespaces[i] = session->namespace_inodes[i];
		/* Those that it shares with others, too: somebody may ask who was in the host's network. */
		if (audit->namespaces[i] == 0)
			cloister_namespace_inode(init, &cloister_namespace_kinds[i], &audit->namespaces[i]);
	}
}

/*
 * An init that ends lives on until the last process of its pid namespace is reaped, which may be the very process whose
 * end the caller has just seen; PF_EXITING (sched.h of the kernel) is set before that one is killed. Field 9 of
 * proc_pid_stat(5).
 */
static bool init_is_dying(const struct cloister_session *session)
{
	struct pollfd poller = {.fd = session->pidfd, .events = POLLIN};
	char path[40], text[1024] = "";
	uint64_t flags = 0;

	if (session->pidfd < 0 || poll(&poller, 1, 0) > 0)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)session->init);
	FILE _cleanup_fclose_ *file = fopen(path, "re");
	if (file == NULL || fgets(text, sizeof(text), file) == NULL)
		return file == NULL;
	const char *at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 9; field++)
		at = strchr(at + 1, ' ');
	return at != NULL && cloister_number_parse(at + 1, strcspn(at + 1, " "), &flags) == 0 && (flags & EXITING) != 0;
}

static const char *reason_of_end(const struct cloister_audit *audit, const struct cloister_session *session)
{
	if (cloister_registry_login_was_killed(session->id))
		return "cloister kill";
	if (!init_is_dying(session))
		return "logout";
	return audit->oom_kills > 0 ? "oom" : "init died";
}

void cloister_audit_ending(struct cloister_audit *audit, const struct cloister_session *session)
{
	uint64_t bytes = 0, kills = 0;

	audit->duration = cloister_clock_milliseconds(CLOCK_BOOTTIME) - audit->began;
	if (session->cgroup >= 0 && cloister_cgroup_peak(session->id, &bytes) == 0 && bytes <= INT64_MAX)
		audit->memory_peak = (int64_t)bytes;
	if (session->cgroup >= 0 && cloister_cgroup_oom_kills(session->id, &kills) == 0 && kills <= INT64_MAX)
		audit->oom_kills = (int64_t)kills;
	if (*audit->reason == '\0')
		keep(audit->reason, reason_of_end(audit, session));
}

void cloister_audit_refused(struct cloister_audit *audit, const struct cloister_error *err)
{
	audit->event = CLOISTER_AUDIT_REFUSE;
	audit->error = *err;
}
