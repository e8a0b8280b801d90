/* SPDX-License-Identifier: MIT */
/*
 * Runs a command under ptrace(2), with all that comes of it, into whatever namespaces it goes. Either it writes down
 * each system call, or it makes one of them fail.
 *
 *   faults [-t FILE] [-i ROLE:CALL:N:ERRNO] [-m PROGRAM] [-r FILE] [-l SECONDS] [-w DIRECTORY] -- COMMAND...
 *
 * -t: a line for each call: ROLE CALL N PHASE LOADER DETAIL, separated by tabs. ROLE says whose child it is, and
 *     what it executes: cloister/1/1:cloister-init is the child of cloister's first child that executed it. CALL is a
 *     number, and N counts the calls of one number of one role. PHASE is "setup" until PROGRAM is executed, then "end".
 *     LOADER is "loader" where the dynamic loader calls, else "-".
 * -i: the Nth call of that number by that role is not made, and ERRNO is its result (0 and -1: the result is 0 and 1).
 *     N may be +TEXT: the first such call after one whose DETAIL has TEXT (++TEXT: the second), or =TEXT: the first
 *     one whose DETAIL has it.
 *     With -1 what writes is made, of one byte.
 *     close(2) is made none the less: on Linux a descriptor is gone, whatever the result is.
 * -m: the base name of what the user runs.
 * -r: a report: lines of NAME=VALUE.
 * -l: the longest that all may take.
 * -w: before each system call that may change a file a line goes to DIRECTORY/ask, and what calls stands still until
 *     there is a byte in DIRECTORY/answer.
 * The exit status is that of the command.
 */
#include "faults.h"
#include "faults_target.h"
#include "faults_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "faults.c knows the registers of x86-64 alone"
#endif

#define OPTIONS                                                                                                        \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | \
	 PTRACE_O_EXITKILL)
#define LEFT_SECONDS 20

static struct {
	FILE *trace, *report;
	const char *marker;
	int limit;
	struct watch watch;
} options = {.limit = 60, .watch.answer = -1};

static struct tracee tracees[TRACEES_MAX];
static struct target target;
static bool injected, ran, main_ended;
static int main_status = 1;
static volatile sig_atomic_t alarmed;

static void on_alarm(int signal)
{
	(void)signal;
	alarmed = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static struct tracee *find(pid_t pid)
{
	for (size_t i = 0; i < TRACEES_MAX; i++) {
		if (tracees[i].pid == pid)
			return &tracees[i];
	}
	return NULL;
}

static struct tracee *add(pid_t pid)
{
	struct tracee *tracee = find(0);

	if (tracee == NULL) {
		fprintf(stderr, "faults: too many processes\n");
		exit(2);
	}
	*tracee = (struct tracee){.pid = pid};
	return tracee;
}

/* What it executes now, by the kernel's word; where its dynamic loader is. */
static void on_exec(struct tracee *tracee)
{
	char path[64], exe[512];

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)tracee->pid);
	ssize_t n = readlink(path, exe, sizeof(exe) - 1);
	exe[n < 0 ? 0 : n] = '\0';
	const char *slash = strrchr(exe, '/');
	const char *name = slash != NULL ? slash + 1 : exe;
	size_t length = strlen(tracee->role);
	snprintf(tracee->role + length, sizeof(tracee->role) - length, "%s%s", length > 0 ? ":" : "", name);
	memset(tracee->counts, 0, sizeof(tracee->counts));
	tracee->loader = faults_loader_base(tracee->pid);
	if (options.marker != NULL && strcmp(name, options.marker) == 0) {
		ran = true;
		tracee->is_user = true;
	}
}

static void on_child(struct tracee *parent)
{
	unsigned long number = 0;

	if (ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &number) < 0)
		return;
	struct tracee *child = find((pid_t)number);
	if (child == NULL)
		child = add((pid_t)number);
	snprintf(child->role, sizeof(child->role), "%.*s/%d", ROLE_MAX - 16, parent->role, ++parent->children);
	child->loader = parent->loader;
	child->is_user = parent->is_user;
	child->named = true;
	if (child->stopped) {
		child->stopped = false;
		ptrace(PTRACE_SYSCALL, child->pid, NULL, 0);
	}
}

/* The call is left out, or, where the kernel does its work in any case, made. */
static void prevent(struct tracee *tracee, long call)
{
	struct user_regs_struct registers;

	if (ptrace(PTRACE_GETREGS, tracee->pid, NULL, &registers) < 0)
		return;
	tracee->argument = registers.rdi;
	tracee->length = registers.rdx;
	bool is_short = target.code == -1 && (call == SYS_write || call == SYS_sendto || call == SYS_pwrite64);
	if (is_short)
		registers.rdx = registers.rdx > 1;
	else if (call == SYS_brk)
		/* Its failure is a break that has not moved. */
		registers.rdi = 0;
	else if (call != SYS_close)
		registers.orig_rax = (unsigned long long)-1;
	ptrace(PTRACE_SETREGS, tracee->pid, NULL, &registers);
	tracee->fails = true;
	tracee->keeps_result = call == SYS_brk || is_short;
	injected = true;
}

static void on_entry(struct tracee *tracee, const struct __ptrace_syscall_info *info)
{
	long call = (long)info->entry.nr;

	if (call < 0 || call >= CALLS_MAX)
		return;
	int n = ++tracee->counts[call];
	if (options.trace != NULL && !tracee->is_user) {
		char detail[DETAIL_MAX];

		faults_describe(tracee->pid, info, detail);
		bool loader = tracee->loader != 0 && info->instruction_pointer - tracee->loader < LOADER_SIZE;
		fprintf(options.trace, "%s\t%ld\t%d\t%s\t%s\t%s\n", tracee->role, call, n, ran ? "end" : "setup",
		        loader ? "loader" : "-", detail);
	}
	watch_moment(&options.watch, tracee, info);
	if (!injected && target_is(&target, tracee, info, n))
		prevent(tracee, call);
}

