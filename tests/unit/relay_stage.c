/* SPDX-License-Identifier: MIT */
#include "relay_stage.h"

#include "cloister/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void pause_ms(long ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&time, NULL);
}

static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
	return count;
}

static bool same_action(int number, const struct sigaction *before)
{
	struct sigaction now = {0};

	sigaction(number, NULL, &now);
	return now.sa_handler == before->sa_handler;
}

void relay_process(int input, int output, int master, int control)
{
	struct cloister_error err = {0};
	struct sigaction before[65] = {0};
	sigset_t mask;
	sigset_t now;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int number = 1; number <= 64; number++)
		sigaction(number, NULL, &before[number]);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	int descriptors = open_descriptors();
	int flags = fcntl(master, F_GETFL);

	int result = cloister_relay_run(input, output, master, control, &err);
	if (result < 0) {
		fprintf(stderr, "relay: %s: %s\n", err.text, strerror(err.code));
		_exit(1);
	}
	for (int number = 1; number <= 64; number++)
		if (!same_action(number, &before[number]))
			_exit(SIGNAL_STATE_CHANGED);
	sigprocmask(SIG_SETMASK, NULL, &now);
	for (int number = 1; number <= 64; number++)
		if (sigismember(&mask, number) != sigismember(&now, number))
			_exit(SIGNAL_STATE_CHANGED);
	if (open_descriptors() != descriptors || fcntl(master, F_GETFL) != flags)
		_exit(DESCRIPTORS_CHANGED);
	_exit(0);
}

static long cpu_ms_of_children(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

struct outcome await_relay(pid_t relay)
{
	int status = 0;

	waitpid(relay, &status, 0);
	return (struct outcome){.status = WIFEXITED(status) ? WEXITSTATUS(status) : KILLED + WTERMSIG(status),
	                        .cpu_ms = cpu_ms_of_children()};
}

static void give_foreground(int terminal, pid_t group)
{
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTTOU);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	tcsetpgrp(terminal, group);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
}

/* Else the test's own ends of pipes and ptys would stay open here, and end of file would never come. */
static void close_all_but(const int *kept, size_t count)
{
	for (int fd = 3; fd < 256; fd++) {
		bool keep = false;
		for (size_t i = 0; i < count; i++)
			keep = keep || kept[i] == fd;
		if (!keep)
			close(fd);
	}
}

/* The shell stays until the test kills it: the exit of a session's leader hangs its terminal up. */
static void __attribute__((noreturn))
shell_process(const struct stage *stage, enum way way, const int fds[4], int answers, int commands)
{
	const int answering[] = {stage->outer, answers, commands};
	char command = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	ioctl(stage->outer, TIOCSCTTY, 0);
	pid_t relay = fork();
	if (relay == 0) {
		if (way == BACKGROUND)
			setpgid(0, 0);
		close_all_but(fds, 4);
		relay_process(fds[0], fds[1], fds[2], fds[3]);
	}
	close_all_but(answering, 3);
	if (write(answers, &relay, sizeof(relay)) != (ssize_t)sizeof(relay))
		_exit(1);
	if (way == BACKGROUND && read(commands, &command, 1) == 1 && command == 'f') {
		give_foreground(stage->outer, relay);
		kill(relay, SIGCONT);
	}
	struct outcome outcome = await_relay(relay);
	if (way == BACKGROUND)
		give_foreground(stage->outer, getpgrp());
	if (write(answers, &outcome, sizeof(outcome)) != (ssize_t)sizeof(outcome))
		_exit(1);
	for (;;)
		pause();
}

