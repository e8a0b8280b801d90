/* SPDX-License-Identifier: MIT */
/* The outer terminal of the relay. Functions return 0 or -errno, and do nothing when there is no terminal. */
#ifndef CLOISTER_LIB_RELAY_TERMINAL_H
#define CLOISTER_LIB_RELAY_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

struct relay_terminal {
	int fd;          /* -1: there is none */
	int session;     /* the master of the session's pty */
	bool is_input;   /* the session's input comes from it; else it is only written to */
	bool background; /* another process group has it: not to be read, its settings not ours to change */
	bool altered;    /* it has the settings in applied, and had those in original */
	bool original_known;
	struct termios original;
	struct termios applied;
};

/* Gives its settings and window size to the session's pty, and makes it transparent when that is ours to do. */
int cloister_relay_terminal_start(struct relay_terminal *terminal);
/* Looks who has the foreground, and makes it transparent if it is this process group: at start, on SIGCONT. */
int cloister_relay_terminal_follow(struct relay_terminal *terminal);
/* Hands its window size to the session. */
void cloister_relay_terminal_resize(const struct relay_terminal *terminal);
/* For SIGTSTP, which the caller blocks: puts the settings back, stops, and follows when continued. */
int cloister_relay_terminal_stop(struct relay_terminal *terminal);
/* Puts the first settings back, unless somebody else has meanwhile set their own. */
int cloister_relay_terminal_restore(struct relay_terminal *terminal);

#endif
