/* SPDX-License-Identifier: MIT */
/*
 * What the kernel alone takes for a session: the namespaces, id maps, mounts and pivot_root(2) of one of Cloister's (a
 * directory as root, writable = direct, network = none), by bare system calls, with nothing checked, looked up, sealed
 * or verified. Only for comparison in `make bench`.
 *
 *   limit ROOT UID PROGRAM...   runs PROGRAM in ROOT as UID
 *   limit now                   writes the time of CLOCK_MONOTONIC, in ns
 *   limit peak PROGRAM...       runs PROGRAM, and writes the most memory that one of its processes had, in KiB, to
 *                               standard error (who starts it from a large process would read the size of that one)
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Outside ids that no other part of the benchmark uses. */
#define OUTSIDE 1879048192u

static const char *const DEVICES[] = {"null", "zero", "full", "random", "urandom", "tty"};
static const char *const MASKS[] = {"acpi",          "asound",      "kcore",       "keys",
                                    "latency_stats", "timer_list",  "kallsyms",    "kmsg",
                                    "scsi",          "timer_stats", "vmallocinfo", "slabinfo",
                                    "pagetypeinfo",  "config.gz",   "sched_debug", "sysrq-trigger"};
static const char *const READ_ONLY[] = {"bus", "fs", "irq", "sys"};

static void must(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		_exit(125);
	}
}

static void write_file(pid_t pid, const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	must(fd, path);
	must(write(fd, text, strlen(text)), path);
	close(fd);
}

static void bind(const char *from, const char *to, uint64_t attributes)
{
	struct mount_attr attr = {.attr_set = attributes};
	int tree = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0)
		return; /* not on this kernel */
	must(mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)), from);
	must(move_mount(tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH), to);
	close(tree);
}

static void make(const char *type, const char *target, unsigned long flags, const char *data)
{
	must(mount(type, target, type, flags, data), target);
}

static void build(const char *root)
{
	char from[64], to[64];
	struct stat st;

	must(mount("", "/", NULL, MS_REC | MS_SLAVE, NULL), "/");
	bind(root, root, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	must(chdir(root), root);
	make("tmpfs", "dev", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k");
	for (size_t i = 0; i < sizeof(DEVICES) / sizeof(*DEVICES); i++) {
		snprintf(from, sizeof(from), "/dev/%s", DEVICES[i]);
		close(open(from + 1, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		bind(from, from + 1, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	}
	must(mkdir("dev/pts", 0755) | mkdir("dev/shm", 0755) | mkdir("dev/mqueue", 0755), "dev");
	make("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620");
	must(symlink("pts/ptmx", "dev/ptmx") | symlink("/proc/self/fd", "dev/fd"), "dev");
	make("tmpfs", "dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	make("mqueue", "dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	make("proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	for (size_t i = 0; i < sizeof(MASKS) / sizeof(*MASKS); i++) {
		snprintf(to, sizeof(to), "proc/%s", MASKS[i]);
		if (stat(to, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			make("tmpfs", to, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0555");
		else
			bind("dev/null", to, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	}
	for (size_t i = 0; i < sizeof(READ_ONLY) / sizeof(*READ_ONLY); i++) {
		snprintf(to, sizeof(to), "proc/%s", READ_ONLY[i]);
		bind(to, to, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	}
	make("tmpfs", "tmp", MS_NOSUID | MS_NODEV, "mode=1777");
	make("tmpfs", "run", MS_NOSUID | MS_NODEV, "mode=0755");
	must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	must(umount2(".", MNT_DETACH), "umount2");
}

static void __attribute__((noreturn)) child(int go, const char *root, uid_t uid, char **program)
{
	char byte;

	must(read(go, &byte, 1) - 1, "go");
	must(setgid(0) | setuid(0), "setuid");
	build(root);
	/* PID 1 stays behind, as Cloister's init does. */
	pid_t pid = fork();
	must(pid, "fork");
	if (pid == 0) {
		must(setgid(uid) | setuid(uid), "setuid");
		must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
		execve(program[0], program, (char *[]){NULL});
		must(-1, program[0]);
	}
	int status = 0;
	must(waitpid(pid, &status, 0), "wait");
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 125);
}

static int say_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("%lld\n", (long long)now.tv_sec * 1000000000 + now.tv_nsec);
	return 0;
}

static int say_peak(char **program)
{
	struct rusage usage;
	int status = 0;
	pid_t pid = fork();

	must(pid, "fork");
	if (pid == 0) {
		execvp(program[0], program);
		must(-1, program[0]);
	}
	must(wait4(pid, &status, 0, &usage), "wait");
	fprintf(stderr, "%ld\n", usage.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}

int main(int argc, char **argv)
{
	struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
	                                   CLONE_NEWUTS | CLONE_NEWCGROUP,
	                          .exit_signal = SIGCHLD};
	char map[128];
	int go[2], status = 0;

	if (argc == 2 && strcmp(argv[1], "now") == 0)
		return say_now();
	if (argc > 2 && strcmp(argv[1], "peak") == 0)
		return say_peak(argv + 2);
	if (argc < 4)
		return 2;
	unsigned uid = (unsigned)strtoul(argv[2], NULL, 10);
	must(pipe2(go, O_CLOEXEC), "pipe");
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	must(pid, "clone3");
	if (pid == 0)
		child(go[0], argv[1], uid, argv + 3);
	snprintf(map, sizeof(map), "0 %u %u\n%u %u 1\n", OUTSIDE, uid, uid, uid);
	write_file(pid, "uid_map", map);
	write_file(pid, "gid_map", map);
	must(write(go[1], "", 1), "go");
	must(waitpid(pid, &status, 0), "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
