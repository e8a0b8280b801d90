/* SPDX-License-Identifier: MIT */
/* The login process as a child of itself inside, and what stays of it outside. */
#include "move.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/run.h"
#include "tell.h"

#define REFUSED    254
#define ENTRY_WAIT 10000 /* milliseconds */

static bool moved;

/* What a fork would change under the program, to be put back in whoever goes on as the program. */
struct signals {
	sigset_t mask;
	struct sigaction child;
};

bool cloister_move_was_made(void)
{
	return moved;
}

/* Every signal is held back from before the fork on, so that none is lost for the child; and a program that ignores
 * SIGCHLD would lose the child's status. */
static void hold_signals(struct signals *before)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before->mask);
	sigaction(SIGCHLD, &standard, &before->child);
}

static void restore_signals(const struct signals *before)
{
	sigaction(SIGCHLD, &before->child, NULL);
	pthread_sigmask(SIG_SETMASK, &before->mask, NULL);
}

/* A fork copies the calling thread alone. proc(5): /proc/self/task has one directory for each. */
static bool has_threads(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) < 0 || st.st_nlink != 3;
}

static void go_on_inside(struct cloister_open *open, const struct signals *before)
{
	struct cloister_armed *armed = &open->armed;
	struct cloister_entry_report report = {.code = 0};
	const char *step = "";

	int r = cloister_entry_enter(&armed->entry, &step);
	if (r < 0)
		cloister_entry_report_fill(&report, -r, step);
	if (write(armed->report[1], &report, sizeof(report)) != (ssize_t)sizeof(report) || r < 0)
		_exit(REFUSED);
	cloister_armed_disown(armed);
	/* The relay's ends are closed; nothing of them is left for pam_end(3) to close. */
	open->pty = (struct cloister_pty){.number = -1, .master = -1, .control = -1};
	moved = true;
	restore_signals(before);
}

/* Whether the child is inside: it says so, or why not; if it says nothing, it is not. */
static int wait_for_entry(struct cloister_armed *armed, struct cloister_error *err)
{
	struct pollfd poller = {.fd = armed->report[0], .events = POLLIN};
	struct cloister_entry_report report = {.code = EIO, .step = "nothing was said"};

	/* The child's alone: it may die without a word. */
	close(armed->report[1]);
	armed->report[1] = -1;
	while (poll(&poller, 1, ENTRY_WAIT) < 0 && errno == EINTR)
		;
	ssize_t n = read(armed->report[0], &report, sizeof(report));
	if (n == (ssize_t)sizeof(report) && report.code == 0)
		return 0;
	report.step[sizeof(report.step) - 1] = '\0';
	return cloister_fail(err, report.code, "entry", NULL, "the login process could not enter the session: %s",
	                     report.step);
}

static int compare_descriptors(const void *left, const void *right)
{
	return *(const int *)left - *(const int *)right;
}

static bool is_one_of(int fd, const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (fds[i] == fd)
			return true;
	}
	return false;
}

/* A connection or a pipe of the program's must end when the program, inside, closes it. */
static void keep_only_ours(const struct cloister_open *open)
{
	const int kept[] = {open->session->control, open->session->pidfd, open->pty.control, open->terminal.held};
	int ours[] = {2, kept[0], kept[1], kept[2], kept[3]};
	const size_t n = sizeof(ours) / sizeof(*ours);

	qsort(ours, n, sizeof(*ours), compare_descriptors);
	for (size_t i = 0; i < n; i++) {
		unsigned next = i + 1 < n ? (unsigned)ours[i + 1] : ~0U;

		if (ours[i] >= 2 && next > (unsigned)ours[i] + 1)
			close_range((unsigned)ours[i] + 1, next - 1, 0);
	}
	int null = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= 2; fd++) {
		/* Of a program that was started without one of them, its place may be ours. */
		if (is_one_of(fd, kept, sizeof(kept) / sizeof(*kept)))
			continue;
		if (null < 0 || dup2(null, fd) < 0)
			close(fd);
	}
	if (null > 2)
		close(null);
}

/*
 * Stopped from the terminal: so are we, until somebody goes on with both. By its own hand, or without a terminal,
 * nobody would go on with us: root's process, and the session, would stay.
 */
static void follow_stop(pid_t child, int number)
{
	int _cleanup_close_ terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (terminal < 0 || number == SIGSTOP)
		return;
	raise(SIGSTOP);
	kill(child, SIGCONT);
}

/* Passes on what somebody sent (kill(2)); what the kernel sends for a terminal reaches the child by itself. */
static int outlive(pid_t child)
{
	siginfo_t info;
	sigset_t all;
	int status;

	sigfillset(&all);
	for (;;) {
		pid_t pid = waitpid(child, &status, WNOHANG | WUNTRACED);

		if (pid == child && !WIFSTOPPED(status))
			return status;
		if (pid < 0 && errno != EINTR)
			return REFUSED << 8;
		if (pid == child) {
			follow_stop(child, WSTOPSIG(status));
		} else if (sigwaitinfo(&all, &info) > 0 && info.si_signo != SIGCHLD && info.si_code <= 0) {
			kill(child, info.si_signo);
		}
	}
}

static void __attribute__((noreturn)) stay_outside(pam_handle_t *pamh, struct cloister_open *open, pid_t child)
{
	keep_only_ours(open);
	open->terminal.mount = -1;
	int status = outlive(child);
	open->audit.status = status;
	cloister_open_close(open, NULL);
	cloister_tell_end(pamh, open);
	cloister_exit_like(status);
}

int cloister_move(pam_handle_t *pamh, struct cloister_open *open, struct cloister_error *err)
{
	struct cloister_armed *armed = &open->armed;
	struct signals before;

	if (has_threads())
		return cloister_fail(err, EBUSY, "entry", NULL,
		                     "a process with threads cannot be moved (entry = child moves the child that it "
		                     "forks)");
	hold_signals(&before);
	int r = cloister_entry_prepare(open->session);
	pid_t child = r < 0 ? -1 : fork();
	if (child == 0) {
		go_on_inside(open, &before);
		return 0;
	}
	r = r < 0 ? r : child < 0 ? -errno : 0;
	if (r < 0)
		cloister_fail(err, -r, "entry", NULL, "cannot make the login process's child in the session");
	else
		r = wait_for_entry(armed, err);
	if (r == 0)
		stay_outside(pamh, open, child);
	if (child > 0) {
		kill(child, SIGKILL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	cloister_entry_children_in(armed->own_pid_namespace);
	restore_signals(&before);
	return r;
}
