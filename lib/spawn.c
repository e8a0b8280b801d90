/* SPDX-License-Identifier: MIT */
/* From the login process to init: the only code of ours that runs in the login process's memory. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/control.h"
#include "cloister/namespaces.h"
#include "cloister/netns.h"
#include "cloister/privileges.h"
#include "held_signals.h"

#define INIT_FD (CLOISTER_CONTROL_FD + 1)
/* Above every descriptor that a child places at a fixed number. */
#define FIRST_FREE_FD 16
#define STACK_SIZE    ((size_t)64 * 1024)

/* What the child needs of the login process until it is init, and what becomes of it. */
struct child {
	int control, init_fd, null;
	bool keeps_capabilities;
	uint64_t namespaces; /* CLONE_NEW*: those that it is born in */
	uint64_t parent;     /* CLONE_PARENT: the one that makes it is not its parent */
	int cgroup;          /* -1: the login process's */
	uid_t owner;         /* whose the user namespace is */
	pid_t pid;
	int pidfd;
	int code; /* the errno when there is no pid */
};

/* The child has no one to tell but init's reader: it answers in init's place. */
static void __attribute__((noreturn)) give_up(int control, const char *text)
{
	struct cloister_error err;

	cloister_fail(&err, errno, "init", NULL, "%s", text);
	cloister_control_answer(control, &err);
	_exit(125);
}

/*
 * Runs with the login process's memory, or a copy of it, before exec: raw system calls alone, since another thread may
 * hold any lock. Only descriptors are the child's own. It never returns: marks of the address sanitizer would stay in
 * the login process's memory.
 */
static int __attribute__((no_sanitize_address)) become_init(void *argument)
{
	static char name[] = "cloister-init";
	char *const argv[] = {name, NULL};
	char *const environment[] = {NULL};
	const struct child *child = argument;

	/* High first, so that placing one does not overwrite another. */
	int control = fcntl(child->control, F_DUPFD, FIRST_FREE_FD);
	if (control < 0)
		give_up(child->control, "no descriptor");
	int init_fd = fcntl(child->init_fd, F_DUPFD, FIRST_FREE_FD);
	int null = fcntl(child->null, F_DUPFD, FIRST_FREE_FD);
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
	/* Exec takes the capabilities from every uid but the namespace's 0, and no uid is mapped yet: ambient ones are
	 * what it leaves. */
	int r = child->keeps_capabilities ? cloister_set_capabilities(UINT64_MAX, true) : 0;
	if (r < 0) {
		errno = -r;
		give_up(control, "cannot keep the namespace's capabilities for init");
	}
	execveat(INIT_FD, "", argv, environment, AT_EMPTY_PATH);
	give_up(control, "cannot execute cloister-init");
}

/* As vfork(2) does, without a copy of the caller's memory, and on a stack of its own: the calling thread waits until
 * the child has executed something or is gone. */
static pid_t clone_sharing_memory(int (*run)(void *), uint64_t flags, struct child *child)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		return -1;
	pid_t pid = clone(run, stack + STACK_SIZE, (int)flags | CLONE_VM | CLONE_VFORK, child, &child->pidfd);
	int code = errno;
	munmap(stack, STACK_SIZE);
	errno = code;
	return pid;
}

/*
 * The tables of the login process's memory take longer to copy than init to start. They are copied where init is to be
 * born in a cgroup, since clone(2) cannot: what it makes, and what comes after it, never was outside. With CLONE_PARENT
 * there is no exit signal of its own; exec gives it SIGCHLD.
 */
static void make_child(struct child *child)
{
	struct clone_args args = {.flags = child->namespaces | child->parent | CLONE_PIDFD | CLONE_INTO_CGROUP,
	                          .pidfd = (uintptr_t)&child->pidfd,
	                          .exit_signal = child->parent != 0 ? 0 : SIGCHLD,
	                          .cgroup = (unsigned)child->cgroup};

	if (child->cgroup < 0) {
		child->pid = clone_sharing_memory(become_init,
		                                  child->namespaces | child->parent | CLONE_PIDFD | SIGCHLD, child);
	} else {
		child->pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
		if (child->pid == 0)
			become_init(child);
	}
	child->code = errno;
}

/*
 * All ids alike: exec takes ambient capabilities from one whose real ids are others (cap_bprm_creds_from_file;
 * Linux 6.1 does, even where nothing is set-user-ID, 6.18 does not), as of su(1) when a user runs it, and of atd(8).
 *
 * And a user namespace's owner is who makes it: whatever is counted for a user of it (inotify, queued signals, message
 * queues, namespaces; user_namespaces(7)) is counted for its owner, too. As root's, one session could use up what root
 * and every other session have. The session keyring before that, on root's quota, which is not as small.
 */
static int become_owner(uid_t owner)
{
	uint64_t before;
	gid_t gid = (gid_t)syscall(SYS_getegid);

	if (cloister_new_session_keyring() < 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_setresgid, gid, gid, gid) < 0 || syscall(SYS_setresuid, owner, owner, owner) < 0)
		return -errno;
	return cloister_raise_permitted(&before);
}

