/* SPDX-License-Identifier: MIT */
/* The steps of a child that enters a session. Raw system calls: it runs in a fork handler of somebody else's program.
 */
#include "cloister/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/privileges.h"
#include "cloister/root_users.h"
#include "cloister/seccomp_filter.h"
#include "held_signals.h"

#define CAP_BIT(capability) (UINT64_C(1) << (capability))

int cloister_entry_prepare(const struct cloister_session *session)
{
	/* Without CAP_SYS_ADMIN of its own, a process may join only after, or together with, a user namespace that it
	 * rules. */
	int flags = session->privileged ? CLONE_NEWPID : CLONE_NEWUSER | CLONE_NEWPID;

	return setns(session->pidfd, flags) < 0 ? -errno : 0;
}

int cloister_entry_children_in(int pid_namespace)
{
	return setns(pid_namespace, CLONE_NEWPID) < 0 ? -errno : 0;
}

struct lifeline {
	int ends[2]; /* of a pipe */
	char byte;
};

/*
 * In the caller's memory: nothing of libc's, and nothing of its own on the stack, which is a variable of the caller's.
 * Until it is killed, or the caller is: then nobody has the other end.
 */
static int wait_for_the_end(void *data)
{
	struct lifeline *lifeline = data;

	syscall(SYS_close, lifeline->ends[1]);
	return (int)syscall(SYS_read, lifeline->ends[0], &lifeline->byte, 1);
}

int cloister_entry_closed_namespace(void)
{
	_Alignas(16) char stack[4096];
	sigset_t before;
	siginfo_t ended;
	char path[64];
	struct lifeline lifeline;
	int pidfd = -1;

	/* No handler of the login program's may run in the child, on this stack. CLONE_VM, since a copy of its memory
	 * is not needed, and no exit signal, since it is none of the login program's children. */
	int r = cloister_signals_hold(&before);
	if (r < 0)
		return r;
	if (pipe2(lifeline.ends, O_CLOEXEC) < 0) {
		r = -errno;
		cloister_signals_release(&before);
		return r;
	}
	int pid = clone(wait_for_the_end, stack + sizeof(stack), CLONE_VM | CLONE_NEWPID | CLONE_PIDFD, &lifeline,
	                &pidfd);
	int code = errno;
	r = cloister_signals_release(&before);
	close(lifeline.ends[0]);
	if (pid < 0) {
		close(lifeline.ends[1]);
		return -code;
	}
	/* While it lives: root of a user namespace may not look into a zombie (ptrace(2), access mode checking). */
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	int _cleanup_close_ fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		r = -errno;
	/* Where it cannot be killed the end of the pipe ends it. */
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	close(lifeline.ends[1]);
	while (waitid(P_PIDFD, (id_t)pidfd, &ended, WEXITED | __WALL) < 0) {
		/* Not closed to children, then, as far as anybody knows. */
		if (errno != EINTR) {
			r = -errno;
			break;
		}
	}
	close(pidfd);
	return r < 0 ? r : TAKE_FD(fd);
}

/*
 * From here on nobody on the host: between its fork and its setuid a login program's child is root, and loads the name
 * service's libraries from the rootfs. glibc's setresuid would signal threads that a fork did not copy.
 */
static int shed_host_ids(const struct cloister_session *session)
{
	if (!(session->namespaces & CLONE_NEWUSER) || !session->privileged)
		return 0;
	/* The user's groups, and what setgid(2) came to: su(1) and login(1) have done both by now, and will not again.
	 */
	gid_t gid = getegid() == session->gid ? session->gid : 0;
	if (syscall(SYS_setgroups, session->n_groups, session->groups) < 0 ||
	    syscall(SYS_setresgid, gid, gid, gid) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* users = root in a user's own namespace: what 0 executes there keeps the bounding set, so securebits stay as they are.
 */
static bool is_own_root(const struct cloister_session *session)
{
	return !session->privileged && session->uid == 0;
}

/* Only ever lower than what the login process was given, by limits.conf(5) or its service: root has said that, too. */
static int apply_rlimits(const struct cloister_limits *limits)
{
	for (size_t i = 0; i < CLOISTER_RLIMITS; i++) {
		const struct cloister_rlimit *asked = &limits->rlimits[i];
		int resource = cloister_rlimit_names[i].resource;
		/* The kernel's own form (prlimit64): RLIM_INFINITY is the greatest number. */
		struct rlimit64 now;

		if (!asked->set)
			continue;
		if (syscall(SYS_prlimit64, 0, resource, NULL, &now) < 0)
			return -errno;
		now.rlim_max = asked->hard < now.rlim_max ? asked->hard : now.rlim_max;
		now.rlim_cur = asked->soft < now.rlim_max ? asked->soft : now.rlim_max;
		if (syscall(SYS_prlimit64, 0, resource, &now, NULL) < 0)
			return -errno;
	}
	return 0;
}

static int shed_privileges(const struct cloister_entry *entry, const char **step)
{
	const struct cloister_session *session = entry->session;
	uint64_t keep = session->capabilities;
	int r;

	*step = "core limit";
	r = cloister_no_core();
	if (r < 0)
		return r;
	*step = "limits of the process";
	r = apply_rlimits(&session->limits);
	if (r < 0)
		return r;
	/* Bounding set and securebits need CAP_SETPCAP, so they come before the capabilities go. */
	*step = "bounding set";
	r = cloister_drop_bounding_set(keep);
	if (r < 0)
		return r;
	*step = "securebits";
	r = is_own_root(session) ? 0 : cloister_lock_securebits();
	if (r < 0)
		return r;
	*step = "capabilities";
	if (entry->login_program)
		keep |= CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID);
	r = cloister_set_capabilities(keep, false);
	if (r < 0)
		return r;
	/* The terminal's group is not mapped, and no capability helps (user_namespaces(7)): its owner opens it. */
	if (entry->login_program && entry->reopens_terminal)
		syscall(SYS_setfsuid, session->uid);
	/* Landlock and seccomp want no_new_privs or a capability that is gone by now. */
	*step = "no_new_privs";
	if (session->no_new_privs || session->seccomp_length > 0 || session->landlock >= 0)
		r = cloister_set_no_new_privs();
	if (r < 0)
		return r;
	*step = "landlock";
	if (session->landlock >= 0)
		r = cloister_landlock_enter(session->landlock);
	if (r < 0)
		return r;
	*step = "seccomp";
	if (session->seccomp_length > 0)
		r = cloister_seccomp_load(session->seccomp, session->seccomp_length);
	return r;
}

/*
 * /dev/tty is the controlling terminal, whatever descriptors are open: root's, where root has redirected all three. No
 * setsid(2): the child stays in the group that its caller's terminal sends ^C to.
 */
static int leave_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENXIO ? 0 : -errno;
	int r = ioctl(fd, TIOCNOTTY) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* Opened by its name inside, so that ttyname(3) finds it; a session of its own, so that nothing of the outer one can be
 * signalled. */
static int take_pty(const struct cloister_entry *entry)
{
	char path[32];

	if (entry->pty < 0)
		return entry->terminal_is_anothers ? leave_terminal() : 0;
	setsid();
	snprintf(path, sizeof(path), "/dev/pts/%d", entry->pty);
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, TIOCSCTTY, 0) < 0)
		return -errno;
	for (int target = 0; target <= 2; target++) {
		if ((entry->pty_fds & (1U << target)) && dup2(fd, target) < 0)
			return -errno;
	}
	close(fd);
	return 0;
}

