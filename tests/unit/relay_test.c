/* SPDX-License-Identifier: MIT */
/* The relay on real ptys: a small "shell" owns the outer terminal and starts the relay in it, as su would. */
#include "cloister/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#include <cmocka.h>

enum { TEST_SECONDS = 60, MEGABYTE = 1024 * 1024, SIGNAL_STATE_CHANGED = 3, DESCRIPTORS_CHANGED = 4, KILLED = 100 };

/* What the shell tells the test when the relay has ended. */
struct outcome {
	int status; /* the relay's exit status, or KILLED + its signal */
	long cpu_ms;
};

struct stage {
	int outer_master; /* the person at the terminal */
	int outer;        /* the terminal itself, kept open so that it is not hung up */
	int inner_master;
	int inner; /* the session's side */
	int control;
	int command; /* to the shell: 'f' gives the relay the foreground */
	int answers;
	pid_t shell;
	pid_t relay;
	struct termios before;
};

enum way { FOREGROUND, BACKGROUND };

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void pause_ms(long ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&time, NULL);
}

/* ---- the relay's process and its shell ---- */

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

static void __attribute__((noreturn)) relay_process(int input, int output, int master, int control)
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

static struct outcome await_relay(pid_t relay)
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

/* input and output: -2 stands for the outer terminal. */
static struct stage start(enum way way, int input, int output)
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

static void wait_until_raw(const struct stage *stage)
{
	struct termios now = {.c_lflag = ICANON};

	while ((now.c_lflag & ICANON) != 0) {
		pause_ms(2);
		assert_int_equal(tcgetattr(stage->outer, &now), 0);
	}
}

static void make_raw(int terminal)
{
	struct termios settings;

	assert_int_equal(tcgetattr(terminal, &settings), 0);
	cfmakeraw(&settings);
	assert_int_equal(tcsetattr(terminal, TCSANOW, &settings), 0);
}

static struct outcome finish(struct stage *stage)
{
	struct outcome outcome;

	assert_int_equal(read(stage->answers, &outcome, sizeof(outcome)), sizeof(outcome));
	return outcome;
}

static void assert_same_settings(const struct termios *a, const struct termios *b)
{
	assert_int_equal(a->c_iflag, b->c_iflag);
	assert_int_equal(a->c_oflag, b->c_oflag);
	assert_int_equal(a->c_cflag, b->c_cflag);
	assert_int_equal(a->c_lflag, b->c_lflag);
	assert_memory_equal(a->c_cc, b->c_cc, sizeof(a->c_cc));
}

static void assert_as_before(const struct stage *stage)
{
	struct termios now;

	assert_int_equal(tcgetattr(stage->outer, &now), 0);
	assert_same_settings(&now, &stage->before);
	assert_int_equal(fcntl(stage->outer, F_GETFL) & O_NONBLOCK, 0);
}

static void tear_down(struct stage *stage)
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

static void close_inner(struct stage *stage)
{
	close(stage->inner);
	stage->inner = -1;
}

static void close_control(struct stage *stage)
{
	close(stage->control);
	stage->control = -1;
}

/* ---- data ---- */

static unsigned char *noise(size_t size, uint32_t seed)
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

struct flow {
	int from;
	int to;
	const unsigned char *sent;
	unsigned char *received;
	size_t size;
	size_t written;
	size_t read;
};

static struct flow make_flow(int from, int to, const unsigned char *bytes, size_t size)
{
	struct flow flow = {.from = from, .to = to, .sent = bytes, .received = calloc(1, size), .size = size};

	assert_non_null(flow.received);
	fcntl(from, F_SETFL, fcntl(from, F_GETFL) | O_NONBLOCK);
	fcntl(to, F_SETFL, fcntl(to, F_GETFL) | O_NONBLOCK);
	return flow;
}

