/* SPDX-License-Identifier: MIT */
/* Carrying out the rows of a plan in their order; here mounts, files and pivot_root, the rest in files beside it. */
#include "cloister/execute.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "cloister/cleanup.h"
#include "cloister/control.h"
#include "cloister/image.h"
#include "cloister/mounts.h"
#include "cloister/namespaces.h"
#include "cloister/path.h"
#include "cloister/root_users.h"

static int fail_row(const struct cloister_row *row, int code, const char *text, struct cloister_error *err)
{
	return cloister_fail(err, code < 0 ? -code : code, cloister_row_name(row->kind), row->target, "%s", text);
}

static int carry_root(struct cloister_execution *execution, const struct cloister_row *row, int source,
                      struct cloister_error *err)
{
	struct stat st;

	/* On top of "/", the one directory that is surely there; pivot_root(2) takes it from there. */
	int _cleanup_close_ slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (slash < 0)
		return fail_row(row, errno, "cannot open /", err);
	int r = cloister_mount_attach(source, slash);
	if (r < 0)
		return fail_row(row, r, "cannot attach the new root", err);
	if (fstat(source, &st) < 0)
		return fail_row(row, errno, "cannot stat the new root", err);
	execution->root_device = st.st_dev;
	execution->root_inode = st.st_ino;
	execution->root = fcntl(source, F_DUPFD_CLOEXEC, 3);
	return execution->root < 0 ? fail_row(row, errno, "no descriptor", err) : 0;
}

/* Kept for as long as init lives, under the number at which later sessions ask for it. */
static int carry_image(struct cloister_execution *execution, const struct cloister_row *row, int source,
                       struct cloister_error *err)
{
	if (source < 0)
		return 0;
	if (dup3(source, CLOISTER_IMAGE_FD, O_CLOEXEC) < 0)
		return fail_row(row, errno, "no descriptor", err);
	execution->image_held = true;
	return 0;
}

/* Why there is nothing to mount on, as far as the errno tells. */
static int fail_target(const struct cloister_row *row, int code, const char *otherwise, struct cloister_error *err)
{
	const char *text = otherwise;

	if (code == -EROFS || code == -EACCES || code == -EPERM)
		text = "the mount point is missing in the rootfs and cannot be made there: add it";
	else if (code == -ELOOP)
		text = "a symbolic link on the way, which the user could have placed";
	if (*row->origin == '\0')
		return fail_row(row, code, text, err);
	return cloister_fail(err, -code, cloister_row_name(row->kind), row->target, "%s (%s)", text, row->origin);
}

static int attach_on_directory(struct cloister_execution *execution, const struct cloister_row *row, int mount,
                               struct cloister_error *err)
{
	int _cleanup_close_ target = cloister_target_directory(execution, row);

	if (target == -ENOENT && (row->flags & CLOISTER_ROW_IF_PRESENT))
		return 0;
	if (target < 0)
		return fail_target(row, target, "no directory to mount on", err);
	int r = cloister_mount_attach(mount, target);
	return r < 0 ? fail_row(row, r, "cannot mount", err) : 0;
}

static int carry_new(struct cloister_execution *execution, const struct cloister_row *row, const char *filesystem,
                     struct cloister_error *err)
{
	int _cleanup_close_ mount = cloister_mount_new(filesystem, row->data, row->attributes);

	if (mount < 0)
		return fail_row(row, mount, "cannot make the file system", err);
	return attach_on_directory(execution, row, mount, err);
}

static int carry_tmpfs(struct cloister_execution *execution, const struct cloister_row *row, int source,
                       struct cloister_error *err)
{
	(void)source;
	return carry_new(execution, row, "tmpfs", err);
}

static int carry_mqueue(struct cloister_execution *execution, const struct cloister_row *row, int source,
                        struct cloister_error *err)
{
	(void)source;
	return carry_new(execution, row, "mqueue", err);
}