static void make_ptys(struct stage *stage)
{
	struct winsize size = {.ws_row = 33, .ws_col = 77};

	assert_int_equal(openpty(&stage->outer_master, &stage->outer, NULL, NULL, &size), 0);
	assert_int_equal(openpty(&stage->inner_master, &stage->inner, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(stage->outer, &stage->before), 0);
	/* Something that the session's pty does not have by itself. */
	stage->before.c_cc[VINTR] = 7;
	stage->before.c_lflag &= ~(tcflag_t)ECHOCTL;
	assert_int_equal(tcsetattr(stage->outer, TCSANOW, &stage->before), 0);
	assert_int_equal(tcgetattr(stage->outer, &stage->before), 0);
}

struct stage start(enum way way, int input, int output)
{
	struct stage stage = {0};
	int control[2];
	int answers[2];
	int commands[2];

	alarm(TEST_SECONDS);
	make_ptys(&stage);
	assert_int_equal(pipe(control), 0);
	assert_int_equal(pipe(answers), 0);
	assert_int_equal(pipe(commands), 0);
	stage.control = control[1];
	stage.answers = answers[0];
	stage.command = commands[1];
	int fds[4] = {input == -2 ? stage.outer : input, output == -2 ? stage.outer : output, stage.inner_master,
	              control[0]};

	fflush(NULL);
	stage.shell = fork();
	assert_true(stage.shell >= 0);
	if (stage.shell == 0)
		shell_process(&stage, way, fds, answers[1], commands[0]);
	close(stage.inner_master);
	close(control[0]);
	close(answers[1]);
	close(commands[0]);
	assert_int_equal(read(stage.answers, &stage.relay, sizeof(stage.relay)), sizeof(stage.relay));
	return stage;
}

void wait_until_raw(const struct stage *stage)
{
	struct termios now = {.c_lflag = ICANON};

	while ((now.c_lflag & ICANON) != 0) {
		pause_ms(2);
		assert_int_equal(tcgetattr(stage->outer, &now), 0);
	}
}

void make_raw(int terminal)
{
	struct termios settings;

	assert_int_equal(tcgetattr(terminal, &settings), 0);
	cfmakeraw(&settings);
	assert_int_equal(tcsetattr(terminal, TCSANOW, &settings), 0);
}

void close_control(struct stage *stage)
{
	close(stage->control);
	stage->control = -1;
}

struct outcome finish(struct stage *stage)
{
	struct outcome outcome;

	if (stage->control >= 0)
		close_control(stage);
	assert_int_equal(read(stage->answers, &outcome, sizeof(outcome)), sizeof(outcome));
	return outcome;
}

void assert_same_settings(const struct termios *a, const struct termios *b)
{
	assert_int_equal(a->c_iflag, b->c_iflag);
	assert_int_equal(a->c_oflag, b->c_oflag);
	assert_int_equal(a->c_cflag, b->c_cflag);
	assert_int_equal(a->c_lflag, b->c_lflag);
	assert_memory_equal(a->c_cc, b->c_cc, sizeof(a->c_cc));
}

void assert_as_before(const struct stage *stage)
{
	struct termios now;

	assert_int_equal(tcgetattr(stage->outer, &now), 0);
	assert_same_settings(&now, &stage->before);
	assert_int_equal(fcntl(stage->outer, F_GETFL) & O_NONBLOCK, 0);
}

void tear_down(struct stage *stage)
{
	kill(stage->shell, SIGKILL);
	waitpid(stage->shell, NULL, 0);
	const int fds[] = {stage->outer_master, stage->outer,   stage->inner,
	                   stage->control,      stage->answers, stage->command};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	alarm(0);
}

void close_inner(struct stage *stage)
{
	close(stage->inner);
	stage->inner = -1;
}

unsigned char *noise(size_t size, uint32_t seed)
{
	unsigned char *bytes = malloc(size);

	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 17;
		seed ^= seed << 5;
		bytes[i] = (unsigned char)(seed >> 11);
	}
	return bytes;
}

void write_all(int fd, const unsigned char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t count = write(fd, bytes, size);
		assert_true(count > 0);
		bytes += count;
		size -= (size_t)count;
	}
}

size_t read_quietly(int fd, unsigned char *bytes, size_t size, int quiet_ms)
{
	size_t got = 0;

	while (got < size) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		if (poll(&ready, 1, quiet_ms) <= 0)
			break;
		ssize_t count = read(fd, bytes + got, size - got);
		if (count <= 0)
			break;
		got += (size_t)count;
	}
	return got;
}