static void flow_step(struct flow *flow, const struct pollfd *writable, const struct pollfd *readable)
{
	if (writable->revents != 0) {
		ssize_t count = write(flow->from, flow->sent + flow->written, flow->size - flow->written);
		assert_true(count > 0 || errno == EAGAIN);
		flow->written += count > 0 ? (size_t)count : 0;
	}
	if (readable->revents != 0) {
		ssize_t count = read(flow->to, flow->received + flow->read, flow->size - flow->read);
		assert_true(count > 0 || errno == EAGAIN);
		flow->read += count > 0 ? (size_t)count : 0;
	}
}

static void run_flows(struct flow *flows, size_t count)
{
	struct pollfd ready[4];

	for (;;) {
		bool done = true;
		for (size_t i = 0; i < count; i++) {
			struct flow *flow = &flows[i];
			ready[2 * i] =
				(struct pollfd){.fd = flow->written < flow->size ? flow->from : -1, .events = POLLOUT};
			ready[2 * i + 1] =
				(struct pollfd){.fd = flow->read < flow->size ? flow->to : -1, .events = POLLIN};
			done = done && flow->read == flow->size;
		}
		if (done)
			return;
		assert_true(poll(ready, 2 * count, 10000) > 0);
		for (size_t i = 0; i < count; i++)
			flow_step(&flows[i], &ready[2 * i], &ready[2 * i + 1]);
	}
}

static void write_all(int fd, const unsigned char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t count = write(fd, bytes, size);
		assert_true(count > 0);
		bytes += count;
		size -= (size_t)count;
	}
}

/* Reads up to size bytes until there has been nothing for quiet_ms or the other side is gone. */
static size_t read_quietly(int fd, unsigned char *bytes, size_t size, int quiet_ms)
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

/* ---- tests ---- */

static void test_binary_data_both_ways(void **state)
{
	enum { SIZE = 10 * MEGABYTE };
	unsigned char *typed = noise(SIZE, 1);
	unsigned char *shown = noise(SIZE, 2);
	struct stage stage = start(FOREGROUND, -2, -2);

	(void)state;
	wait_until_raw(&stage);
	make_raw(stage.inner);
	struct flow flows[] = {make_flow(stage.outer_master, stage.inner, typed, SIZE),
	                       make_flow(stage.inner, stage.outer_master, shown, SIZE)};
	run_flows(flows, 2);
	assert_int_equal(memcmp(flows[0].received, typed, SIZE), 0);
	assert_int_equal(memcmp(flows[1].received, shown, SIZE), 0);
	close_inner(&stage);
	assert_int_equal(finish(&stage).status, 0);
	assert_as_before(&stage);
	tear_down(&stage);
	free(flows[0].received);
	free(flows[1].received);
	free(typed);
	free(shown);
}

static void test_throughput(void **state)
{
	enum { SIZE = 32 * MEGABYTE };
	unsigned char *shown = noise(SIZE, 3);
	struct stage stage = start(FOREGROUND, -2, -2);

	(void)state;
	wait_until_raw(&stage);
	make_raw(stage.inner);
	struct flow flow = make_flow(stage.inner, stage.outer_master, shown, SIZE);
	double begin = seconds();
	run_flows(&flow, 1);
	double taken = seconds() - begin;
	assert_int_equal(memcmp(flow.received, shown, SIZE), 0);
	close_inner(&stage);
	struct outcome outcome = finish(&stage);
	assert_int_equal(outcome.status, 0);
	print_message("relay: %.0f MB/s from the session to the terminal, %ld ms of processor for %d MB\n", 32 / taken,
	              outcome.cpu_ms, 32);
	tear_down(&stage);
	free(flow.received);
	free(shown);
}

static void wait_for_size(int terminal, unsigned short rows, unsigned short columns)
{
	struct winsize size = {0};

	while (size.ws_row != rows || size.ws_col != columns) {
		pause_ms(2);
		assert_int_equal(ioctl(terminal, TIOCGWINSZ, &size), 0);
	}
}

