/* SPDX-License-Identifier: MIT */
/* The relay and the outer terminal: settings, size, signals, background, the keyboard. */
#include "cloister/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "relay_stage.h"

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
		cmocka_unit_test(test_window_size_follows),
		cmocka_unit_test(test_settings_are_handed_in_and_put_back),
		cmocka_unit_test(test_signals_restore_the_terminal),
		cmocka_unit_test(test_keyboard_stays_alive_without_input),
		cmocka_unit_test(test_background_leaves_the_terminal_alone),
		cmocka_unit_test(test_stop_and_continue),
		cmocka_unit_test(test_bad_master_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