static void on_exit_of_call(struct tracee *tracee)
{
	struct user_regs_struct registers;

	if (!tracee->fails)
		return;
	tracee->fails = false;
	if (ptrace(PTRACE_GETREGS, tracee->pid, NULL, &registers) < 0)
		return;
	registers.rdi = tracee->argument;
	registers.rdx = tracee->length;
	if (!tracee->keeps_result)
		registers.rax = (unsigned long long)-target.code;
	ptrace(PTRACE_SETREGS, tracee->pid, NULL, &registers);
}

static void on_call(struct tracee *tracee)
{
	struct __ptrace_syscall_info info = {0};

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tracee->pid, sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		on_entry(tracee, &info);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		on_exit_of_call(tracee);
}

/* After the failure, and in what the user runs, nothing but deaths and programs is looked at. */
static void go_on(const struct tracee *tracee, int signal)
{
	bool calls = !tracee->is_user && (options.trace != NULL || (target.wanted && !injected) || tracee->fails ||
	                                  options.watch.answer >= 0);

	ptrace(calls ? PTRACE_SYSCALL : PTRACE_CONT, tracee->pid, NULL, signal);
}

static void on_signal(const struct tracee *tracee, int signal)
{
	struct user_regs_struct registers = {0};
	char file[256];

	if (options.report == NULL || (signal != SIGSEGV && signal != SIGBUS && signal != SIGILL && signal != SIGFPE &&
	                               signal != SIGABRT && signal != SIGSYS))
		return;
	ptrace(PTRACE_GETREGS, tracee->pid, NULL, &registers);
	where_it_is(tracee->pid, registers.rip, file);
	fprintf(options.report, "crash=%s %s %s\n", tracee->role, strsignal(signal), file);
}

static void on_stop(struct tracee *tracee, int status)
{
	int signal = WSTOPSIG(status), event = status >> 16;

	if (signal == (SIGTRAP | 0x80)) {
		on_call(tracee);
		go_on(tracee, 0);
		return;
	}
	switch (event) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		on_child(tracee);
		go_on(tracee, 0);
		return;
	case PTRACE_EVENT_EXEC:
		on_exec(tracee);
		go_on(tracee, 0);
		return;
	case PTRACE_EVENT_STOP:
		if (!tracee->named) {
			/* Its parent has not said yet whose child it is. */
			tracee->stopped = true;
			return;
		}
		if (signal == SIGTRAP)
			go_on(tracee, 0);
		else
			ptrace(PTRACE_LISTEN, tracee->pid, NULL, 0);
		return;
	default:
		on_signal(tracee, signal);
		go_on(tracee, signal);
	}
}

static void on_end(struct tracee *tracee, int status, pid_t main_pid)
{
	if (tracee->pid == main_pid) {
		main_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		main_ended = true;
		alarm(LEFT_SECONDS);
	}
	tracee->pid = 0;
}

/* Whoever is still there when the time is over is told, and ended. */
static void end_all(void)
{
	for (size_t i = 0; i < TRACEES_MAX; i++) {
		if (tracees[i].pid == 0)
			continue;
		if (options.report != NULL)
			fprintf(options.report, "%s=%s\n", main_ended ? "left" : "hang", tracees[i].role);
		kill(tracees[i].pid, SIGKILL);
	}
	alarmed = 0;
}

static void follow(pid_t main_pid)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL);

		if (alarmed)
			end_all();
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return;
		struct tracee *tracee = find(pid);
		if (tracee == NULL)
			tracee = add(pid);
		if (WIFSTOPPED(status))
			on_stop(tracee, status);
		else
			on_end(tracee, status, main_pid);
	}
}

static pid_t start(char **argv)
{
	int go[2];
	char byte;

	if (pipe2(go, O_CLOEXEC) < 0)
		die("pipe");
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		close(go[1]);
		(void)!read(go[0], &byte, 1);
		execvp(argv[0], argv);
		die(argv[0]);
	}
	if (ptrace(PTRACE_SEIZE, pid, NULL, OPTIONS) < 0)
		die("PTRACE_SEIZE");
	add(pid)->named = true;
	close(go[0]);
	close(go[1]);
	return pid;
}

static FILE *output(const char *path)
{
	FILE *file = fopen(path, "we");

	if (file == NULL)
		die(path);
	return file;
}

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "+t:i:m:r:l:w:")) != -1) {
		switch (option) {
		case 't':
			options.trace = output(optarg);
			break;
		case 'i':
			target_parse(&target, optarg);
			break;
		case 'm':
			options.marker = optarg;
			break;
		case 'r':
			options.report = output(optarg);
			break;
		case 'l':
			options.limit = atoi(optarg);
			break;
		case 'w':
			watch_open(&options.watch, optarg);
			break;
		default:
			return 2;
		}
	}
	if (optind == argc)
		return 2;
	/* Without SA_RESTART: the wait is to end. */
	sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
	pid_t pid = start(argv + optind);
	/* ssh(1) sends it to its ProxyCommand. */
	signal(SIGHUP, SIG_IGN);
	alarm((unsigned)options.limit);
	follow(pid);
	if (options.report != NULL)
		fprintf(options.report, "ran=%d\ninjected=%d\nstatus=%d\n", ran, injected, main_status);
	if (options.report != NULL && fclose(options.report) != 0)
		die("report");
	if (options.trace != NULL && fclose(options.trace) != 0)
		die("trace");
	return main_status;
}