static void test_window_size_follows(void **state)
{
	struct stage stage = start(FOREGROUND, -2, -2);

	(void)state;
	wait_until_raw(&stage);
	wait_for_size(stage.inner, 33, 77);
	for (unsigned short rows = 20; rows < 40; rows++) {
		struct winsize size = {.ws_row = rows, .ws_col = 100};
		assert_int_equal(ioctl(stage.outer_master, TIOCSWINSZ, &size), 0);
		wait_for_size(stage.inner, rows, 100);
	}
	close_inner(&stage);
	assert_int_equal(finish(&stage).status, 0);
	tear_down(&stage);
}

static void test_settings_are_handed_in_and_put_back(void **state)
{
	struct stage stage = start(FOREGROUND, -2, -2);
	struct termios inner;
	struct termios outer;
	struct termios raw = stage.before;

	(void)state;
	wait_until_raw(&stage);
	assert_int_equal(tcgetattr(stage.inner, &inner), 0);
	assert_same_settings(&inner, &stage.before);
	cfmakeraw(&raw);
	assert_int_equal(tcgetattr(stage.outer, &outer), 0);
	assert_same_settings(&outer, &raw);
	assert_int_equal(fcntl(stage.outer, F_GETFL) & O_NONBLOCK, 0);
	close_inner(&stage);
	assert_int_equal(finish(&stage).status, 0);
	assert_as_before(&stage);
	tear_down(&stage);
}

static void test_signals_restore_the_terminal(void **state)
{
	const int signals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct stage stage = start(FOREGROUND, -2, -2);
		wait_until_raw(&stage);
		kill(stage.relay, signals[i]);
		assert_int_equal(finish(&stage).status, 0);
		assert_as_before(&stage);
		tear_down(&stage);
	}
}

static void test_closed_control_drains_and_restores(void **state)
{
	enum { SIZE = 40000 };
	unsigned char *shown = noise(SIZE, 4);
	unsigned char received[SIZE];
	struct stage stage = start(FOREGROUND, -2, -2);

	(void)state;
	wait_until_raw(&stage);
	make_raw(stage.inner);
	/* Stopped, so that everything is still in the session's pty when control is closed. */
	kill(stage.relay, SIGSTOP);
	fcntl(stage.inner, F_SETFL, O_RDWR | O_NONBLOCK);
	ssize_t size = write(stage.inner, shown, SIZE);
	assert_true(size > 4096);
	close_control(&stage);
	kill(stage.relay, SIGCONT);
	double begin = seconds();
	assert_int_equal(read_quietly(stage.outer_master, received, (size_t)size, 5000), size);
	assert_int_equal(memcmp(received, shown, (size_t)size), 0);
	assert_int_equal(finish(&stage).status, 0);
	assert_true(seconds() - begin < 1.5);
	assert_as_before(&stage);
	tear_down(&stage);
	free(shown);
}

/* The session goes on writing, and nobody reads the terminal: neither may keep a relay whose session has ended. */
static void test_closed_control_ends_in_bounded_time(void **state)
{
	unsigned char *shown = noise(MEGABYTE, 5);
	struct stage stage = start(FOREGROUND, -2, -2);

	(void)state;
	wait_until_raw(&stage);
	make_raw(stage.inner);
	fcntl(stage.inner, F_SETFL, O_RDWR | O_NONBLOCK);
	for (int i = 0; i < 30; i++) {
		(void)!write(stage.inner, shown, MEGABYTE);
		pause_ms(10);
	}
	double begin = seconds();
	close_control(&stage);
	struct outcome outcome = finish(&stage);
	assert_int_equal(outcome.status, 0);
	assert_true(seconds() - begin < 3);
	assert_true(outcome.cpu_ms < 400);
	assert_as_before(&stage);
	tear_down(&stage);
	free(shown);
}

