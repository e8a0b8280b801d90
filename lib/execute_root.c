/* SPDX-License-Identifier: MIT */
/* The rows of users = root: whose init's files are, the second tree, and the doors to the launcher. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <linux/magic.h>
#include <linux/nsfs.h>

#include "cloister/cleanup.h"
#include "cloister/mounts.h"
#include "cloister/path.h"
#include "cloister/privileges.h"
#include "cloister/root_users.h"

static int fail(const struct cloister_row *row, int code, const char *text, struct cloister_error *err)
{
	return cloister_fail(err, code < 0 ? -code : code, cloister_row_name(row->kind), row->target, "%s", text);
}

int cloister_carry_owner(struct cloister_execution *execution, const struct cloister_row *row, int source,
                         struct cloister_error *err)
{
	const struct cloister_plan *plan = execution->plan;
	uint64_t effective;

	(void)source;
	syscall(SYS_setfsgid, plan->inside_gid);
	syscall(SYS_setfsuid, plan->inside_uid);
	/* setfsuid(2) away from 0 takes the file capabilities out of the effective set. */
	int r = cloister_raise_permitted(&effective);
	if (r < 0)
		return fail(row, r, "cannot keep the capabilities", err);
	/* -1 is no id, and the call only tells. */
	if (syscall(SYS_setfsuid, -1) != plan->inside_uid || syscall(SYS_setfsgid, -1) != plan->inside_gid)
		return fail(row, EPERM, "cannot make files as the user", err);
	return 0;
}

int cloister_carry_seal(struct cloister_execution *execution, const struct cloister_row *row, int source,
                        struct cloister_error *err)
{
	(void)source;
	int _cleanup_close_ target = cloister_path_open_inside(execution->root, row->target, O_PATH | O_DIRECTORY);
	int r = target < 0 ? target : cloister_mount_restrict(target, row->attributes, false);
	return r < 0 ? fail(row, r, "cannot make the mount read-only", err) : 0;
}

int cloister_carry_tree(struct cloister_execution *execution, const struct cloister_row *row, int source,
                        struct cloister_error *err)
{
	(void)source;
	int _cleanup_close_ target = cloister_path_open_inside(execution->root, row->target, O_PATH | O_DIRECTORY);
	int _cleanup_close_ tree = target < 0 ? target : cloister_mount_clone(execution->root, true);
	int r = tree < 0 ? tree : cloister_mount_attach(tree, target);
	return r < 0 ? fail(row, r, "cannot mount the second tree", err) : 0;
}

/* A name more that leads to the launcher: hard links of one symbolic link, since there are thousands. */
static int add_door(int doors, const char *first, const char *name)
{
	if (*first == '\0')
		return symlinkat(CLOISTER_DOOR, doors, name) < 0 ? -errno : 0;
	return linkat(doors, first, doors, name, 0) < 0 && errno != EEXIST ? -errno : 0;
}

static int fill_doors(int doors, int directory, const char *login_shell)
{
	char first[NAME_MAX + 1] = "";
	int copy = fcntl(directory, F_DUPFD_CLOEXEC, 3);
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);
	int r = entries == NULL ? -errno : 0;

	if (entries == NULL) {
		if (copy >= 0)
			close(copy);
		return r;
	}
	if (*login_shell != '\0') {
		r = add_door(doors, first, login_shell);
		snprintf(first, sizeof(first), "%s", login_shell);
	}
	for (struct dirent *entry = readdir(entries); entry != NULL && r == 0; entry = readdir(entries)) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || entry->d_type == DT_DIR)
			continue;
		r = add_door(doors, first, entry->d_name);
		if (*first == '\0')
			snprintf(first, sizeof(first), "%s", entry->d_name);
	}
	closedir(entries);
	return r;
}

static bool has_doors(const struct cloister_execution *execution, const struct stat *directory)
{
	for (size_t i = 0; i < execution->n_doors; i++) {
		if (execution->doors[i] == directory->st_dev)
			return true;
	}
	return false;
}

int cloister_carry_doors(struct cloister_execution *execution, const struct cloister_row *row, int source,
                         struct cloister_error *err)
{
	struct stat st;

	(void)source;
	int _cleanup_close_ directory = cloister_path_open_inside(execution->root, row->target, O_RDONLY | O_DIRECTORY);
	if (directory == -ENOENT && (row->flags & CLOISTER_ROW_IF_PRESENT))
		return 0;
	if (directory == -ENOENT) {
		int _cleanup_close_ made = cloister_path_make_directory(execution->root, row->target, 0755);
		if (made >= 0)
			directory = cloister_path_open_inside(execution->root, row->target, O_RDONLY | O_DIRECTORY);
	}
	if (directory < 0 || fstat(directory, &st) < 0)
		return fail(row, directory < 0 ? directory : errno, "cannot open the directory", err);
	/* /bin is a link to /usr/bin in many a rootfs. */
	if (has_doors(execution, &st))
		return 0;
	int _cleanup_close_ doors =
		cloister_mount_new("tmpfs", "mode=0755", row->attributes & ~(uint64_t)MOUNT_ATTR_RDONLY);
	int r = doors < 0 ? doors : fill_doors(doors, directory, row->data);
	if (r == 0)
		r = cloister_mount_restrict(doors, row->attributes, false);
	if (r == 0)
		r = cloister_mount_attach(doors, directory);
	if (r == 0 && fstat(doors, &st) < 0)
		r = -errno;
	if (r < 0)
		return fail(row, r, "cannot lead its programs to the launcher", err);
	if (execution->n_doors < CLOISTER_DOORS_MAX)
		execution->doors[execution->n_doors++] = st.st_dev;
	return 0;
}

int cloister_root_users_verify(const struct cloister_plan *plan, struct cloister_error *err)
{
	struct stat own, above;
	struct statfs fs;
	uid_t owner = 0;

	if (!plan->root_inside)
		return 0;
	int _cleanup_close_ fd = open(CLOISTER_USERS_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return cloister_fail(err, errno, "verify", CLOISTER_USERS_FILE, "cannot open");
	if (fs.f_type != NSFS_MAGIC || ioctl(fd, NS_GET_OWNER_UID, &owner) < 0 || owner != plan->uid)
		return cloister_fail(err, EPERM, "verify", CLOISTER_USERS_FILE, "not a user namespace of the user's");
	int _cleanup_close_ parent = ioctl(fd, NS_GET_PARENT);
	if (parent < 0 || fstat(parent, &above) < 0 || stat("/proc/self/ns/user", &own) < 0)
		return cloister_fail(err, errno, "verify", CLOISTER_USERS_FILE, "cannot tell its parent");
	if (above.st_ino != own.st_ino || above.st_dev != own.st_dev)
		return cloister_fail(err, EPERM, "verify", CLOISTER_USERS_FILE, "not a child of the session's");
	return 0;
}