int cloister_entry_enter(const struct cloister_entry *entry, const char **step)
{
	const struct cloister_session *session = entry->session;
	/* The pid namespace is joined by being forked; a user's own user namespace was joined before the fork. */
	uint64_t joined = session->privileged ? CLONE_NEWPID : CLONE_NEWPID | CLONE_NEWUSER;
	int flags = (int)(session->namespaces & ~joined);

	/* While the cgroup is still in sight, and before anything is made that it should count. "0" is the writer. */
	*step = "cgroup";
	if (session->cgroup >= 0 && write(session->cgroup, "0", 1) != 1)
		return -errno;
	/*
	 * Before the ids, and so on root's quota: an unprivileged id, that of many users as a rule, may have 200 keys
	 * (keyrings(7), maxkeys), and the next process of anybody could not enter. Nobody inside can fill it: the
	 * keyctl calls are refused.
	 */
	*step = "keyring";
	int r = cloister_new_session_keyring();
	if (r < 0)
		return r;
	/* One call: the kernel joins all of them or none, and the user namespace's capabilities count for the others.
	 */
	*step = "setns";
	if (setns(session->pidfd, flags) < 0)
		return -errno;
	*step = "ids";
	r = shed_host_ids(session);
	if (r < 0)
		return r;
	*step = "own terminal";
	if (entry->terminal != NULL)
		r = cloister_own_terminal_enter(entry->terminal);
	if (r < 0)
		return r;
	/* setns(2) leaves the new namespace's / as root and working directory; a chdir shows that it can be reached. */
	*step = "root";
	if (chdir("/") < 0)
		return -errno;
	*step = "terminal";
	r = take_pty(entry);
	if (r < 0)
		return r;
	r = shed_privileges(entry, step);
	if (r < 0)
		return r;
	*step = "descriptors";
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	/* At the end: a step that reports success and does nothing is found here, whatever it was. */
	return cloister_entry_verify(entry, step);
}

int cloister_entry_become_user(const struct cloister_session *session, const char **step)
{
	*step = "groups";
	if (session->privileged && syscall(SYS_setgroups, session->n_groups, session->groups) < 0)
		return -errno;
	*step = "gid";
	if (syscall(SYS_setresgid, session->gid, session->gid, session->gid) < 0)
		return -errno;
	*step = "uid";
	if (syscall(SYS_setresuid, session->uid, session->uid, session->uid) < 0)
		return -errno;
	/* A setuid(2) from 0 cleared them, as that of a login program does; where the id was the user's before, nothing
	 * has. */
	*step = "capabilities";
	int r = cloister_set_capabilities(is_own_root(session) ? session->capabilities : 0, false);
	if (r < 0)
		return r;
	struct cloister_privileges now;
	r = cloister_privileges_read(&now);
	if (r < 0)
		return r;
	if ((now.permitted & ~session->capabilities) != 0)
		return -EPERM;
	*step = "uid can be regained";
	if (session->uid != 0 && !(session->capabilities & CAP_BIT(CAP_SETUID)) &&
	    syscall(SYS_setresuid, -1, 0, -1) == 0)
		return -EPERM;
	*step = "verify: ids";
	r = cloister_entry_verify_user(session);
	if (r < 0)
		return r;
	if (!session->root_inside)
		return 0;
	*step = "session file";
	struct cloister_inside inside;
	return cloister_launcher_inside(&inside) && inside.joins ? cloister_root_users_join(&inside, step) : -EPERM;
}