static void test_stalled_terminal_does_not_delay_sigterm(void **state)
{
	unsigned char *shown = noise(MEGABYTE, 6);
	struct stage stage = start(FOREGROUND, -2, -2);

	(void)state;
	wait_until_raw(&stage);
	make_raw(stage.inner);
	fcntl(stage.inner, F_SETFL, O_RDWR | O_NONBLOCK);
	for (int i = 0; i < 100; i++) {
		(void)!write(stage.inner, shown, MEGABYTE);
		pause_ms(10);
	}
	double begin = seconds();
	kill(stage.relay, SIGTERM);
	struct outcome outcome = finish(&stage);
	assert_int_equal(outcome.status, 0);
	assert_true(seconds() - begin < 1);
	assert_true(outcome.cpu_ms < 300);
	assert_as_before(&stage);
	tear_down(&stage);
	free(shown);
}

static void test_everything_is_written_before_the_end(void **state)
{
	/* Less than the relay and the two ptys hold (a pty: some 12 KiB each way), so that the write does not wait. */
	enum { SIZE = 70000 };
	unsigned char *shown = noise(SIZE, 7);
	unsigned char received[SIZE + 1];
	struct stage stage = start(FOREGROUND, -2, -2);

	(void)state;
	wait_until_raw(&stage);
	make_raw(stage.inner);
	write_all(stage.inner, shown, SIZE);
	close_inner(&stage);
	pause_ms(300);
	assert_int_equal(read_quietly(stage.outer_master, received, sizeof(received), 1000), SIZE);
	assert_int_equal(memcmp(received, shown, SIZE), 0);
	assert_int_equal(finish(&stage).status, 0);
	assert_as_before(&stage);
	tear_down(&stage);
	free(shown);
}

/* Either side reads in drops; both ways at once, more than all the buffers between hold. */
static void test_slow_readers_lose_nothing(void **state)
{
	enum { SIZE = MEGABYTE };
	unsigned char *typed = noise(SIZE, 8);
	unsigned char *shown = noise(SIZE, 9);
	struct stage stage = start(FOREGROUND, -2, -2);

	(void)state;
	wait_until_raw(&stage);
	make_raw(stage.inner);
	struct flow flows[] = {make_flow(stage.outer_master, stage.inner, typed, SIZE),
	                       make_flow(stage.inner, stage.outer_master, shown, SIZE)};
	const struct pollfd ready = {.revents = POLLIN};
	const struct pollfd quiet = {.revents = 0};
	for (int round = 0; round < 150; round++) {
		for (int i = 0; i < 2; i++) {
			size_t all = flows[i].size;
			flow_step(&flows[i], &ready, &quiet);
			flows[i].size = flows[i].read + 700;
			flow_step(&flows[i], &quiet, &ready);
			flows[i].size = all;
		}
		pause_ms(5);
	}
	assert_true(flows[0].written < SIZE && flows[1].written < SIZE);
	run_flows(flows, 2);
	assert_int_equal(memcmp(flows[0].received, typed, SIZE), 0);
	assert_int_equal(memcmp(flows[1].received, shown, SIZE), 0);
	close_inner(&stage);
	assert_int_equal(finish(&stage).status, 0);
	tear_down(&stage);
	free(flows[0].received);
	free(flows[1].received);
	free(typed);
	free(shown);
}

static pid_t start_cat(struct stage *stage)
{
	fflush(NULL);
	pid_t cat = fork();

	assert_true(cat >= 0);
	if (cat == 0) {
		struct termios settings;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		tcgetattr(stage->inner, &settings);
		settings.c_lflag &= ~(tcflag_t)ECHO;
		settings.c_oflag &= ~(tcflag_t)OPOST;
		tcsetattr(stage->inner, TCSANOW, &settings);
		login_tty(stage->inner);
		for (int fd = 3; fd < 256; fd++)
			close(fd);
		execlp("cat", "cat", (char *)NULL);
		_exit(127);
	}
	close_inner(stage);
	return cat;
}

