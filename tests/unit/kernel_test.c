/* SPDX-License-Identifier: MIT */
/* What is given up and filtered, asked of the kernel: privileges, seccomp, Landlock, and paths walked by descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cloister/path.h"
#include "cloister/privileges.h"
#include "cloister/seccomp_filter.h"

/* Runs check in a child; its result is the exit status, or 128 + signal. */
static int in_child(int (*check)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(check());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define CHECK(condition)                           \
	do {                                       \
		if (!(condition))                  \
			return __LINE__ % 200 + 1; \
	} while (0)

static int filtered_but(bool joins)
{
	void *program = NULL;
	uint16_t length = 0;
	struct cloister_error err;

	if (cloister_seccomp_filter(0, joins, &program, &length, &err) < 0 || cloister_set_no_new_privs() < 0)
		return -1;
	int r = cloister_seccomp_load(program, length);
	free(program);
	return r;
}

static int filtered(void)
{
	return filtered_but(false);
}

static int refused(long result, int code)
{
	return result == -1 && errno == code;
}

static int check_refused_calls(void)
{
	char clone_args[88] = {0};
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK(filtered() == 0);
	CHECK(refused(unshare(CLONE_NEWUSER), EPERM));
	CHECK(refused(unshare(CLONE_NEWNS), EPERM));
	CHECK(refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL), EPERM));
	CHECK(refused(syscall(SYS_clone3, clone_args, sizeof(clone_args)), ENOSYS));
	CHECK(refused(setns(fd, CLONE_NEWNET), EPERM));
	CHECK(refused(mount("none", "/mnt", "tmpfs", 0, NULL), EPERM));
	CHECK(refused(umount2("/proc", MNT_DETACH), EPERM));
	CHECK(refused(syscall(SYS_pivot_root, ".", "."), EPERM));
	CHECK(refused(fsopen("tmpfs", 0), EPERM));
	CHECK(refused(open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE), EPERM));
	CHECK(refused(syscall(467, AT_FDCWD, "/", 0, NULL, 0), EPERM));
	CHECK(refused(syscall(SYS_bpf, 0, NULL, 0), EPERM));
	CHECK(refused(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0), EPERM));
	CHECK(refused(syscall(SYS_userfaultfd, 0), EPERM));
	CHECK(refused(syscall(SYS_io_uring_setup, 1, NULL), EPERM));
	CHECK(refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM));
	CHECK(refused(syscall(SYS_add_key, "user", "x", "y", 1, -2), EPERM));
	CHECK(refused(syscall(SYS_syslog, 3, NULL, 0), EPERM));
	CHECK(refused(syscall(SYS_open_by_handle_at, fd, NULL, 0), EPERM));
	CHECK(refused(sethostname("x", 1), EPERM));
	CHECK(refused(personality(ADDR_NO_RANDOMIZE), EPERM));
	CHECK(refused(socket(AF_VSOCK, SOCK_STREAM, 0), EAFNOSUPPORT));
	CHECK(refused(syscall(SYS_ioctl, fd, TIOCSTI, "x"), EPERM));
	/* snapd CVE-2019-7303: the kernel looks at the low half alone. */
	CHECK(refused(syscall(SYS_ioctl, fd, TIOCSTI | (1UL << 32), "x"), EPERM));
	CHECK(refused(syscall(SYS_ioctl, fd, TIOCLINUX, "x"), EPERM));
	return 0;
}

/* users = root: EINVAL and EBADF are the kernel's own answers, so the call went through. */
static int check_joining(void)
{
	int own = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC),
	    mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	CHECK(own >= 0 && mounts >= 0 && filtered_but(true) == 0);
	CHECK(refused(setns(own, CLONE_NEWUSER), EINVAL));
	CHECK(refused(setns(own, 0), EPERM));
	CHECK(refused(setns(mounts, CLONE_NEWNS), EPERM));
	CHECK(refused(setns(own, CLONE_NEWUSER | CLONE_NEWNS), EPERM));
	/* The kernel would look at the low half alone; so nothing but the exact number passes. */
	CHECK(refused(syscall(SYS_setns, own, CLONE_NEWUSER | (1UL << 40)), EPERM));
	CHECK(refused(unshare(CLONE_NEWUSER), EPERM));
	return 0;
}

static void *thread(void *argument)
{
	return argument;
}

static int check_ordinary_calls(void)
{
	pthread_t id;
	pid_t pid;
	int status;
	char name[] = "true";
	char *const argv[] = {name, NULL};

	CHECK(filtered() == 0);
	CHECK(pthread_create(&id, NULL, thread, NULL) == 0 && pthread_join(id, NULL) == 0);
	CHECK(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, NULL) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(unshare(CLONE_FILES) == 0);
	CHECK(personality(0xffffffff) >= 0 && personality(0) >= 0);
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	return 0;
}

