/* SPDX-License-Identifier: MIT */
/* A login that joins a session which is already there, as strictly as it would have been started. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "cloister/cgroup.h"
#include "cloister/cleanup.h"
#include "cloister/control.h"
#include "cloister/netns.h"
#include "cloister/number.h"
#include "session_parts.h"

/* The sealed file that init was given, from init: it can have been written by nobody but the login process that started
 * the session. */
static int read_plan_of(int pidfd, struct cloister_plan **plan, void **seccomp, uint16_t *seccomp_length,
                        struct cloister_error *err)
{
	int _cleanup_close_ file = (int)syscall(SYS_pidfd_getfd, pidfd, CLOISTER_PLAN_FD, 0);

	if (file < 0 && errno == ESRCH)
		return -ESRCH;
	if (file < 0)
		return cloister_fail(err, errno, "join", NULL, "cannot fetch the session's plan from init");
	int r = cloister_plan_file_read(file, plan, seccomp, seccomp_length);
	/* After an upgrade. It goes on, and nobody joins it: a refusal would last as long as it does. */
	if (r == -EBADMSG)
		return cloister_fail(err, EXDEV, "join", NULL, "it was started by another version");
	return r < 0 ? cloister_fail(err, -r, "join", NULL, "cannot read the session's plan") : 0;
}

/* "INSIDE OUTSIDE COUNT" of uid_map or gid_map. */
static int parse_extent(char *line, uint64_t numbers[3])
{
	char *rest = NULL;
	size_t n = 0;

	for (char *word = strtok_r(line, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest)) {
		if (n == 3 || cloister_number_parse(word, strlen(word), &numbers[n]) < 0 || numbers[n] > UINT32_MAX)
			return -EINVAL;
		n++;
	}
	return n == 3 ? 0 : -EINVAL;
}

/* The kernel keeps many lines in an order of its own: each is looked up, and there are as many. */
static bool is_of_map(const uint64_t numbers[3], const struct cloister_id_map *map)
{
	uint32_t inside = (uint32_t)numbers[0], outside = (uint32_t)numbers[1], count = (uint32_t)numbers[2];

	return count > 0 && cloister_id_map_outside(map, inside) == outside &&
	       cloister_id_map_outside(map, inside + count - 1) == outside + count - 1;
}

/* The kernel's own account of the ids inside. */
static int verify_map(const struct cloister_session *session, const char *name, const struct cloister_id_map *map,
                      struct cloister_error *err)
{
	char path[40], line[128];
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)session->init, name);
	FILE _cleanup_fclose_ *file = fopen(path, "re");
	if (file == NULL)
		return cloister_fail(err, errno, "verify", path, "cannot open");
	while (fgets(line, sizeof(line), file) != NULL) {
		uint64_t numbers[3];

		if (parse_extent(line, numbers) < 0 || !is_of_map(numbers, map))
			return cloister_fail(err, EPERM, "verify", path, "not the ids of the plan");
		n++;
	}
	return n == map->n ? 0 : cloister_fail(err, EPERM, "verify", path, "not as many ids as the plan has");
}

static int verify(const struct cloister_plan *plan, struct cloister_session *session, struct cloister_error *err)
{
	int r = cloister_verify_namespaces(plan, session, err);

	if (r == 0 && (plan->namespaces & CLONE_NEWUSER))
		r = verify_map(session, "uid_map", &plan->uid_map, err);
	if (r == 0 && (plan->namespaces & CLONE_NEWUSER))
		r = verify_map(session, "gid_map", &plan->gid_map, err);
	return r;
}

static int hold(const struct cloister_plan *plan, pid_t init, int pidfd, struct cloister_session *session,
                struct cloister_error *err)
{
	session->init = init;
	session->pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
	if (session->pidfd < 0)
		return cloister_fail(err, errno, "join", NULL, "no descriptor");
	int r = cloister_prepare_landlock(plan, session, err);
	if (r == 0 && cloister_cgroup_is_wanted(plan))
		r = cloister_session_hold_cgroup(session, err);
	if (r == 0 && cloister_cgroup_is_wanted(plan))
		r = cloister_cgroup_verify(session->id, init, err);
	return r < 0 ? r : verify(plan, session, err);
}