static int carry_proc(struct cloister_execution *execution, const struct cloister_row *row, int source,
                      struct cloister_error *err)
{
	struct statfs fs;

	(void)source;
	int r = carry_new(execution, row, "proc", err);
	if (r < 0)
		return r;
	/* Everything written to or masked in /proc later relies on its being procfs (runc CVE-2025-31133). */
	int _cleanup_close_ proc = cloister_path_open_inside(execution->root, row->target, O_PATH | O_DIRECTORY);
	if (proc < 0 || fstatfs(proc, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return fail_row(row, EXDEV, "what was mounted is not what is there", err);
	return 0;
}

static int carry_devpts(struct cloister_execution *execution, const struct cloister_row *row, int source,
                        struct cloister_error *err)
{
	if (source < 0)
		return carry_new(execution, row, "devpts", err);
	return attach_on_directory(execution, row, source, err);
}

static int attach_on_file(struct cloister_execution *execution, const struct cloister_row *row, int mount,
                          struct cloister_error *err)
{
	int _cleanup_close_ target = cloister_target_file(execution, row);

	if (target < 0)
		return fail_target(row, target, "no file to mount on", err);
	int r = cloister_mount_attach(mount, target);
	return r < 0 ? fail_row(row, r, "cannot mount", err) : 0;
}

static int carry_device(struct cloister_execution *execution, const struct cloister_row *row, int source,
                        struct cloister_error *err)
{
	return attach_on_file(execution, row, source, err);
}

/* A file server may let nobody but the user stat it (root squash, FUSE); what kind of thing it is, the kernel knows. */
static bool is_directory(int source)
{
	struct stat st;
	char path[40];

	if (fstat(source, &st) == 0)
		return S_ISDIR(st.st_mode);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", source);
	int _cleanup_close_ fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0;
}

static int carry_bind(struct cloister_execution *execution, const struct cloister_row *row, int source,
                      struct cloister_error *err)
{
	if (is_directory(source))
		return attach_on_directory(execution, row, source, err);
	return attach_on_file(execution, row, source, err);
}

/* Opens the directory that row's target is in, and gives the last component. */
static int open_parent(struct cloister_execution *execution, const struct cloister_row *row, const char **name)
{
	char _cleanup_free_ *copy = strdup(row->target);

	if (copy == NULL)
		return -ENOMEM;
	char *slash = strrchr(copy, '/');
	*name = row->target + (slash - copy) + 1;
	*slash = '\0';
	return cloister_path_open_inside(execution->root, *copy != '\0' ? copy : "/", O_PATH | O_DIRECTORY);
}

static int carry_symlink(struct cloister_execution *execution, const struct cloister_row *row, int source,
                         struct cloister_error *err)
{
	const char *name;

	(void)source;
	int _cleanup_close_ parent = open_parent(execution, row, &name);
	if (parent < 0)
		return fail_row(row, parent, "no directory for the link", err);
	return symlinkat(row->data, parent, name) < 0 ? fail_row(row, errno, "cannot make the link", err) : 0;
}

static int carry_directory(struct cloister_execution *execution, const struct cloister_row *row, int source,
                           struct cloister_error *err)
{
	(void)source;
	int _cleanup_close_ fd = cloister_path_make_directory(execution->root, row->target, row->mode);
	return fd < 0 ? fail_row(row, fd, "cannot make the directory", err) : 0;
}

/* The namespaces of this session, for whoever reads the session file to hold against /proc/self/ns. */
static int write_namespaces(FILE *out, int root)
{
	struct stat inner;

	for (size_t i = 0; i < CLOISTER_NAMESPACE_KINDS; i++) {
		uint64_t inode = 0;
		int r = cloister_namespace_inode("self", &cloister_namespace_kinds[i], &inode);

		if (r < 0)
			return r;
		fprintf(out, "ns.%s=%" PRIu64 "\n", cloister_namespace_kinds[i].name, inode);
	}
	/* With users = root a process is in one of two user namespaces. */
	int _cleanup_close_ users = cloister_path_open_inside(root, CLOISTER_USERS_FILE, O_PATH | O_NOFOLLOW);
	if (users >= 0 && fstat(users, &inner) == 0)
		fprintf(out, "ns.root=%llu\n", (unsigned long long)inner.st_ino);
	return 0;
}

static int carry_file(struct cloister_execution *execution, const struct cloister_row *row, int source,
                      struct cloister_error *err)
{
	const char *name;

	(void)source;
	int _cleanup_close_ parent = open_parent(execution, row, &name);
	if (parent < 0)
		return fail_row(row, parent, "no directory for the file", err);
	if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
		return fail_row(row, errno, "cannot replace", err);
	int _cleanup_close_ fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_row(row, errno, "cannot make the file", err);
	if (fchmod(fd, row->mode) < 0)
		return fail_row(row, errno, "cannot set its mode", err);
	FILE *out = fdopen(fd, "w");
	if (out == NULL)
		return fail_row(row, errno, "cannot write", err);
	fd = -1;
	fputs(row->data, out);
	int r = write_namespaces(out, execution->root);
	if (fclose(out) != 0 && r == 0)
		r = -errno;
	return r < 0 ? fail_row(row, r, "cannot write", err) : 0;
}

static int carry_mask(struct cloister_execution *execution, const struct cloister_row *row, int source,
                      struct cloister_error *err)
{
	struct stat st;

	(void)source;
	int _cleanup_close_ target = cloister_target_open(execution, row);
	if (target == -ENOENT || target == -ENOTDIR)
		return (row->flags & CLOISTER_ROW_IF_PRESENT) ? 0 : fail_row(row, target, "missing", err);
	if (target < 0 || fstat(target, &st) < 0)
		return target < 0 ? fail_target(row, target, "cannot open", err)
		                  : fail_row(row, errno, "cannot stat", err);
	int _cleanup_close_ mount = -1;
	if (S_ISDIR(st.st_mode)) {
		mount = cloister_mount_new("tmpfs", "mode=0555,size=4k,nr_inodes=2",
		                           MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
		                                   MOUNT_ATTR_NOEXEC);
	} else {
		/* The session's own /dev/null: a checked char 1:3, and this row comes after it. */
		int _cleanup_close_ null = cloister_path_open_inside(execution->root, "/dev/null", O_PATH | O_NOFOLLOW);
		mount = null < 0 ? null : cloister_mount_clone(null, false);
	}
	if (mount < 0)
		return fail_row(row, mount, "cannot make the mask", err);
	int r = cloister_mount_attach(mount, target);
	return r < 0 ? fail_row(row, r, "cannot mask", err) : 0;
}

static int carry_read_only(struct cloister_execution *execution, const struct cloister_row *row, int source,
                           struct cloister_error *err)
{
	(void)source;
	if (strcmp(row->target, "/") == 0) {
		int r = cloister_mount_restrict(execution->root, row->attributes, false);
		return r < 0 ? fail_row(row, r, "cannot make read-only", err) : 0;
	}
	int _cleanup_close_ target = cloister_path_open_inside(execution->root, row->target, O_PATH);
	if (target == -ENOENT && (row->flags & CLOISTER_ROW_IF_PRESENT))
		return 0;
	if (target < 0)
		return fail_row(row, target, "cannot open", err);
	int _cleanup_close_ mount = cloister_mount_clone(target, true);
	int r = mount < 0 ? mount : cloister_mount_restrict(mount, row->attributes, true);
	if (r == 0)
		r = cloister_mount_attach(mount, target);
	return r < 0 ? fail_row(row, r, "cannot make read-only", err) : 0;
}

static int carry_pivot(struct cloister_execution *execution, const struct cloister_row *row, int source,
                       struct cloister_error *err)
{
	(void)source;
	if (fchdir(execution->root) < 0)
		return fail_row(row, errno, "cannot enter the new root", err);
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* The old root lies on top of the new one now; "." is it (pivot_root(2), NOTES). */
		if (umount2(".", MNT_DETACH) < 0)
			return fail_row(row, errno, "cannot detach the old root", err);
	} else if (errno == EINVAL) {
		/* The root of the machine is an initramfs, which cannot be pivoted away; the new root lies on top of
		 * it. */
		if (chroot(".") < 0)
			return fail_row(row, errno, "cannot change the root", err);
	} else {
		return fail_row(row, errno, "pivot_root failed", err);
	}
	return chdir("/") < 0 ? fail_row(row, errno, "cannot enter /", err) : 0;
}

static cloister_carry_function *const carriers[CLOISTER_ROW_KINDS] = {
	[CLOISTER_ROW_ROOT] = carry_root,
	[CLOISTER_ROW_IMAGE] = carry_image,
	[CLOISTER_ROW_OVERLAY] = carry_root,
	[CLOISTER_ROW_TMPFS] = carry_tmpfs,
	[CLOISTER_ROW_DEVICE] = carry_device,
	[CLOISTER_ROW_DEVPTS] = carry_devpts,
	[CLOISTER_ROW_MQUEUE] = carry_mqueue,
	[CLOISTER_ROW_PROC] = carry_proc,
	[CLOISTER_ROW_BIND] = carry_bind,
	[CLOISTER_ROW_HOME] = carry_bind,
	[CLOISTER_ROW_TERMINAL] = cloister_carry_terminal,
	[CLOISTER_ROW_SYMLINK] = carry_symlink,
	[CLOISTER_ROW_DIRECTORY] = carry_directory,
	[CLOISTER_ROW_FILE] = carry_file,
	[CLOISTER_ROW_ACCOUNT] = cloister_carry_account,
	[CLOISTER_ROW_COPY] = cloister_carry_copy,
	[CLOISTER_ROW_RESOLVER] = cloister_carry_resolver,
	[CLOISTER_ROW_MASK] = carry_mask,
	[CLOISTER_ROW_READ_ONLY] = carry_read_only,
	[CLOISTER_ROW_OWNER] = cloister_carry_owner,
	[CLOISTER_ROW_USERS] = carry_bind,
	[CLOISTER_ROW_SEAL] = cloister_carry_seal,
	[CLOISTER_ROW_TREE] = cloister_carry_tree,
	[CLOISTER_ROW_DOORS] = cloister_carry_doors,
	[CLOISTER_ROW_PIVOT] = carry_pivot,
	[CLOISTER_ROW_HOSTNAME] = cloister_carry_hostname,
	[CLOISTER_ROW_LOOPBACK] = cloister_carry_loopback,
	[CLOISTER_ROW_PROHIBIT] = cloister_carry_prohibit,
	[CLOISTER_ROW_SHELL] = cloister_carry_shell,
	[CLOISTER_ROW_KEYRING] = cloister_carry_keyring,
	[CLOISTER_ROW_NO_CORE] = cloister_carry_no_core,
	[CLOISTER_ROW_CAPABILITIES] = cloister_carry_capabilities,
	[CLOISTER_ROW_NO_NEW_PRIVS] = cloister_carry_no_new_privs,
	[CLOISTER_ROW_SECCOMP] = cloister_carry_seccomp,
	[CLOISTER_ROW_VERIFY] = cloister_carry_verify,
	[CLOISTER_ROW_NETWORK] = cloister_carry_network,
};

int cloister_execute(struct cloister_execution *execution, struct cloister_error *err)
{
	const struct cloister_plan *plan = execution->plan;

	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];
		int source = execution->sources[i];

		int r = carriers[row->kind](execution, row, source, err);
		if (r < 0)
			return r;
		if (source >= 0)
			close(source);
		execution->sources[i] = -1;
	}
	return 0;
}