/* getpid of i386; where the call comes back, 1. */
static int call_foreign_architecture(void)
{
#ifdef __x86_64__
	long result;
	/* cmocka's handler would take a child's fault for a test's. */
	signal(SIGSEGV, SIG_DFL);
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
#else
	raise(SIGSYS);
#endif
	return 1;
}

static int check_foreign_architecture(void)
{
	CHECK(filtered() == 0);
	return call_foreign_architecture();
}

static int check_x32(void)
{
	CHECK(filtered() == 0);
	syscall(0x40000000 | SYS_getpid);
	return 1;
}

static void test_seccomp(void **unused)
{
	(void)unused;
	assert_int_equal(in_child(check_refused_calls), 0);
	assert_int_equal(in_child(check_joining), 0);
	assert_int_equal(in_child(check_ordinary_calls), 0);
	/* A kernel without CONFIG_IA32_EMULATION knows no such call at all, filter or not. */
	bool emulated = in_child(call_foreign_architecture) != 128 + SIGSEGV;
	assert_int_equal(in_child(check_foreign_architecture), 128 + (emulated ? SIGSYS : SIGSEGV));
	assert_int_equal(in_child(check_x32), 128 + SIGSYS);
}

/* The control: what the filter refuses for its own reasons works without it. */
static int check_unfiltered(void)
{
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK(sethostname("x", 1) < 0);
	CHECK(fsopen("tmpfs", 0) < 0 || 1);
	CHECK(personality(ADDR_NO_RANDOMIZE) >= 0);
	return 0;
}

static void test_control_without_seccomp(void **unused)
{
	(void)unused;
	assert_int_equal(in_child(check_unfiltered), 0);
}

static int check_everything_dropped(void)
{
	struct cloister_privileges now;

	CHECK(cloister_drop_bounding_set(0) == 0);
	CHECK(cloister_lock_securebits() == 0);
	CHECK(cloister_set_capabilities(1ULL << CAP_SETUID | 1ULL << CAP_SETGID, false) == 0);
	CHECK(cloister_privileges_read(&now) == 0);
	CHECK(now.bounding == 0 && now.ambient == 0 && now.inheritable == 0);
	CHECK(now.permitted == (1ULL << CAP_SETUID | 1ULL << CAP_SETGID));
	/* What a login program's own setuid(2) leaves. */
	CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
	CHECK(cloister_privileges_read(&now) == 0);
	CHECK(now.permitted == 0 && now.effective == 0);
	CHECK(setuid(0) < 0);
	CHECK(cloister_no_core() == 0);
	struct rlimit limit;
	CHECK(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0);
	CHECK(cloister_set_no_new_privs() == 0);
	CHECK(cloister_privileges_read(&now) == 0 && now.no_new_privs);
	return 0;
}

static int check_ambient(void)
{
	struct cloister_privileges now;

	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK(cloister_set_capabilities(UINT64_MAX, true) == 0);
	CHECK(cloister_privileges_read(&now) == 0);
	CHECK(now.ambient == now.permitted && now.ambient != 0);
	return 0;
}

static int check_keyring(void)
{
	long before = syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3 /* session */, 0, 0, 0);

	CHECK(cloister_new_session_keyring() == 0);
	CHECK(syscall(SYS_keyctl, 0, -3, 0, 0, 0) != before);
	return 0;
}

static void test_privileges(void **unused)
{
	(void)unused;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(check_everything_dropped), 0);
	assert_int_equal(in_child(check_ambient), 0);
	assert_int_equal(in_child(check_keyring), 0);
}

static int connect_abstract(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0cloister-test"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static int check_landlock(void)
{
	int ruleset = cloister_landlock_scopes(true);

	CHECK(ruleset >= 0);
	CHECK(connect_abstract() == 0); /* the control */
	CHECK(kill(getppid(), 0) == 0);
	CHECK(cloister_set_no_new_privs() == 0);
	CHECK(cloister_landlock_enter(ruleset) == 0);
	CHECK(refused(connect_abstract(), EPERM));
	CHECK(refused(kill(getppid(), 0), EPERM));
	return 0;
}

static void test_landlock(void **unused)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0cloister-test"};
	int ruleset = cloister_landlock_scopes(true);

	(void)unused;
	if (ruleset < 0)
		skip();
	close(ruleset);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(in_child(check_landlock), 0);
	close(fd);
}

static char base[] = "/tmp/cloister-path-XXXXXX";

static const char *below(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	return path;
}