static void check_pipe_to_cat(const char *text)
{
	int input[2];
	int output[2];
	unsigned char received[256] = {0};
	int status = -1;

	assert_int_equal(pipe(input), 0);
	assert_int_equal(pipe(output), 0);
	struct stage stage = start(FOREGROUND, input[0], output[1]);
	close(output[1]);
	close(input[0]);
	pid_t cat = start_cat(&stage);
	pause_ms(100);
	write_all(input[1], (const unsigned char *)text, strlen(text));
	close(input[1]);
	assert_int_equal(waitpid(cat, &status, 0), cat);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(finish(&stage).status, 0);
	assert_int_equal(read_quietly(output[0], received, sizeof(received) - 1, 1000), strlen(text));
	assert_string_equal((const char *)received, text);
	assert_as_before(&stage);
	close(output[0]);
	tear_down(&stage);
}

static void test_end_of_a_pipe_ends_cat(void **state)
{
	(void)state;
	check_pipe_to_cat("");
	check_pipe_to_cat("one line\n");
	check_pipe_to_cat("one line\nand no newline");
}

/* The shell of the pipe's own writer: output to a terminal, keyboard not ours. ^C has to stay a signal. */
static void test_keyboard_stays_alive_without_input(void **state)
{
	int input[2];
	struct stage stage;
	struct termios now;

	(void)state;
	assert_int_equal(pipe(input), 0);
	stage = start(FOREGROUND, input[0], -2);
	do {
		pause_ms(2);
		assert_int_equal(tcgetattr(stage.outer, &now), 0);
	} while ((now.c_oflag & OPOST) != 0);
	assert_true((now.c_lflag & ISIG) != 0);
	close_inner(&stage);
	assert_int_equal(finish(&stage).status, 0);
	assert_as_before(&stage);
	tear_down(&stage);
	close(input[0]);
	close(input[1]);
}

static void test_vanished_reader_is_an_error(void **state)
{
	int output[2];
	struct stage stage;

	(void)state;
	assert_int_equal(pipe(output), 0);
	stage = start(FOREGROUND, -2, output[1]);
	close(output[0]);
	close(output[1]);
	wait_until_raw(&stage);
	write_all(stage.inner, (const unsigned char *)"x", 1);
	assert_int_equal(finish(&stage).status, 1);
	assert_as_before(&stage);
	tear_down(&stage);
}

static void test_without_output_the_session_is_not_held_up(void **state)
{
	unsigned char *shown = noise(MEGABYTE, 10);
	struct stage stage = start(FOREGROUND, -2, -1);

	(void)state;
	wait_until_raw(&stage);
	make_raw(stage.inner);
	write_all(stage.inner, shown, MEGABYTE);
	close_inner(&stage);
	assert_int_equal(finish(&stage).status, 0);
	tear_down(&stage);
	free(shown);
}

static void test_background_leaves_the_terminal_alone(void **state)
{
	struct stage stage = start(BACKGROUND, -2, -2);
	unsigned char received[8] = {0};

	(void)state;
	make_raw(stage.inner);
	write_all(stage.outer_master, (const unsigned char *)"ab\n", 3);
	pause_ms(600);
	assert_as_before(&stage);
	assert_int_equal(read_quietly(stage.inner, received, sizeof(received), 0), 0);
	assert_int_equal(write(stage.command, "f", 1), 1);
	wait_until_raw(&stage);
	assert_int_equal(read_quietly(stage.inner, received, 3, 3000), 3);
	assert_memory_equal(received, "ab\n", 3);
	close_inner(&stage);
	struct outcome outcome = finish(&stage);
	assert_int_equal(outcome.status, 0);
	assert_true(outcome.cpu_ms < 100);
	assert_as_before(&stage);
	tear_down(&stage);
}

