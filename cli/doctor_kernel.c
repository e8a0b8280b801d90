/* SPDX-License-Identifier: MIT */
/* cloister doctor: what the running kernel has. It is asked, not judged by its version. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/namespace_limits.h"
#include "cloister/namespaces.h"
#include "cloister/privileges.h"
#include "doctor.h"

/* Each is called in a way that fails, or does nothing; only ENOSYS says that it is not there. */
static long try_clone3(void)
{
	return syscall(SYS_clone3, NULL, 0);
}

static long try_openat2(void)
{
	const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};

	return syscall(SYS_openat2, AT_FDCWD, "", &how, sizeof(how));
}

static long try_fsopen(void)
{
	return syscall(SYS_fsopen, NULL, 0);
}

static long try_open_tree(void)
{
	return syscall(SYS_open_tree, -1, "", 0);
}

static long try_move_mount(void)
{
	return syscall(SYS_move_mount, -1, "", -1, "", 0);
}

static long try_mount_setattr(void)
{
	return syscall(SYS_mount_setattr, -1, "", 0, NULL, 0);
}

static long try_pidfd_open(void)
{
	return syscall(SYS_pidfd_open, 0, 0);
}

/* Before 5.11 it is there, and does not know the flag. */
static long try_close_range(void)
{
	long r = syscall(SYS_close_range, INT32_MAX, INT32_MAX, CLOSE_RANGE_CLOEXEC);

	if (r < 0)
		errno = ENOSYS;
	return r;
}

static long try_keyctl(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, 0, 0, 0, 0);
}

static long try_seccomp(void)
{
	const uint32_t action = SECCOMP_RET_KILL_PROCESS;
	long r = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);

	if (r < 0)
		errno = ENOSYS;
	return r;
}

static const struct {
	const char *name;
	long (*attempt)(void);
	const char *why;
} calls[] = {
	{"clone3", try_clone3,
         "Linux 5.3 has it: homes that root may not open, su's terminal, pasta, and init where there are limits"},
	{"openat2", try_openat2, "Linux 5.6 has it: no path is safe without it"},
	{"fsopen", try_fsopen, "Linux 5.2 has it: the mount API"},
	{"open_tree", try_open_tree, "Linux 5.2 has it: the mount API"},
	{"move_mount", try_move_mount, "Linux 5.2 has it: the mount API"},
	{"mount_setattr", try_mount_setattr, "Linux 5.12 has it: flags of whole trees, and idmapped mounts"},
	{"pidfd_open", try_pidfd_open, "Linux 5.3 has it: a process is held by it, not by its number"},
	{"close_range with CLOSE_RANGE_CLOEXEC", try_close_range,
         "Linux 5.11 has it: nothing open gets into a session"},
	{"seccomp with SECCOMP_RET_KILL_PROCESS", try_seccomp, "CONFIG_SECCOMP_FILTER"},
	{"keyctl", try_keyctl, "CONFIG_KEYS: a session has one of its own"},
};

static void look_at_calls(struct doctor *doctor)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		bool there = calls[i].attempt() >= 0 || errno != ENOSYS;

		doctor_say(doctor, there ? DOCTOR_OK : DOCTOR_MISSING, calls[i].name, "%s",
		           there ? "is there" : calls[i].why);
	}
}

/* user.max_mnt_namespaces and so on: 0 is a way to switch them off. */
static bool is_switched_off(const char *kind)
{
	char path[64], text[16] = "";

	snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", kind);
	int _cleanup_close_ fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strcmp(text, "0\n") == 0;
}

static void look_at_namespaces(struct doctor *doctor)
{
	for (size_t i = 0; i < CLOISTER_NAMESPACE_KINDS; i++) {
		const char *kind = cloister_namespace_kinds[i].name;
		char what[32];
		uint64_t inode;

		snprintf(what, sizeof(what), "%s namespaces", kind);
		if (cloister_namespace_inode("self", &cloister_namespace_kinds[i], &inode) < 0)
			doctor_say(doctor, DOCTOR_MISSING, what, "this kernel is built without them");
		else if (is_switched_off(kind))
			doctor_say(doctor, DOCTOR_MISSING, what, "user.max_%s_namespaces is 0", kind);
		else
			doctor_say(doctor, DOCTOR_OK, what, "are there");
	}
	const char *limit = cloister_namespace_limit();
	if (limit != NULL)
		doctor_say(doctor, DOCTOR_WEAKER, "cloister-sh without root", "%s", limit);
}

static void look_at_landlock(struct doctor *doctor)
{
	int _cleanup_close_ scopes = cloister_landlock_scopes(true);

	if (scopes >= 0)
		doctor_say(doctor, DOCTOR_OK, "Landlock's scopes", "are there");
	else
		doctor_say(doctor, DOCTOR_WEAKER, "Landlock's scopes",
		           "Linux 6.12 has them, with landlock in lsm=: without them a session with network = host "
		           "reaches "
		           "abstract sockets of the host");
}

/* fsopen(2) of a type that is a module loads it, for root. */
static void look_at_filesystem(struct doctor *doctor, const char *type, const char *purpose, enum doctor_state without)
{
	int _cleanup_close_ context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);

	if (context >= 0 || errno == EPERM)
		doctor_say(doctor, DOCTOR_OK, type, "%s", context >= 0 ? "is there" : "is for root to look at");
	else
		doctor_say(doctor, without, type, "this kernel has none, nor a module of it: %s", purpose);
}

void doctor_kernel(struct doctor *doctor)
{
	look_at_namespaces(doctor);
	look_at_calls(doctor);
	look_at_landlock(doctor);
	look_at_filesystem(doctor, "overlay", "rootfs = /, and any other but with writable = direct, needs it",
	                   DOCTOR_MISSING);
	look_at_filesystem(doctor, "erofs", "images of this type cannot be used", DOCTOR_NOTE);
	look_at_filesystem(doctor, "squashfs", "images of this type cannot be used", DOCTOR_NOTE);
	if (access("/dev/loop-control", F_OK) == 0)
		doctor_say(doctor, DOCTOR_OK, "loop devices", "are there");
	else
		doctor_say(
			doctor, DOCTOR_NOTE, "loop devices",
			"no /dev/loop-control: a squashfs image, and an erofs that cannot be mounted as a file, cannot "
			"be used");
}