static int open_host(const char *path, enum cloister_path_trust trust)
{
	struct cloister_error err = {0};
	int fd = cloister_path_open_host(path, 0, trust, &err);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static void test_host_paths(void **unused)
{
	(void)unused;
	if (geteuid() != 0)
		skip();
	strcpy(base, "/tmp/cloister-path-XXXXXX");
	assert_non_null(mkdtemp(base));
	assert_int_equal(mkdir(below("user"), 0755), 0);
	assert_int_equal(mkdir(below("user/home"), 0755), 0);
	assert_int_equal(chown(below("user"), 1000, 1000), 0);
	assert_int_equal(mkdir(below("root"), 0755), 0);
	assert_int_equal(symlink("/root", below("user/link")), 0);
	assert_int_equal(symlink("root", below("link")), 0);
	assert_int_equal(symlink("loop", below("loop")), 0);
	assert_int_equal(mkfifo(below("fifo"), 0600), 0);

	assert_int_equal(open_host(below("user/home"), CLOISTER_PATH_NO_PLANTED_LINKS), 0);
	/* A link that the user could have placed; a link of root's in a directory of root's. */
	assert_int_equal(open_host(below("user/link"), CLOISTER_PATH_NO_PLANTED_LINKS), -ELOOP);
	assert_int_equal(open_host(below("user/link"), CLOISTER_PATH_OWN_RIGHTS), 0);
	assert_int_equal(open_host(below("link"), CLOISTER_PATH_NO_PLANTED_LINKS), 0);
	assert_int_equal(open_host(below("loop"), CLOISTER_PATH_NO_PLANTED_LINKS), -ELOOP);
	assert_int_equal(open_host("/proc/self/root", CLOISTER_PATH_NO_PLANTED_LINKS), -ELOOP);
	assert_int_equal(open_host(below("root"), CLOISTER_PATH_ROOT_OWNED), 0);
	assert_int_equal(open_host(below("user/home"), CLOISTER_PATH_ROOT_OWNED), -EPERM);
	assert_int_equal(open_host(below("missing"), CLOISTER_PATH_ROOT_OWNED), -ENOENT);
	assert_int_equal(open_host("relative", CLOISTER_PATH_ROOT_OWNED), -EINVAL);
	alarm(5);
	assert_int_equal(open_host(below("fifo"), CLOISTER_PATH_NO_PLANTED_LINKS), 0);
	alarm(0);
}

static void test_inside_paths(void **unused)
{
	(void)unused;
	if (geteuid() != 0)
		skip();
	struct stat inside, outside;
	int root = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	assert_int_equal(mkdir(below("run"), 0755), 0);
	assert_int_equal(symlink("/run", below("var")), 0);
	/* R11: an absolute link stays inside. */
	int fd = cloister_path_make_directory(root, "/var/a/b", 0700);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(access(below("run/a/b"), F_OK), 0);
	assert_int_equal(access("/run/a/b", F_OK), -1);
	fd = cloister_path_make_file(root, "/var/a/file");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink("/etc/passwd", below("run/a/out")), 0);
	/* The link, not what it leads to. */
	fd = cloister_path_make_file(root, "/run/a/out");
	assert_int_equal(fstat(fd, &inside), 0);
	assert_true(S_ISLNK(inside.st_mode));
	close(fd);
	/* "/root" of the link is the one inside. */
	fd = cloister_path_open_inside(root, "/user/link", O_PATH | O_DIRECTORY);
	assert_int_equal(fstat(fd, &inside), 0);
	assert_int_equal(stat("/root", &outside), 0);
	assert_false(inside.st_dev == outside.st_dev && inside.st_ino == outside.st_ino);
	close(fd);
	assert_true(cloister_path_make_directory(root, "/var", 0755) < 0);
	close(root);
	char command[160];
	snprintf(command, sizeof(command), "rm -rf %s", base);
	assert_int_equal(system(command), 0);
}

static void test_plain_paths(void **unused)
{
	static const char *const plain[] = {"/", "/a", "/a/b.c/..d", "/...", NULL};
	static const char *const other[] = {"", "a", "/a/", "//", "/a//b", "/a/./b", "/..", "/a/..", "/a\nb", NULL};

	(void)unused;
	for (size_t i = 0; plain[i] != NULL; i++)
		assert_true(cloister_path_is_plain(plain[i]));
	for (size_t i = 0; other[i] != NULL; i++)
		assert_false(cloister_path_is_plain(other[i]));
	char *longest = malloc(5001);
	memset(longest, 'a', 5000);
	longest[0] = '/';
	longest[5000] = '\0';
	assert_false(cloister_path_is_plain(longest));
	free(longest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seccomp),      cmocka_unit_test(test_control_without_seccomp),
		cmocka_unit_test(test_privileges),   cmocka_unit_test(test_landlock),
		cmocka_unit_test(test_plain_paths),  cmocka_unit_test(test_host_paths),
		cmocka_unit_test(test_inside_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
