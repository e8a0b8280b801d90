/* SPDX-License-Identifier: MIT */
/* A directory that can be opened without asking anybody but this kernel. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"

/* Of Linux 6.8 and 6.12, and newer than the headers of Debian 12. */
#define NR_STATMOUNT         457
#define STATMOUNT_OF_SB      0x1U /* STATMOUNT_SB_BASIC */
#define UNIQUE_MOUNT         0x1  /* AT_HANDLE_MNT_ID_UNIQUE */
#define ZFS_SUPER_MAGIC      0x2fc12fc1
#define BCACHEFS_SUPER_MAGIC 0xca451a4e

struct mount_request {
	uint32_t size;
	uint32_t spare;
	uint64_t mount;
	uint64_t wanted;
};

struct mount_answer {
	uint32_t size;
	uint32_t options;
	uint64_t mask;
	uint32_t device_major, device_minor;
	uint64_t magic;
	char rest[512];
};

static bool is_local_magic(uint64_t magic)
{
	static const uint64_t local[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,   F2FS_SUPER_MAGIC,
	                                 TMPFS_MAGIC,      ZFS_SUPER_MAGIC, BCACHEFS_SUPER_MAGIC};

	for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++) {
		if (local[i] == magic)
			return true;
	}
	return false;
}

/*
 * By the mount: for fstatfs(2), and for statx(2) whatever its flags say (cifs, 9p), a file server may be asked. The
 * number of the mount comes from name_to_handle_at(2) without room for a handle. A kernel that cannot do either knows
 * no answer: by the device one cannot tell, since that of fuseblk is a disk's.
 */
static bool is_on_local_disk(int directory)
{
	struct mount_request request = {.size = sizeof(request), .wanted = STATMOUNT_OF_SB};
	struct mount_answer answer = {0};
	struct file_handle none = {0};

	if (syscall(SYS_name_to_handle_at, directory, "", &none, &request.mount, AT_EMPTY_PATH | UNIQUE_MOUNT) == 0 ||
	    errno != EOVERFLOW)
		return false;
	return syscall(NR_STATMOUNT, &request, &answer, sizeof(answer), 0) == 0 && (answer.mask & STATMOUNT_OF_SB) &&
	       is_local_magic(answer.magic);
}

/* An access control list may bar whom the mode lets in. */
static bool has_access_list(int directory)
{
	char name[40];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", directory);
	return getxattr(name, "system.posix_acl_access", NULL, 0) >= 0 || (errno != ENODATA && errno != EOPNOTSUPP);
}

/* Owner, group and others alike: the mode of a directory that bars its group (0705) lets others in. */
static bool everybody_may_search(int directory, const struct statx *st)
{
	return (st->stx_mode & 0111) == 0111 && !has_access_list(directory);
}

static int look(int directory, bool is_last)
{
	const unsigned wanted = STATX_TYPE | STATX_MODE;
	struct statx st;

	if (!is_on_local_disk(directory))
		return -EAGAIN;
	if (statx(directory, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, wanted, &st) < 0)
		return -errno;
	if ((st.stx_mask & wanted) != wanted || !S_ISDIR(st.stx_mode))
		return -EAGAIN;
	return is_last || everybody_may_search(directory, &st) ? 0 : -EAGAIN;
}

int cloister_path_open_local(const char *path)
{
	const unsigned long long resolve =
		RESOLVE_CACHED | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
	char copy[PATH_MAX], *rest = NULL;

	if (path[0] != '/' || strlen(path) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, path, strlen(path) + 1);
	int _cleanup_close_ at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return -errno;
	for (char *name = strtok_r(copy, "/", &rest); name != NULL; name = strtok_r(NULL, "/", &rest)) {
		struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, .resolve = resolve};
		int r = look(at, false);

		if (r < 0)
			return r;
		/* Not cloister_openat2(), for which EAGAIN is a reason to try again. */
		int next = (int)syscall(SYS_openat2, at, name, &how, sizeof(how));
		if (next < 0)
			return -errno;
		close(at);
		at = next;
	}
	int r = look(at, true);
	return r < 0 ? r : TAKE_FD(at);
}
