/* SPDX-License-Identifier: MIT */
/* What goes through the relay: all of it, both ways, however slowly somebody reads, and to the end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include "relay_stage.h"

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
	if (relay == 0) {
		close(control[1]);
		relay_process(input[0], -1, inner_master, control[0]);
	}
	close(inner_master);
	pause_ms(300);
	int inner = open(name, O_RDWR | O_NOCTTY);
	assert_true(inner >= 0);
	assert_int_equal(read(inner, received, sizeof(received)), 6);
	assert_memory_equal(received, "early\n", 6);
	/* A program that closes its terminal keeps it. */
	close(inner);
	pause_ms(500);
	write_all(input[1], (const unsigned char *)"later\n", 6);
	inner = open(name, O_RDWR | O_NOCTTY);
	assert_true(inner >= 0);
	assert_int_equal(read(inner, received, sizeof(received)), 6);
	assert_memory_equal(received, "later\n", 6);
	close(inner);
	close(control[1]);
	struct outcome outcome = await_relay(relay);
	assert_int_equal(outcome.status, 0);
	close(control[0]);
	close(input[0]);
	close(input[1]);
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_binary_data_both_ways),
		cmocka_unit_test(test_throughput),
		cmocka_unit_test(test_closed_control_drains_and_restores),
		cmocka_unit_test(test_closed_control_ends_in_bounded_time),
		cmocka_unit_test(test_stalled_terminal_does_not_delay_sigterm),
		cmocka_unit_test(test_everything_is_written_before_the_end),
		cmocka_unit_test(test_slow_readers_lose_nothing),
		cmocka_unit_test(test_end_of_a_pipe_ends_cat),
		cmocka_unit_test(test_vanished_reader_is_an_error),
		cmocka_unit_test(test_without_output_the_session_is_not_held_up),
		cmocka_unit_test(test_input_waits_for_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