static int be_parent(void *argument)
{
	struct child *child = argument;
	int r = become_owner(child->owner);

	if (r < 0)
		child->code = -r;
	else
		make_child(child);
	syscall(SYS_exit, 0);
	return 0;
}

/* Ids are a process's own, and its memory the caller's: what it gives up nobody has to take back. */
static void make_child_as_owner(struct child *child)
{
	int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	/* Its descriptors are the caller's, too: init's pidfd is to be among them. */
	pid_t parent = clone_sharing_memory(be_parent, CLONE_FILES, child);

	if (parent < 0)
		child->code = errno;
	while (parent > 0 && waitpid(parent, NULL, __WALL) < 0 && errno == EINTR)
		;
	/* A change of ids takes it from the memory (credentials.7, commit_creds in the kernel). */
	if (dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* In no map: an id that root inside may give a file of his would be anybody's on the host (set-user-ID). */
static uid_t owner_of(const struct cloister_plan *plan)
{
	if (!(plan->namespaces & CLONE_NEWUSER))
		return geteuid();
	return CLOISTER_OUTSIDE_ID_BASE + plan->uid % CLOISTER_OWNER_ID_COUNT;
}

/*
 * Of a session's namespaces, those that init is born in. The pid namespace must be the user namespace's from its birth:
 * proc could not be mounted otherwise. The others init makes itself, beside the login process that goes on: the network
 * namespace alone is half of what they take.
 */
static uint64_t born_in(const struct cloister_plan *plan)
{
	return plan->namespaces & (CLONE_NEWUSER | CLONE_NEWPID);
}

static int tell(const struct cloister_plan *plan, int control, struct cloister_error *err)
{
	struct cloister_birth birth = {.namespaces = plan->namespaces & ~born_in(plan),
	                               .privileged = plan->privileged,
	                               .own_ids = (plan->namespaces & CLONE_NEWUSER) != 0};

	if (plan->network == CLOISTER_NETWORK_NETNS)
		birth.namespaces &= ~(uint64_t)CLONE_NEWNET;
	ssize_t n = send(control, &birth, sizeof(birth), MSG_NOSIGNAL);
	if (n != sizeof(birth))
		return cloister_fail(err, n < 0 ? errno : EIO, "init", NULL, "cannot tell init what it is");
	return 0;
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

static int spawn(const struct cloister_plan *plan, int init_fd, int cgroup, const int pair[2],
                 struct cloister_session *session, struct cloister_error *err)
{
	int _cleanup_close_ null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t before;

	if (null < 0)
		return cloister_fail(err, errno, "init", "/dev/null", "cannot open");
	int r = tell(plan, pair[0], err);
	if (r < 0)
		return r;
	/* The login program's handlers must not run in the child; init gets the mask and PID 1 ignores what it does not
	 * handle. */
	r = cloister_signals_hold(&before);
	if (r < 0)
		return cloister_fail(err, -r, "init", NULL, "cannot hold signals back");
	struct child child = {.control = pair[1],
	                      .init_fd = init_fd,
	                      .null = null,
	                      .keeps_capabilities = (plan->namespaces & CLONE_NEWUSER) != 0,
	                      .namespaces = born_in(plan),
	                      /*
	                       * Programs of which the plan knows no terminal: cron(8) waits, by wait(2), for one child
	                       * more than it has, until there is none; with init among its children it would wait for
	                       * the session to end, and the session for cron to close it. Init's parent is a process
	                       * that is gone, then.
	                       */
	                      .parent = plan->privileged && plan->terminal != CLOISTER_TERMINAL_NONE ? CLONE_PARENT : 0,
	                      .cgroup = cgroup,
	                      .owner = owner_of(plan),
	                      .pid = -1,
	                      .pidfd = -1};
	(plan->privileged ? make_child_as_owner : make_child)(&child);
	if (child.pid > 0) {
		session->init = child.pid;
		session->pidfd = child.pidfd;
	}
	r = cloister_signals_release(&before);
	if (child.pid < 0)
		return cloister_fail(err, child.code, "namespaces", NULL, "cannot make the session's namespaces%s",
		                     cloister_namespaces_hint(child.code));
	return r < 0 ? cloister_fail(err, -r, "init", NULL, "the signals that were held back stay so") : 0;
}

int cloister_spawn_init(const struct cloister_plan *plan, int init_fd, int cgroup, struct cloister_session *session,
                        struct cloister_error *err)
{
	int pair[2];
	int _cleanup_close_ back = -1;

	if (plan->network == CLOISTER_NETWORK_NETNS) {
		int r = enter_network(plan, &back, err);
		if (r < 0)
			return r;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return leave_network(back, cloister_fail(err, errno, "init", NULL, "no socketpair"), err);
	int r = leave_network(back, spawn(plan, init_fd, cgroup, pair, session, err), err);
	close(pair[1]);
	/* The caller's to close, as its init is the caller's to reap. */
	session->control = pair[0];
	return r;
}
