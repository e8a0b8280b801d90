/* SPDX-License-Identifier: MIT */
/* The relay on real ptys: a small "shell" owns the outer terminal and starts the relay in it, as su would. */
#ifndef RELAY_STAGE_H
#define RELAY_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

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

/* What the relay's process does, and whoever waits for it. */
__attribute__((noreturn)) void relay_process(int input, int output, int master, int control);
struct outcome await_relay(pid_t relay);
/* Fails the test after TEST_SECONDS. input and output: -2 stands for the outer terminal. */
struct stage start(enum way way, int input, int output);
/* What became of the relay, once it has ended. */
struct outcome finish(struct stage *stage);
void tear_down(struct stage *stage);
void close_inner(struct stage *stage);
void close_control(struct stage *stage);
/* Until the relay has made the outer terminal transparent. */
void wait_until_raw(const struct stage *stage);
void make_raw(int terminal);
void assert_same_settings(const struct termios *a, const struct termios *b);
/* The outer terminal has the settings and flags that it had at the start. */
void assert_as_before(const struct stage *stage);

/* Bytes of every kind, the same for one seed; to be freed. */
unsigned char *noise(size_t size, uint32_t seed);
void write_all(int fd, const unsigned char *bytes, size_t size);
/* Reads up to size bytes until there has been nothing for quiet_ms or the other side is gone. */
size_t read_quietly(int fd, unsigned char *bytes, size_t size, int quiet_ms);
double seconds(void);
void pause_ms(long ms);

#endif