static void test_stop_and_continue(void **state)
{
	struct stage stage = start(BACKGROUND, -2, -2);
	struct termios now;

	(void)state;
	assert_int_equal(write(stage.command, "f", 1), 1);
	wait_until_raw(&stage);
	kill(stage.relay, SIGTSTP);
	do {
		pause_ms(2);
		assert_int_equal(tcgetattr(stage.outer, &now), 0);
	} while ((now.c_lflag & ICANON) == 0);
	assert_as_before(&stage);
	pause_ms(50);
	assert_as_before(&stage);
	kill(stage.relay, SIGCONT);
	wait_until_raw(&stage);
	close_inner(&stage);
	assert_int_equal(finish(&stage).status, 0);
	assert_as_before(&stage);
	tear_down(&stage);
}

/* What is typed before the session's first program has opened its terminal arrives, and waiting costs nothing. */
static void test_input_waits_for_the_session(void **state)
{
	struct stage stage;
	char name[64];
	unsigned char received[8] = {0};
	int inner_master = -1;
	int control[2];
	int input[2];

	(void)state;
	alarm(TEST_SECONDS);
	memset(&stage, 0, sizeof(stage));
	inner_master = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(inner_master >= 0);
	assert_int_equal(unlockpt(inner_master), 0);
	assert_int_equal(ptsname_r(inner_master, name, sizeof(name)), 0);
	assert_int_equal(pipe(control), 0);
	assert_int_equal(pipe(input), 0);
	write_all(input[1], (const unsigned char *)"early\n", 6);
	fflush(NULL);
	pid_t relay = fork();
	assert_true(relay >= 0);
	if (relay == 0)
		relay_process(input[0], -1, inner_master, control[0]);
	close(inner_master);
	pause_ms(300);
	int inner = open(name, O_RDWR | O_NOCTTY);
	assert_true(inner >= 0);
	assert_int_equal(read(inner, received, sizeof(received)), 6);
	assert_memory_equal(received, "early\n", 6);
	/* A program that closes its terminal for a moment keeps it. */
	close(inner);
	pause_ms(50);
	write_all(input[1], (const unsigned char *)"later\n", 6);
	inner = open(name, O_RDWR | O_NOCTTY);
	assert_true(inner >= 0);
	assert_int_equal(read(inner, received, sizeof(received)), 6);
	assert_memory_equal(received, "later\n", 6);
	close(inner);
	struct outcome outcome = await_relay(relay);
	assert_int_equal(outcome.status, 0);
	for (int i = 0; i < 2; i++) {
		close(control[i]);
		close(input[i]);
	}
	alarm(0);
}

static void test_bad_master_is_an_error(void **state)
{
	struct cloister_error err = {0};

	(void)state;
	assert_int_equal(cloister_relay_run(-1, -1, -1, -1, &err), -EBADF);
	assert_int_equal(err.code, EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_binary_data_both_ways),
		cmocka_unit_test(test_throughput),
		cmocka_unit_test(test_window_size_follows),
		cmocka_unit_test(test_settings_are_handed_in_and_put_back),
		cmocka_unit_test(test_signals_restore_the_terminal),
		cmocka_unit_test(test_closed_control_drains_and_restores),
		cmocka_unit_test(test_closed_control_ends_in_bounded_time),
		cmocka_unit_test(test_stalled_terminal_does_not_delay_sigterm),
		cmocka_unit_test(test_everything_is_written_before_the_end),
		cmocka_unit_test(test_slow_readers_lose_nothing),
		cmocka_unit_test(test_end_of_a_pipe_ends_cat),
		cmocka_unit_test(test_keyboard_stays_alive_without_input),
		cmocka_unit_test(test_vanished_reader_is_an_error),
		cmocka_unit_test(test_without_output_the_session_is_not_held_up),
		cmocka_unit_test(test_background_leaves_the_terminal_alone),
		cmocka_unit_test(test_stop_and_continue),
		cmocka_unit_test(test_input_waits_for_the_session),
		cmocka_unit_test(test_bad_master_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
