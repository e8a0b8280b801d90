/* SPDX-License-Identifier: MIT */
/* What a process gives up when it enters a session. Raw system calls: libcap allocates, and this runs in fork handlers.
 */
#include "cloister/privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef LANDLOCK_CREATE_RULESET_VERSION
#define LANDLOCK_CREATE_RULESET_VERSION (1U << 0)
#endif
/* The kernel headers of Debian 12 stop at ABI 2. */
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL               (UINT64_C(1) << 1)
#define SCOPE_ABI                  6

#define CAPABILITIES_MAX           64
/* Each kernel that has the mount API knows those up to here (Linux 5.9). */
#define LEAST_LAST CAP_CHECKPOINT_RESTORE

int cloister_drop_bounding_set(uint64_t keep)
{
	/* The kernel's last capability may be newer than our headers: go on until it says that there is none. */
	for (unsigned long capability = 0; capability < CAPABILITIES_MAX; capability++) {
		if (keep & (UINT64_C(1) << capability))
			continue;
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return errno == EINVAL && capability > LEAST_LAST ? 0 : -errno;
	}
	return 0;
}

int cloister_lock_securebits(void)
{
	unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
	                     SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 ? -errno : 0;
}

int cloister_set_capabilities(uint64_t permitted, bool ambient)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3], held[_LINUX_CAPABILITY_U32S_3];

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	if (syscall(SYS_capget, &header, held) < 0)
		return -errno;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t wanted = (uint32_t)(permitted >> (32 * i));

		/* "Everything" means everything that is there to keep. */
		if (permitted == UINT64_MAX)
			wanted = held[i].permitted;
		data[i].permitted = wanted;
		data[i].effective = wanted;
		data[i].inheritable = ambient ? wanted : 0;
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return -errno;
	for (unsigned long capability = 0; ambient && capability < CAPABILITIES_MAX; capability++) {
		if (!(data[capability / 32].permitted & (1U << (capability % 32))))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

static int set_effective(uint64_t effective, uint64_t *before)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	*before = (uint64_t)data[1].effective << 32 | data[0].effective;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		data[i].effective = data[i].permitted & (uint32_t)(effective >> (32 * i));
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int cloister_raise_permitted(uint64_t *before)
{
	return set_effective(UINT64_MAX, before);
}

int cloister_lower_effective(uint64_t before)
{
	uint64_t now;

	return set_effective(before, &now);
}

int cloister_set_file_ids(uid_t uid, gid_t gid)
{
	syscall(SYS_setfsgid, gid);
	syscall(SYS_setfsuid, uid);
	/* -1 is nobody's: nothing changes, and the answer is what holds. */
	return (gid_t)syscall(SYS_setfsgid, -1) == gid && (uid_t)syscall(SYS_setfsuid, -1) == uid ? 0 : -EPERM;
}

int cloister_set_no_new_privs(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int cloister_new_session_keyring(void)
{
	return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) < 0 ? -errno : 0;
}

int cloister_landlock_scopes(bool signals)
{
	const struct {
		uint64_t handled_access_fs;
		uint64_t handled_access_net;
		uint64_t scoped;
	} ruleset = {.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | (signals ? SCOPE_SIGNAL : 0)};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < SCOPE_ABI)
		return -EOPNOTSUPP;
	long fd = syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	return fd < 0 ? -errno : (int)fd;
}

int cloister_landlock_enter(int ruleset)
{
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}

int cloister_no_core(void)
{
	const struct rlimit none = {0, 0};

	return setrlimit(RLIMIT_CORE, &none) < 0 ? -errno : 0;
}

void cloister_raise_descriptor_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static uint64_t whole(uint32_t low, uint32_t high)
{
	return (uint64_t)high << 32 | low;
}

int cloister_privileges_read(struct cloister_privileges *state)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	struct cloister_privileges result = {0};

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	result.effective = whole(data[0].effective, data[1].effective);
	result.permitted = whole(data[0].permitted, data[1].permitted);
	result.inheritable = whole(data[0].inheritable, data[1].inheritable);
	/* None is ambient that is not permitted and inheritable (capabilities(7)). */
	uint64_t maybe_ambient = result.permitted & result.inheritable;
	for (unsigned long capability = 0; capability < CAPABILITIES_MAX; capability++) {
		int ambient = 0, bounding = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);

		if (bounding < 0 && errno == EINVAL && capability > LEAST_LAST)
			break;
		if (maybe_ambient & (UINT64_C(1) << capability))
			ambient = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0);
		if (bounding < 0 || ambient < 0)
			return -errno;
		result.bounding |= (uint64_t)bounding << capability;
		result.ambient |= (uint64_t)ambient << capability;
	}
	int no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	int seccomp_mode = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
	int securebits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	if (no_new_privs < 0 || seccomp_mode < 0 || securebits < 0 || dumpable < 0)
		return -errno;
	result.no_new_privs = no_new_privs == 1;
	result.seccomp_mode = seccomp_mode;
	result.securebits = securebits;
	result.dumpable = dumpable == 1;
	*state = result;
	return 0;
}
