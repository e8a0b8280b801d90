/* SPDX-License-Identifier: MIT */
/* PID 1 of a session. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/control.h"
#include "cloister/execute.h"
#include "cloister/source.h"

/* In a user's own namespace init is the one who can open what comes from the host: the host's files are still in sight.
 */
static int open_sources(struct cloister_start *start, struct cloister_error *err)
{
	const struct cloister_source_context context = {.user_namespace = -1, .devpts = -1, .shared_root = -1};

	if (start->plan->privileged)
		return 0;
	return cloister_sources_open(start->plan, &context, start->sources, err);
}

/* The numbers that root may fetch are known before anything else can take them. */
static int reserve_descriptors(void)
{
	for (int fd = CLOISTER_CONTROL_FD + 1; fd < CLOISTER_FIXED_FDS; fd++) {
		if (dup3(0, fd, O_CLOEXEC) < 0)
			return -errno;
	}
	return 0;
}

static int place(int *fd, int number)
{
	int r = dup3(*fd, number, O_CLOEXEC) < 0 ? -errno : 0;

	close(TAKE_FD(*fd));
	return r;
}

/* Both ends stay with init, which nobody inside can look into: there is no path that leads to the door. */
static int make_door(const struct cloister_plan *plan)
{
	int pair[2];

	if (!plan->shared) {
		close(CLOISTER_DOOR_FD);
		close(CLOISTER_DOOR_INNER_FD);
		return 0;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	int r = place(&pair[0], CLOISTER_DOOR_FD);
	int inner = place(&pair[1], CLOISTER_DOOR_INNER_FD);
	return r < 0 ? r : inner;
}

static int build_session(struct cloister_execution *execution, struct cloister_network_child *network_child,
                         struct cloister_error *err)
{
	struct cloister_start start = {.plan_file = -1};
	int r = cloister_control_receive(CLOISTER_CONTROL_FD, &start);

	if (r < 0)
		return cloister_fail(err, -r, "init", NULL, "cannot receive the plan");
	r = place(&start.plan_file, CLOISTER_PLAN_FD);
	if (r == 0)
		r = make_door(start.plan);
	if (r < 0)
		return cloister_fail(err, -r, "init", NULL, "cannot place a descriptor");
	r = open_sources(&start, err);
	if (r < 0)
		return r;
	*execution = (struct cloister_execution){.plan = start.plan,
	                                         .sources = start.sources,
	                                         .seccomp = start.seccomp,
	                                         .seccomp_length = start.seccomp_length,
	                                         .network_child = network_child,
	                                         .root = -1,
	                                         .held_terminal = -1};
	return cloister_execute(execution, err);
}

/* 0 to 2 are the host's /dev/null until now: the last descriptors of the host go. */
static int use_own_null(void)
{
	int _cleanup_close_ null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	for (int fd = 0; fd <= 2; fd++) {
		if (dup2(null, fd) < 0)
			return -errno;
	}
	return 0;
}

int cloister_init_main(void)
{
	struct cloister_execution execution = {.root = -1};
	/* Not on the stack, which ends before the child does when init gives up. */
	static struct cloister_network_child network_child = CLOISTER_NETWORK_CHILD_NONE;
	struct cloister_error err = {0};
	sigset_t all, wanted;

	prctl(PR_SET_NAME, "cloister-init");
	fcntl(CLOISTER_CONTROL_FD, F_SETFD, FD_CLOEXEC);
	umask(022);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigaddset(&wanted, SIGTERM);
	if (reserve_descriptors() < 0)
		return 125;
	int _cleanup_close_ signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);

	int r = signals < 0 ? cloister_fail(&err, errno, "init", NULL, "no signalfd") : 0;
	if (r == 0)
		r = cloister_init_birth(&network_child, &err);
	if (r == 0)
		r = build_session(&execution, &network_child, &err);
	if (r == 0) {
		close(execution.root);
		if (!execution.image_held)
			close(CLOISTER_IMAGE_FD);
		r = use_own_null();
		if (r < 0)
			cloister_fail(&err, -r, "init", "/dev/null", "cannot use the session's own");
	}
	/* What a step has passed over is no failure. */
	if (r == 0)
		err = (struct cloister_error){0};
	if (cloister_control_answer(CLOISTER_CONTROL_FD, &err) < 0 || r < 0)
		return 125;
	cloister_init_watch(signals, execution.plan);
	return 0;
}
