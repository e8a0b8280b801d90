/* SPDX-License-Identifier: MIT */
/* What the kernel says of a child that has entered, before it does anything else: the last step of the entry. Raw
 * system calls and the stack alone, as the steps before it. */
#include "cloister/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/privileges.h"

#define CAP_BIT(capability) (UINT64_C(1) << (capability))

static int verify_namespaces(const struct cloister_entry *entry)
{
	const struct cloister_session *session = entry->session;

	for (size_t i = 0; i < CLOISTER_NAMESPACE_KINDS; i++) {
		const struct cloister_namespace_kind *kind = &cloister_namespace_kinds[i];
		uint64_t expected = session->namespace_inodes[i], now = 0;

		if (!(session->namespaces & kind->flag))
			continue;
		int r = cloister_namespace_inode("self", kind, &now);
		if (r < 0)
			return r;
		/* A console of the login's own is bound in a mount namespace of its own. */
		if (kind->flag == CLONE_NEWNS && entry->terminal != NULL)
			expected = 0;
		/* Where init cannot be looked at (a user's own session) it is another one than the host's at least. */
		if (expected != 0 ? now != expected : now == session->host_namespace_inodes[i])
			return -EPERM;
	}
	return 0;
}

static int verify_root(const struct cloister_session *session)
{
	struct stat root, here, up;

	if (stat("/", &root) < 0 || stat(".", &here) < 0 || stat("/..", &up) < 0)
		return -errno;
	if (here.st_dev != root.st_dev || here.st_ino != root.st_ino || up.st_dev != root.st_dev ||
	    up.st_ino != root.st_ino)
		return -EPERM;
	/* 0: init cannot be looked at. */
	return session->root_inode == 0 || (session->root_device == root.st_dev && session->root_inode == root.st_ino)
	               ? 0
	               : -EPERM;
}

static bool is_group_of(const struct cloister_session *session, gid_t gid)
{
	for (size_t i = 0; i < session->n_groups; i++) {
		if (session->groups[i] == gid)
			return true;
	}
	return false;
}

static int verify_groups(const struct cloister_session *session)
{
	gid_t groups[64];
	int n = getgroups(0, NULL);

	if (n < 0 || (size_t)n > session->n_groups)
		return -EPERM;
	/* More than fit here are counted alone: there is no memory to be had in a fork handler. */
	if ((size_t)n > sizeof(groups) / sizeof(*groups))
		return 0;
	n = getgroups(n, groups);
	for (int i = 0; i < n; i++) {
		if (!is_group_of(session, groups[i]))
			return -EPERM;
	}
	return n < 0 ? -errno : 0;
}

static int verify_ids(uid_t uid, gid_t gid)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		return -errno;
	return ruid == uid && euid == uid && suid == uid && rgid == gid && egid == gid && sgid == gid ? 0 : -EPERM;
}

/* Root of the namespace, with the user's groups, until the login program becomes the user. */
static int verify_shed_ids(const struct cloister_session *session)
{
	if (!(session->namespaces & CLONE_NEWUSER) || !session->privileged)
		return 0;
	int r = verify_ids(0, getegid() == session->gid ? session->gid : 0);
	return r < 0 ? r : verify_groups(session);
}

int cloister_entry_verify_user(const struct cloister_session *session)
{
	int r = verify_ids(session->uid, session->gid);

	/* A user's own session cannot drop them (user_namespaces(7), /proc/PID/setgroups): they show as nobody's. */
	return r < 0 || !session->privileged ? r : verify_groups(session);
}

static int verify_privileges(const struct cloister_entry *entry)
{
	const struct cloister_session *session = entry->session;
	uint64_t keep = session->capabilities;
	struct cloister_privileges now;
	int r = cloister_privileges_read(&now);

	if (r < 0)
		return r;
	if (entry->login_program)
		keep |= CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID);
	if (((now.effective | now.permitted | now.inheritable) & ~keep) != 0 ||
	    (now.bounding & ~session->capabilities) != 0 || now.ambient != 0)
		return -EPERM;
	if ((session->no_new_privs || session->seccomp_length > 0) && !now.no_new_privs)
		return -EPERM;
	return session->seccomp_length > 0 && now.seccomp_mode != 2 ? -EPERM : 0;
}

struct directory_entry { /* getdents64(2) */
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	unsigned char type;
	char name[];
};

/* Nothing but standard input, output and error gets through an execve(2). */
static int verify_descriptors(void)
{
	_Alignas(struct directory_entry) char list[2048];
	int _cleanup_close_ directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (directory < 0)
		return -errno;
	while ((n = syscall(SYS_getdents64, directory, list, sizeof(list))) > 0) {
		for (long at = 0; at < n;) {
			const struct directory_entry *entry = (const void *)(list + at);
			int fd = (int)strtol(entry->name, NULL, 10);
			int flags = fd > 2 ? fcntl(fd, F_GETFD) : FD_CLOEXEC;

			if (flags < 0)
				return -errno;
			if (!(flags & FD_CLOEXEC))
				return -EPERM;
			at += entry->length;
		}
	}
	return n < 0 ? -errno : 0;
}

int cloister_entry_verify(const struct cloister_entry *entry, const char **step)
{
	*step = "verify: namespaces";
	int r = verify_namespaces(entry);
	if (r < 0)
		return r;
	*step = "verify: root";
	r = verify_root(entry->session);
	if (r < 0)
		return r;
	*step = "verify: ids";
	r = verify_shed_ids(entry->session);
	if (r < 0)
		return r;
	*step = "verify: privileges";
	r = verify_privileges(entry);
	if (r < 0)
		return r;
	*step = "verify: descriptors";
	return verify_descriptors();
}
