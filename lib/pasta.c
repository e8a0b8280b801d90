/* SPDX-License-Identifier: MIT */
/* The login process' part of network = pasta: a helper, made without a trace in the login process. */
#include "cloister/pasta.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "cloister/cleanup.h"
#include "cloister/control.h"
#include "cloister/path.h"
#include "cloister/privileges.h"
#include "held_signals.h"

#define ARGUMENTS_MAX 192
#define HELPER_FD     7
#define FIRST_FREE_FD 16
#define PORT_RETRIES  10

struct helper {
	int control, init, program, network, users, helper, null;
	char *argv[ARGUMENTS_MAX];
};

int cloister_pasta_open(struct cloister_error *err)
{
	static const char *const paths[] = {"/usr/bin/pasta", "/usr/local/bin/pasta"};
	struct stat st;

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		int _cleanup_close_ fd = cloister_path_open_host(paths[i], 0, CLOISTER_PATH_ROOT_OWNED, err);

		if (fd == -ENOENT)
			continue;
		if (fd < 0)
			return fd;
		if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 0111) != 0111)
			return cloister_fail(err, EACCES, "network", paths[i], "not a program");
		return TAKE_FD(fd);
	}
	return cloister_fail(err, ENOENT, "network", paths[0],
	                     "network = pasta needs pasta(1): install the package passt");
}

/* Everything that a plain user could do with it is left out: no port of the host's is reached, and none of the
 * session's but those that are published. The options are those that the first releases had, too. */
static int fill_arguments(const struct cloister_plan *plan, const struct cloister_session *session, char *published,
                          struct helper *helper)
{
	static const char *const fixed[] = {"pasta",           "--foreground",
	                                    "--quiet",         "--config-net",
	                                    "--no-netns-quit", "--no-map-gw",
	                                    "--tcp-ns",        "none",
	                                    "--udp-ns",        "none",
	                                    "--udp-ports",     "none",
	                                    "--no-dhcp",       "--no-dhcpv6",
	                                    "--dns-forward",   CLOISTER_PASTA_DNS4,
	                                    "--dns-forward",   CLOISTER_PASTA_DNS6,
	                                    "--ns-ifname",     CLOISTER_PASTA_INTERFACE};
	char *rest = NULL;
	size_t n = 0;

	helper->argv[n++] = (char *)(uintptr_t)CLOISTER_PASTA_HELPER;
	helper->argv[n++] = (char *)(uintptr_t)session->id;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		helper->argv[n++] = (char *)(uintptr_t)fixed[i];
	if (*plan->publish == '\0') {
		helper->argv[n++] = (char *)(uintptr_t) "--tcp-ports";
		helper->argv[n++] = (char *)(uintptr_t) "none";
	}
	for (char *one = strtok_r(published, "\n", &rest); one != NULL; one = strtok_r(NULL, "\n", &rest)) {
		if (n + 3 > ARGUMENTS_MAX)
			return -E2BIG;
		helper->argv[n++] = (char *)(uintptr_t) "--tcp-ports";
		helper->argv[n++] = one;
	}
	helper->argv[n] = NULL;
	return 0;
}

static void __attribute__((noreturn)) give_up(int control, const char *step)
{
	struct cloister_error err;

	cloister_fail(&err, errno, "network", NULL, "%s", step);
	cloister_control_answer(control, &err);
	_exit(125);
}

/*
 * Raw system calls: it is a copy of the login process. The ids are those of the session's root, nobody on the host, and
 * the capabilities those over the session's user namespace; the network is still the host's.
 */