/* The name may be that of another network namespace by now: -EXDEV. */
static int same_network(const struct cloister_plan *plan, const char *id, pid_t init, struct cloister_error *err)
{
	if (plan->network != CLOISTER_NETWORK_NETNS)
		return 0;
	int _cleanup_close_ netns = cloister_netns_open(plan->network_name, err);
	if (netns < 0)
		return netns;
	int r = cloister_netns_verify(netns, init, err);
	if (r == -EXDEV)
		return cloister_fail(err, EXDEV, "join", NULL,
		                     "session %s was started otherwise: the network namespace %s", id,
		                     plan->network_name);
	/* It has ended meanwhile. */
	return r == -ENOENT ? -ESRCH : r;
}

int cloister_session_join(const struct cloister_plan *plan, const char *id, pid_t init, int pidfd,
                          struct cloister_session **out, struct cloister_error *err)
{
	struct cloister_plan _cleanup_plan_ *theirs = NULL;
	void _cleanup_free_ *seccomp = NULL;
	uint16_t seccomp_length = 0;
	char what[CLOISTER_ERROR_PATH_MAX];
	int r = read_plan_of(pidfd, &theirs, &seccomp, &seccomp_length, err);

	if (r < 0)
		return r;
	if (!cloister_plan_may_join(plan, theirs, what, sizeof(what)))
		return cloister_fail(err, EXDEV, "join", NULL, "session %s was started otherwise: %s", id, what);
	r = same_network(plan, id, init, err);
	if (r < 0)
		return r;
	struct cloister_session *session = cloister_session_new(plan, id);
	if (session == NULL)
		return cloister_fail(err, ENOMEM, "join", NULL, "no memory");
	session->seccomp = TAKE_PTR(seccomp);
	session->seccomp_length = seccomp_length;
	r = cloister_control_join(pidfd, (int)plan->timeout * 1000, err);
	if (r >= 0) {
		session->control = r;
		/* It is counted from here on, so that init is there as long as it is looked at. */
		r = hold(plan, init, pidfd, session, err);
	}
	if (r < 0) {
		cloister_session_free(session);
		return r;
	}
	*out = session;
	return 0;
}

int cloister_session_attach(const char *id, pid_t init, int pidfd, const struct cloister_account *account,
                            struct cloister_plan **plan, struct cloister_session **out, struct cloister_error *err)
{
	static const uint64_t needed = CLONE_NEWNS | CLONE_NEWPID;
	struct cloister_plan _cleanup_plan_ *theirs = NULL;
	void _cleanup_free_ *seccomp = NULL;
	uint16_t seccomp_length = 0;
	int r = read_plan_of(pidfd, &theirs, &seccomp, &seccomp_length, err);

	if (r < 0)
		return r;
	/* The plan is what init shows, and init is in the session: what enters by one that names less than there is
	 * would keep the host's. (Of the user namespace the kernel is asked: verify.) */
	if (!theirs->privileged || (theirs->namespaces & needed) != needed)
		return cloister_fail(err, EPERM, "enter", NULL, "the session is not what its init shows");
	if (account != NULL && theirs->uid != account->uid)
		return cloister_fail(err, ESTALE, "enter", NULL, "user %s has another uid than the session",
		                     account->name);
	size_t n = account != NULL ? account->n_groups : 1;
	const gid_t *groups = account != NULL ? account->groups : &theirs->gid;
	theirs->groups = calloc(n + 1, sizeof(*theirs->groups));
	if (theirs->groups == NULL)
		return cloister_fail(err, ENOMEM, "enter", NULL, "no memory");
	for (size_t i = 0; i < n; i++) {
		/* Of a group that the user has joined since, the session may know no id. */
		if (!(theirs->namespaces & CLONE_NEWUSER) ||
		    cloister_id_map_outside(&theirs->gid_map, groups[i]) != UINT32_MAX)
			theirs->groups[theirs->n_groups++] = groups[i];
	}
	struct cloister_session *session = cloister_session_new(theirs, id);
	if (session == NULL)
		return cloister_fail(err, ENOMEM, "enter", NULL, "no memory");
	session->seccomp = TAKE_PTR(seccomp);
	session->seccomp_length = seccomp_length;
	r = hold(theirs, init, pidfd, session, err);
	if (r < 0) {
		cloister_session_free(session);
		return r;
	}
	*plan = TAKE_PTR(theirs);
	*out = session;
	return 0;
}

bool cloister_session_leave(struct cloister_session *session)
{
	if (!session->shared) {
		cloister_session_end(session);
		return true;
	}
	/* Left already. */
	if (session->control < 0)
		return false;
	bool last = cloister_control_bye(session->control, session->pidfd);
	close(TAKE_FD(session->control));
	return last;
}
