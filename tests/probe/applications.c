/* SPDX-License-Identifier: MIT */
/*
 * PAM applications of every shape, for what a session is to them. usage: applications SHAPE SERVICE USER
 * Each child says where it is: "SHAPE: inside" or "SHAPE: host"; a child that cannot be made is "SHAPE: no child:
 * ERROR". exec: no child; the process itself becomes the user and executes the rest of the arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static const char *shape, *service, *user, *self;

static int converse(int n, const struct pam_message **messages, struct pam_response **responses, void *data)
{
	(void)messages;
	(void)data;
	*responses = calloc((size_t)n, sizeof(**responses));
	return *responses == NULL ? PAM_BUF_ERR : PAM_SUCCESS;
}

/* Inside, PID 1 is cloister-init. Without stdio: a child of vfork(2) has its parent's memory. */
static int __attribute__((noreturn)) tell(void)
{
	char name[64] = "", line[128];
	int fd = open("/proc/1/comm", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
	bool inside = n > 0 && strncmp(name, "cloister-init", 13) == 0;

	n = snprintf(line, sizeof(line), "%s: %s\n", shape, inside ? "inside" : "host");
	_exit(write(STDOUT_FILENO, line, (size_t)n) == n ? 0 : 1);
}

static int tell_from_clone(void *unused)
{
	(void)unused;
	tell();
}

static void wait_for(long pid, int code)
{
	int status;

	if (pid < 0)
		printf("%s: no child: %s\n", shape, strerror(code));
	else if (waitpid((pid_t)pid, &status, __WALL) < 0 || status != 0)
		printf("%s: child ended with status %x\n", shape, status);
	fflush(stdout);
}

static void by_fork(void)
{
	pid_t pid = fork();
	if (pid == 0)
		tell();
	wait_for(pid, errno);
}

static void by_vfork(void)
{
	pid_t pid = vfork();
	if (pid == 0)
		tell();
	wait_for(pid, errno);
}

static void by_system_call(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
	if (pid == 0)
		tell();
	wait_for(pid, errno);
}

static void by_clone(void)
{
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	int pid = clone(tell_from_clone, stack + 65536, SIGCHLD, NULL);
	wait_for(pid, errno);
}

static void by_posix_spawn(void)
{
	char *argv[] = {(char *)(uintptr_t)self, (char *)(uintptr_t) "tell", (char *)(uintptr_t)shape, NULL};
	pid_t pid;

	int code = posix_spawn(&pid, self, NULL, NULL, argv, environ);
	wait_for(code != 0 ? -1 : pid, code);
}

static void *fork_in_thread(void *unused)
{
	by_fork();
	return unused;
}

static void *wait_in_thread(void *unused)
{
	pause();
	return unused;
}

static void *close_in_thread(void *pamh)
{
	pam_close_session(pamh, 0);
	return NULL;
}

static const struct {
	const char *name;
	void (*make)(void);
} children[] = {{"fork", by_fork},
                {"vfork", by_vfork},
                {"syscall", by_system_call},
                {"clone", by_clone},
                {"posix_spawn", by_posix_spawn}};

static pam_handle_t *start(void)
{
	static const struct pam_conv conversation = {.conv = converse};
	pam_handle_t *pamh = NULL;

	if (pam_start(service, user, &conversation, &pamh) != PAM_SUCCESS)
		exit(10);
	return pamh;
}

static pam_handle_t *open_session(void)
{
	pam_handle_t *pamh = start();

	if (pam_open_session(pamh, 0) != PAM_SUCCESS) {
		printf("%s: refused\n", shape);
		pam_end(pamh, PAM_SYSTEM_ERR);
		exit(11);
	}
	return pamh;
}

static void close_session(pam_handle_t *pamh)
{
	printf("%s: close: %s\n", shape, pam_close_session(pamh, 0) == PAM_SUCCESS ? "success" : "failure");
	fflush(stdout);
	pam_end(pamh, PAM_SUCCESS);
}

static void in_threads(void)
{
	pthread_t thread, waiting;

	if (pthread_create(&waiting, NULL, wait_in_thread, NULL) != 0)
		exit(12);
	pam_handle_t *pamh = open_session();
	/* The thread that opened cannot make another one. */
	if (pthread_create(&thread, NULL, fork_in_thread, NULL) == 0) {
		puts("threads: made a thread");
		pthread_join(thread, NULL);
	}
	by_fork();
	close_session(pamh);
	by_posix_spawn();
}

static pthread_barrier_t opened;

static void *fork_when_opened(void *unused)
{
	pthread_barrier_wait(&opened);
	by_fork();
	pthread_barrier_wait(&opened);
	return unused;
}

static void *close_when_forked(void *pamh)
{
	pthread_barrier_wait(&opened);
	pthread_barrier_wait(&opened);
	return close_in_thread(*(void **)pamh);
}

/* One thread opens, another forks, a third one closes. */
static void each_its_thread(void)
{
	static pam_handle_t *pamh;
	pthread_t forks, closes;

	pthread_barrier_init(&opened, NULL, 3);
	if (pthread_create(&forks, NULL, fork_when_opened, NULL) != 0 ||
	    pthread_create(&closes, NULL, close_when_forked, &pamh) != 0)
		exit(12);
	pamh = open_session();
	pthread_barrier_wait(&opened);
	pthread_barrier_wait(&opened);
	pthread_join(forks, NULL);
	pthread_join(closes, NULL);
	pam_end(pamh, PAM_SUCCESS);
	by_fork();
	by_posix_spawn();
}

static void one_after_the_other(void)
{
	pam_handle_t *pamh = start();

	for (int i = 0; i < 2; i++) {
		if (pam_open_session(pamh, 0) != PAM_SUCCESS)
			exit(11);
		by_fork();
		printf("%s: close: %d\n", shape, pam_close_session(pamh, 0));
		fflush(stdout);
		by_posix_spawn();
	}
	pam_end(pamh, PAM_SUCCESS);
}

static void two_at_once(void)
{
	pam_handle_t *first = open_session(), *second = start();

	printf("two: second open: %s\n", pam_open_session(second, 0) == PAM_SUCCESS ? "success" : "refused");
	fflush(stdout);
	by_fork();
	pam_end(second, PAM_SUCCESS);
	by_fork();
	close_session(first);
	by_posix_spawn();
}

static void close_elsewhere(void)
{
	pam_handle_t *pamh = open_session();

	/* The child is inside: what it closes is nothing of the host's, and the session goes on. */
	pid_t pid = fork();
	if (pid == 0) {
		pam_close_session(pamh, 0);
		pam_end(pamh, PAM_SUCCESS | PAM_DATA_SILENT);
		tell();
	}
	wait_for(pid, errno);
	by_fork();
	close_session(pamh);
}

/* As a program that becomes the user's shell does it, with a descriptor of its own that must not keep anybody waiting.
 */
static void become(char **command)
{
	struct passwd *account = getpwnam(user);

	open_session();
	if (account == NULL || initgroups(user, account->pw_gid) < 0 || setgid(account->pw_gid) < 0 ||
	    setuid(account->pw_uid) < 0)
		exit(13);
	execvp(command[0], command);
	exit(14);
}

int main(int argc, char **argv)
{
	static char path[4096];

	if (argc == 3 && strcmp(argv[1], "tell") == 0) {
		shape = argv[2];
		tell();
	}
	if (argc < 4 || readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		return 2;
	self = path;
	shape = argv[1];
	service = argv[2];
	user = argv[3];
	for (size_t i = 0; i < sizeof(children) / sizeof(*children); i++) {
		if (strcmp(shape, children[i].name) != 0)
			continue;
		pam_handle_t *pamh = open_session();
		children[i].make();
		close_session(pamh);
		children[i].make();
		return 0;
	}
	if (strcmp(shape, "exec") == 0) {
		become(argv + 4);
	} else if (strcmp(shape, "threads") == 0) {
		in_threads();
	} else if (strcmp(shape, "each") == 0) {
		each_its_thread();
	} else if (strcmp(shape, "in-turn") == 0) {
		one_after_the_other();
	} else if (strcmp(shape, "two") == 0) {
		two_at_once();
	} else if (strcmp(shape, "elsewhere") == 0) {
		close_elsewhere();
	} else if (strcmp(shape, "no-close") == 0) {
		open_session();
		by_fork();
	} else if (strcmp(shape, "no-open") == 0) {
		close_session(start());
		by_posix_spawn();
	} else if (strcmp(shape, "twice") == 0) {
		pam_handle_t *pamh = open_session();
		by_fork();
		pam_close_session(pamh, 0);
		close_session(pamh);
		by_posix_spawn();
	} else {
		return 2;
	}
	return 0;
}
