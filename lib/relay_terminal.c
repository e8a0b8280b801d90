/* SPDX-License-Identifier: MIT */
/* The outer terminal's settings, window size and foreground process group, as the relay needs them. */
#include "relay_terminal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool same_settings(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

/*
 * SIGTTOU would stop the relay half way when its process group has just lost the terminal (tcsetattr(3)).
 * TCSANOW: TCSAFLUSH would throw away what was typed ahead, TCSADRAIN waits without end for a stalled terminal.
 */
static int set_settings(int terminal, const struct termios *settings)
{
	sigset_t stop;
	sigset_t mask;
	int result = 0;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTTOU);
	sigprocmask(SIG_BLOCK, &stop, &mask);
	if (tcsetattr(terminal, TCSANOW, settings) < 0)
		result = -errno;
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return result;
}

void cloister_relay_terminal_resize(const struct relay_terminal *terminal)
{
	struct winsize size;

	if (terminal->fd >= 0 && ioctl(terminal->fd, TIOCGWINSZ, &size) == 0)
		ioctl(terminal->session, TIOCSWINSZ, &size);
}

/*
 * When the keyboard is not the session's input nobody reads ^C here, so it has to stay a signal: only the output's
 * processing, which the session's pty has done already, is switched off.
 */
static struct termios transparent(const struct relay_terminal *terminal)
{
	struct termios settings = terminal->original;

	if (terminal->is_input)
		cfmakeraw(&settings);
	else
		settings.c_oflag &= ~(tcflag_t)OPOST;
	return settings;
}

/*
 * tcgetpgrp() fails when the terminal is not this process's controlling one. Then there is no job control: reading
 * never stops us, but nothing says either that the settings are ours to change.
 */
int cloister_relay_terminal_follow(struct relay_terminal *terminal)
{
	if (terminal->fd < 0)
		return 0;
	pid_t group = tcgetpgrp(terminal->fd);

	terminal->background = group >= 0 && group != getpgrp();
	if (group < 0 || terminal->background)
		return 0;
	cloister_relay_terminal_resize(terminal);
	/* Taken once: a shell's "fg" puts back the settings that the job had, which are the transparent ones. */
	if (!terminal->original_known && tcgetattr(terminal->fd, &terminal->original) < 0)
		return -errno;
	terminal->original_known = true;

	struct termios settings = transparent(terminal);
	int result = set_settings(terminal->fd, &settings);
	if (result < 0)
		return result;
	terminal->altered = true;
	return tcgetattr(terminal->fd, &terminal->applied) < 0 ? -errno : 0;
}

/*
 * A shell that took the terminal back has given it settings of its own, which stay. Shells that do not (the login
 * process was killed, and dash went on) leave ours in place: then it is still for us to put the original ones back.
 */
int cloister_relay_terminal_restore(struct relay_terminal *terminal)
{
	struct termios now;

	if (!terminal->altered || tcgetattr(terminal->fd, &now) < 0)
		return 0;
	terminal->altered = false;
	if (tcgetpgrp(terminal->fd) != getpgrp() && !same_settings(&now, &terminal->applied))
		return 0;
	return set_settings(terminal->fd, &terminal->original);
}

/*
 * While another job has the terminal it has that job's settings, or a shell's line editor's: the pty's own are better.
 */
int cloister_relay_terminal_start(struct relay_terminal *terminal)
{
	struct termios settings;

	if (terminal->fd < 0)
		return 0;
	pid_t group = tcgetpgrp(terminal->fd);
	if ((group < 0 || group == getpgrp()) && tcgetattr(terminal->fd, &settings) == 0 &&
	    tcsetattr(terminal->session, TCSANOW, &settings) < 0)
		return -errno;
	cloister_relay_terminal_resize(terminal);
	return cloister_relay_terminal_follow(terminal);
}

/* Sent to itself and let through, since the kernel knows whether anybody could continue us (an orphaned group). */
int cloister_relay_terminal_stop(struct relay_terminal *terminal)
{
	sigset_t stop;
	int result = cloister_relay_terminal_restore(terminal);

	if (result < 0)
		return result;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	return cloister_relay_terminal_follow(terminal);
}