static void __attribute__((noreturn)) become_helper(const struct helper *helper)
{
	static const int numbers[] = {CLOISTER_CONTROL_FD, CLOISTER_PASTA_INIT_FD, CLOISTER_PASTA_PROGRAM_FD,
	                              CLOISTER_PASTA_NETWORK_FD, HELPER_FD};
	const struct rlimit no_core = {0, 0};
	char *const environment[] = {NULL};
	int fds[] = {helper->control, helper->init, helper->program, helper->network, helper->helper};
	int users = fcntl(helper->users, F_DUPFD, FIRST_FREE_FD), null = fcntl(helper->null, F_DUPFD, FIRST_FREE_FD);

	/* High first, so that placing one does not overwrite another. */
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		fds[i] = fcntl(fds[i], F_DUPFD, FIRST_FREE_FD);
	for (int fd = 0; fd <= 2; fd++) {
		if (dup2(null, fd) < 0)
			_exit(125);
	}
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		if (dup3(fds[i], numbers[i], O_CLOEXEC * (numbers[i] == HELPER_FD)) < 0)
			_exit(125);
	}
	int control = CLOISTER_CONTROL_FD;
	if (cloister_new_session_keyring() < 0 || setsid() < 0 || chdir("/") < 0)
		give_up(control, "cannot leave the login's session");
	if (setns(users, CLONE_NEWUSER) < 0 || syscall(SYS_setgroups, 0, NULL) < 0 ||
	    syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		give_up(control, "cannot become the root of the session");
	setrlimit(RLIMIT_CORE, &no_core);
	if (close_range(HELPER_FD + 1, ~0U, 0) < 0)
		give_up(control, "cannot close the login process's descriptors");
	execveat(HELPER_FD, "", helper->argv, environment, AT_EMPTY_PATH);
	give_up(control, "cannot execute cloister-init");
}

/* Into a pid namespace of its own, so that all there is of it ends with it, and by way of a child that ends at once:
 * the login program must not meet a child that it does not know. */
static void __attribute__((noreturn)) make_helper(const struct helper *helper)
{
	struct clone_args args = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		become_helper(helper);
	if (pid < 0)
		give_up(helper->control, "cannot make the process that watches over pasta");
	_exit(0);
}

static int start(const struct helper *helper, struct cloister_error *err)
{
	int pidfd_number = -1;
	struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd_number, .exit_signal = 0};
	sigset_t before;
	siginfo_t info;

	/* The login program's handlers must not run in the child. */
	int r = cloister_signals_hold(&before);
	if (r < 0)
		return cloister_fail(err, -r, "network", NULL, "cannot hold signals back");
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		make_helper(helper);
	int code = errno;
	r = cloister_signals_release(&before);
	if (pid < 0)
		return cloister_fail(err, code, "network", NULL, "cannot make a process");
	int _cleanup_close_ pidfd = pidfd_number;
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | __WALL) < 0 && errno == EINTR)
		;
	return r < 0 ? cloister_fail(err, -r, "network", NULL, "the signals that were held back stay so") : 0;
}

static int open_namespace(const struct cloister_session *session, const char *kind, struct cloister_error *err)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)session->init, kind);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? cloister_fail(err, errno, "network", path, "cannot open") : fd;
}

static int start_once(const struct cloister_plan *plan, const struct cloister_session *session, int init_fd,
                      struct cloister_error *err)
{
	int pair[2];
	char _cleanup_free_ *published = strdup(plan->publish);
	struct helper helper = {.init = session->pidfd, .helper = init_fd};
	int _cleanup_close_ program = cloister_pasta_open(err);

	if (program < 0)
		return program;
	if (published == NULL || fill_arguments(plan, session, published, &helper) < 0)
		return cloister_fail(err, ENOMEM, "network", NULL, "no memory");
	int _cleanup_close_ network = open_namespace(session, "net", err);
	int _cleanup_close_ users = network < 0 ? -1 : open_namespace(session, "user", err);
	if (users < 0)
		return network < 0 ? network : users;
	int _cleanup_close_ null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return cloister_fail(err, errno, "network", "/dev/null", "cannot open");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cloister_fail(err, errno, "network", NULL, "no socketpair");
	int _cleanup_close_ ours = pair[0];
	int _cleanup_close_ theirs = pair[1];
	helper.control = theirs;
	helper.program = program;
	helper.network = network;
	helper.users = users;
	helper.null = null;
	int r = start(&helper, err);
	if (r < 0)
		return r;
	close(TAKE_FD(theirs));
	r = cloister_control_wait(ours, (int)plan->timeout * 1000, err);
	/* Both are init's words; who says nothing here is the helper. */
	if (r == -ECONNRESET || r == -ETIMEDOUT)
		return cloister_fail(err, -r, "network", "pasta", "the session's network did not come up");
	return r;
}

int cloister_pasta_start(const struct cloister_plan *plan, const struct cloister_session *session, int init_fd,
                         struct cloister_error *err)
{
	const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
	int r = start_once(plan, session, init_fd, err);

	/* The port may be that of a session which has just ended, and whose pasta is about to. */
	for (int i = 0; i < PORT_RETRIES && r == -ENETUNREACH && *plan->publish != '\0'; i++) {
		nanosleep(&pause, NULL);
		r = start_once(plan, session, init_fd, err);
	}
	return r;
}
