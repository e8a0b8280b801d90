/* SPDX-License-Identifier: MIT */
/* From a copy of root's process to one that has nothing but a directory. */
#include "sandbox_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/control.h"
#include "cloister/descriptor.h"
#include "cloister/mounts.h"
#include "cloister/privileges.h"
#include "cloister/seccomp_filter.h"

/* Above every descriptor that is placed at a fixed number. */
#define FIRST_FREE_FD 32

/* 0 to 2 are /dev/null, then the socket, what was given, and the ruleset; nothing else stays open. */
static int place_descriptors(struct sandbox_child *child)
{
	const struct cloister_sandbox *sandbox = child->sandbox;
	int high[3 + 1 + CLOISTER_SANDBOX_DESCRIPTORS + 1], n = 0;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* High first, so that placing one does not overwrite another. */
	for (int i = 0; i < 3; i++)
		high[n++] = fcntl(null, F_DUPFD, FIRST_FREE_FD);
	high[n++] = fcntl(child->control, F_DUPFD, FIRST_FREE_FD);
	for (size_t i = 0; i < sandbox->n_descriptors; i++)
		high[n++] = fcntl(sandbox->descriptors[i], F_DUPFD, FIRST_FREE_FD);
	if (child->landlock >= 0)
		high[n++] = fcntl(child->landlock, F_DUPFD, FIRST_FREE_FD);
	for (int i = 0; i < n; i++) {
		if (high[i] < 0 || dup2(high[i], i) < 0)
			return -errno;
	}
	child->control = CLOISTER_SANDBOX_CONTROL_FD;
	if (child->landlock >= 0)
		child->landlock = n - 1;
	return close_range((unsigned)n, ~0U, 0) < 0 ? -errno : 0;
}

static int become_root_of_namespace(void)
{
	if (setsid() < 0 || syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 ||
	    syscall(SYS_setresuid, 0, 0, 0) < 0)
		return -errno;
	/* After the change of ids, which would clear it (prctl(2)). */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

static int enter_root(int root)
{
	struct stat wanted, found;
	int r = cloister_mount_propagation(false);

	if (r < 0)
		return r;
	int _cleanup_close_ slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (slash < 0)
		return -errno;
	r = cloister_mount_attach(root, slash);
	if (r < 0)
		return r;
	if (fchdir(root) < 0)
		return -errno;
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* The old root lies on top of the new one now; "." is it (pivot_root(2), NOTES). */
		if (umount2(".", MNT_DETACH) < 0)
			return -errno;
	} else if (errno != EINVAL || chroot(".") < 0) {
		/* EINVAL: an initramfs cannot be pivoted away; the new root lies on top of it. */
		return -errno;
	}
	if (chdir("/") < 0 || stat("/", &found) < 0 || fstat(root, &wanted) < 0)
		return -errno;
	return found.st_dev == wanted.st_dev && found.st_ino == wanted.st_ino ? 0 : -EXDEV;
}

static int give_up_privileges(const struct sandbox_child *child)
{
	const struct cloister_sandbox *sandbox = child->sandbox;
	int r = cloister_new_session_keyring();

	if (r == 0)
		r = cloister_no_core();
	for (size_t i = 0; i < sandbox->n_limits && r == 0; i++) {
		const struct rlimit limit = {sandbox->limits[i].value, sandbox->limits[i].value};
		r = setrlimit((__rlimit_resource_t)sandbox->limits[i].resource, &limit) < 0 ? -errno : 0;
	}
	/* Dropping the bounding set needs a capability, and the filter needs no_new_privs once there is none. */
	if (r == 0)
		r = cloister_drop_bounding_set(sandbox->capabilities);
	if (r == 0)
		r = cloister_lock_securebits();
	if (r == 0)
		r = cloister_set_capabilities(sandbox->capabilities, false);
	if (r == 0)
		r = cloister_set_no_new_privs();
	if (r == 0 && child->landlock >= 0) {
		r = cloister_landlock_enter(child->landlock);
		close(child->landlock);
	}
	return r < 0 ? r : cloister_seccomp_load(child->filter, child->filter_length);
}

/* The kernel's word, before a byte of what cannot be trusted is read. */
static int verify(const struct cloister_sandbox *sandbox)
{
	struct cloister_privileges state;
	int r = cloister_privileges_read(&state);

	if (r < 0)
		return r;
	if (state.permitted != sandbox->capabilities || state.effective != sandbox->capabilities ||
	    state.bounding != sandbox->capabilities || state.inheritable != 0 || state.ambient != 0 ||
	    !state.no_new_privs || state.seccomp_mode != 2 || state.dumpable || getpid() != 1 || getuid() != 0)
		return -EPERM;
	return 0;
}

static int set_up(struct sandbox_child *child, struct cloister_error *err)
{
	int r = place_descriptors(child);

	if (r < 0)
		return cloister_fail(err, -r, "sandbox", NULL, "cannot close the caller's descriptors");
	/* It comes when the id maps are written. */
	int _cleanup_close_ root = cloister_descriptor_receive(child->control);
	if (root < 0)
		return cloister_fail(err, -root, "sandbox", NULL, "no root");
	r = become_root_of_namespace();
	if (r < 0)
		return cloister_fail(err, -r, "sandbox", NULL, "cannot become the namespace's root");
	r = enter_root(root);
	if (r < 0)
		return cloister_fail(err, -r, "sandbox", NULL, "cannot enter the new root");
	r = give_up_privileges(child);
	if (r < 0)
		return cloister_fail(err, -r, "sandbox", NULL, "cannot give up privileges");
	r = verify(child->sandbox);
	return r < 0 ? cloister_fail(err, -r, "sandbox", NULL, "what was given up is still there") : 0;
}

void sandbox_child_main(struct sandbox_child *child)
{
	struct cloister_error err = {0};
	char begin;

	if (set_up(child, &err) < 0) {
		cloister_control_answer(child->control, &err);
		_exit(125);
	}
	/* Its parent may have died before PR_SET_PDEATHSIG; then this fails. */
	if (cloister_control_answer(child->control, &err) < 0 || recv(child->control, &begin, 1, 0) != 1)
		_exit(125);
	_exit(child->sandbox->run(child->sandbox->context));
}
