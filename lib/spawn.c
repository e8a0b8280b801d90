/* SPDX-License-Identifier: MIT */
/* From the login process to init: the only code of ours that runs in a copy of the login process's memory. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "cloister/cleanup.h"
#include "cloister/control.h"
#include "cloister/netns.h"
#include "cloister/privileges.h"
#include "held_signals.h"

#define INIT_FD (CLOISTER_CONTROL_FD + 1)
/* Above every descriptor that a child places at a fixed number. */
#define FIRST_FREE_FD 16

/* The child has no one to tell but init's reader: it answers in init's place. */
static void __attribute__((noreturn)) give_up(int control, const char *step)
{
	struct cloister_error err;

	cloister_fail(&err, errno, "init", NULL, "%s", step);
	cloister_control_answer(control, &err);
	_exit(125);
}

/* Runs in the namespaces, before exec: raw system calls alone, since another thread may have held any lock at the
 * clone. */
static void __attribute__((noreturn))
become_init(const struct cloister_plan *plan, int control, int init_fd, int null, bool own_cgroup)
{
	static char name[] = "cloister-init";
	char *const argv[] = {name, NULL};
	char *const environment[] = {NULL};
	char byte;

	/* High first, so that placing one does not overwrite another. */
	int high = fcntl(control, F_DUPFD, FIRST_FREE_FD);
	if (high < 0)
		give_up(control, "no descriptor");
	control = high;
	init_fd = fcntl(init_fd, F_DUPFD, FIRST_FREE_FD);
	null = fcntl(null, F_DUPFD, FIRST_FREE_FD);
	if (init_fd < 0 || null < 0)
		give_up(control, "no descriptor");
	for (int fd = 0; fd <= 2; fd++) {
		if (dup2(null, fd) < 0)
			give_up(control, "cannot place a descriptor");
	}
	if (dup2(control, CLOISTER_CONTROL_FD) < 0)
		give_up(control, "cannot place a descriptor");
	control = CLOISTER_CONTROL_FD;
	if (dup3(init_fd, INIT_FD, O_CLOEXEC) < 0 || close_range(INIT_FD + 1, ~0U, 0) < 0)
		give_up(control, "cannot close the login process's descriptors");

	ssize_t n;
	do {
		n = recv(control, &byte, 1, 0);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(125);
	if (setsid() < 0)
		give_up(control, "cannot leave the login's terminal");
	/* clone3(2) would have made the cgroup namespace one of the login process's cgroup (copy_cgroup_ns). */
	if (own_cgroup && unshare(CLONE_NEWCGROUP) < 0)
		give_up(control, "cannot make the cgroup namespace");
	/* On root's quota, as at an entry. */
	if (plan->privileged && cloister_new_session_keyring() < 0)
		give_up(control, "cannot join a new session keyring");
	if ((plan->namespaces & CLONE_NEWUSER) && plan->privileged) {
		/* Before exec, since exec takes the capabilities from every uid but the namespace's 0. */
		if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 ||
		    syscall(SYS_setresuid, 0, 0, 0) < 0)
			give_up(control, "cannot become the namespace's root");
	} else if (plan->namespaces & CLONE_NEWUSER) {
		/* The user's own id inside is not 0: ambient capabilities are what exec leaves. */
		int r = cloister_set_capabilities(UINT64_MAX, true);
		if (r < 0) {
			errno = -r;
			give_up(control, "cannot keep the namespace's capabilities for init");
		}
	}
	execveat(INIT_FD, "", argv, environment, AT_EMPTY_PATH);
	give_up(control, "cannot execute cloister-init");
}

/* init is born there: from its own user namespace it could not join one that the host owns. */
static int enter_network(const struct cloister_plan *plan, int *back, struct cloister_error *err)
{
	int _cleanup_close_ netns = cloister_netns_open(plan->network_name, err);

	return netns < 0 ? netns : cloister_netns_enter(netns, back, err);
}

/* The calling thread's own again, by a descriptor that it opened: that does not fail, and if it does, the login does.
 */
static int leave_network(int back, int result, struct cloister_error *err)
{
	if (back >= 0 && setns(back, CLONE_NEWNET) < 0)
		return cloister_fail(err, errno, "network", NULL, "cannot come back from the network namespace");
	return result;
}

int cloister_spawn_init(const struct cloister_plan *plan, int init_fd, int cgroup, struct cloister_session *session,
                        struct cloister_error *err)
{
	int pair[2], pidfd = -1;
	uint64_t made = plan->namespaces & ~(plan->network == CLOISTER_NETWORK_NETNS ? CLONE_NEWNET : UINT64_C(0));
	struct clone_args args = {.flags = made | CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD};
	sigset_t before;

	if (cgroup >= 0) {
		args.flags = (args.flags & ~(uint64_t)CLONE_NEWCGROUP) | CLONE_INTO_CGROUP;
		args.cgroup = (unsigned)cgroup;
	}
	int _cleanup_close_ null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return cloister_fail(err, errno, "init", "/dev/null", "cannot open");
	int _cleanup_close_ back = -1;
	if (plan->network == CLOISTER_NETWORK_NETNS) {
		int r = enter_network(plan, &back, err);
		if (r < 0)
			return r;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return leave_network(back, cloister_fail(err, errno, "init", NULL, "no socketpair"), err);
	/* The login program's handlers must not run in the child; init gets the mask and PID 1 ignores what it does not
	 * handle. */
	int r = cloister_signals_hold(&before);
	if (r < 0) {
		close(pair[0]);
		close(pair[1]);
		return leave_network(back, cloister_fail(err, -r, "init", NULL, "cannot hold signals back"), err);
	}
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		become_init(plan, pair[1], init_fd, null, cgroup >= 0);
	int code = errno;
	r = cloister_signals_release(&before);
	if (r < 0)
		cloister_fail(err, -r, "init", NULL, "the signals that were held back stay so");
	close(pair[1]);
	int left = leave_network(back, r, err);
	if (pid < 0) {
		close(pair[0]);
		return cloister_fail(err, code, "namespaces", NULL, "cannot make the session's namespaces%s",
		                     code == ENOSPC ? " (a limit in /proc/sys/user is reached)" : "");
	}
	session->init = (pid_t)pid;
	session->pidfd = pidfd;
	session->control = pair[0];
	return left;
}
