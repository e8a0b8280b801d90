/* SPDX-License-Identifier: MIT */
/* The host's side of a sandbox: its namespaces, ids and root are made here, and checked from here. */
#include "cloister/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cloister/cleanup.h"
#include "cloister/control.h"
#include "cloister/descriptor.h"
#include "cloister/mounts.h"
#include "cloister/namespaces.h"
#include "cloister/privileges.h"
#include "cloister/seccomp_filter.h"
#include "sandbox_child.h"
#include "spawn.h"

#define SANDBOX_NAMESPACES \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)
#define SETUP_TIMEOUT 30000 /* milliseconds */
/* To end after it has said that it is done. */
#define END_MILLISECONDS 10000

static int write_ids(pid_t pid, struct cloister_error *err)
{
	const struct cloister_id_extent all = {0, CLOISTER_SANDBOX_ID_BASE, CLOISTER_SANDBOX_ID_COUNT};
	struct cloister_plan _cleanup_free_ *plan = calloc(1, sizeof(*plan));

	if (plan == NULL)
		return cloister_fail(err, ENOMEM, "sandbox", NULL, "no memory");
	plan->privileged = true;
	plan->uid_map.extents[0] = plan->gid_map.extents[0] = all;
	plan->uid_map.n = plan->gid_map.n = 1;
	return cloister_write_maps(plan, pid, err);
}

/*
 * The directory as a mount of its own. noexec: what a library might load from the new tree later (iconv, NSS, a
 * decompressor's helper) would be the archive's code (docker cp, CVE-2019-14271).
 */
static int make_root(const struct cloister_sandbox *sandbox, pid_t pid, struct cloister_error *err)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	int _cleanup_close_ user_namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (user_namespace < 0)
		return cloister_fail(err, errno, "sandbox", path, "cannot open");
	int _cleanup_close_ mount = cloister_mount_clone(sandbox->root, false);
	if (mount < 0)
		return cloister_fail(err, -mount, "sandbox", NULL, "cannot clone the directory's mount");
	int r = cloister_mount_idmap(mount, user_namespace);
	if (r == -EINVAL || r == -EOPNOTSUPP)
		return cloister_fail(err, EOPNOTSUPP, "sandbox", NULL,
		                     "the file system does not support idmapped mounts; ext4, xfs, btrfs and, from "
		                     "Linux 6.3, tmpfs do");
	if (r == 0)
		r = cloister_mount_restrict(mount, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, false);
	return r < 0 ? cloister_fail(err, -r, "sandbox", NULL, "cannot restrict the directory's mount")
	             : TAKE_FD(mount);
}

/* The kernel's word that the child has left every namespace of ours. */
static int verify_namespaces(pid_t pid, struct cloister_error *err)
{
	char child[16];

	snprintf(child, sizeof(child), "%d", (int)pid);
	for (size_t i = 0; i < CLOISTER_NAMESPACE_KINDS; i++) {
		const struct cloister_namespace_kind *kind = &cloister_namespace_kinds[i];
		uint64_t ours = 0, theirs = 0;
		int r = cloister_namespace_inode("self", kind, &ours);

		if (r == 0)
			r = cloister_namespace_inode(child, kind, &theirs);
		if (r < 0)
			return cloister_fail(err, -r, "sandbox", kind->name, "cannot tell which namespace it is");
		if (ours == theirs)
			return cloister_fail(err, EPERM, "sandbox", kind->name,
			                     "the process is in the host's namespace");
	}
	return 0;
}

static int spawn(struct sandbox_child *child, struct cloister_sandbox_process *process, struct cloister_error *err)
{
	int pair[2], pidfd = -1;
	struct clone_args args = {.flags = SANDBOX_NAMESPACES | CLONE_PIDFD,
	                          .pidfd = (uintptr_t)&pidfd,
	                          .exit_signal = SIGCHLD};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cloister_fail(err, errno, "sandbox", NULL, "no socketpair");
	child->control = pair[1];
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		sandbox_child_main(child);
	int code = errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return cloister_fail(err, code, "sandbox", NULL, "cannot make its namespaces%s",
		                     cloister_namespaces_hint(code));
	}
	*process = (struct cloister_sandbox_process){.pid = (pid_t)pid, .pidfd = pidfd, .control = pair[0]};
	return 0;
}

static int build(const struct cloister_sandbox *sandbox, struct cloister_sandbox_process *process,
                 struct cloister_error *err)
{
	const char begin = 1;
	int r = write_ids(process->pid, err);

	if (r < 0)
		return r;
	int _cleanup_close_ root = make_root(sandbox, process->pid, err);
	if (root < 0)
		return root;
	r = cloister_descriptor_send(process->control, root, 0);
	if (r < 0)
		return cloister_fail(err, -r, "sandbox", NULL, "it ended before it could begin");
	r = cloister_control_wait(process->control, SETUP_TIMEOUT, err);
	if (r == 0)
		r = verify_namespaces(process->pid, err);
	if (r < 0)
		return r;
	/* It waits for this: one that is through already has no namespaces to look at. */
	if (send(process->control, &begin, 1, MSG_NOSIGNAL) != 1)
		return cloister_fail(err, errno, "sandbox", NULL, "it ended before it could begin");
	return 0;
}

int cloister_sandbox_start(const struct cloister_sandbox *sandbox, struct cloister_sandbox_process *process,
                           struct cloister_error *err)
{
	void _cleanup_free_ *filter = NULL;
	struct sandbox_child child = {.sandbox = sandbox};

	/* Of the session's rules; none of the calls that they refuse is needed to write files. */
	int r = cloister_seccomp_filter(0, false, &filter, &child.filter_length, err);
	if (r < 0)
		return r;
	child.filter = filter;
	int _cleanup_close_ landlock = cloister_landlock_scopes(true);
	if (landlock < 0 && landlock != -EOPNOTSUPP)
		return cloister_fail(err, -landlock, "landlock", NULL, "cannot make the ruleset");
	child.landlock = landlock;
	r = spawn(&child, process, err);
	if (r < 0)
		return r;
	r = build(sandbox, process, err);
	if (r < 0)
		cloister_sandbox_end(process);
	return r;
}

int cloister_sandbox_wait(struct cloister_sandbox_process *process)
{
	struct pollfd poller = {.fd = process->pidfd, .events = POLLIN};
	int status = 0;

	if (process->pid <= 0)
		return 0;
	/* It has said that it is done, and is not believed. */
	if (poll(&poller, 1, END_MILLISECONDS) == 0)
		syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
	while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
		;
	process->pid = 0;
	return status;
}

int cloister_sandbox_end(struct cloister_sandbox_process *process)
{
	if (process->pid > 0)
		syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
	int status = cloister_sandbox_wait(process);
	if (process->pidfd >= 0)
		close(process->pidfd);
	if (process->control >= 0)
		close(process->control);
	process->pidfd = process->control = -1;
	return status;
}
