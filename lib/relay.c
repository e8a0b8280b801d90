/* SPDX-License-Identifier: MIT */
/*
 * The relay between an outer terminal and the session's own pty.
 *
 * The outer descriptors belong to an open file description that the caller's shell shares, so O_NONBLOCK is never set
 * on them: it would outlive the relay. They cannot be opened anew either, since the relay has no permission on
 * somebody else's terminal. They are read and written only when poll() says so, in small pieces, and a timer's signal
 * interrupts a call that blocks nevertheless (a terminal promises room for one byte alone; another reader may have
 * taken the input). The kernel then returns the count of what was moved, so nothing is lost or repeated.
 *
 * Unlike the rest of the core this changes signal state - the mask, SIGPIPE, the timer's signal - because it runs in a
 * process of its own; it saves that state and puts it back.
 */
#include "cloister/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/clock.h"
#include "relay_ring.h"
#include "relay_signals.h"
#include "relay_terminal.h"

enum {
	/* What a pipe takes without blocking once poll() reports room: PIPE_BUF. */
	OUTPUT_PIECE = 4096,
	TYPED_AHEAD_LINES = 15, /* of at most 4096 bytes: they fit a ring */
	BLOCKED_CALL_MS = 50,
	BACKGROUND_CHECK_MS = 250,
	DRAIN_QUIET_MS = 200,
	DRAIN_TOTAL_MS = 2000,
};

struct relay {
	int input; /* -1 once it has ended; output, master and control likewise */
	int output;
	int master;
	/* The other side of master, held until the session has ended. Without it a program that closes its terminal and
	 * goes on, as every one that ends does for a moment, would leave nothing to write to: not even an interrupt. */
	int peer;
	int control;
	struct relay_signals signals;
	struct relay_terminal terminal;
	bool end_of_input_owed;
	unsigned char last_sent;
	int64_t drain_until; /* milliseconds of CLOCK_MONOTONIC; 0: not draining */
	int64_t quiet_until;
	struct relay_ring to_session;
	struct relay_ring to_terminal;
};

enum revent { READY_INPUT, READY_OUTPUT, READY_MASTER, READY_CONTROL, READY_SIGNALS, READY_COUNT };

enum progress { GO_ON = 0, ENDED = 1 }; /* and -errno */

static int64_t milliseconds(void)
{
	return cloister_clock_milliseconds(CLOCK_MONOTONIC);
}

static bool is_transient(int code)
{
	return code == EAGAIN || code == EWOULDBLOCK || code == EINTR;
}

static int on_signal(struct relay *relay, uint32_t number)
{
	switch (number) {
	case SIGWINCH:
		cloister_relay_terminal_resize(&relay->terminal);
		return GO_ON;
	case SIGCONT:
		return cloister_relay_terminal_follow(&relay->terminal);
	case SIGTSTP:
		return cloister_relay_terminal_stop(&relay->terminal);
	default:
		return ENDED;
	}
}

static int take_signals(struct relay *relay)
{
	struct signalfd_siginfo info;
	int result = GO_ON;

	while (result == GO_ON && read(relay->signals.fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		result = on_signal(relay, info.ssi_signo);
	return result;
}

static void close_peer(struct relay *relay)
{
	if (relay->peer >= 0)
		close(relay->peer);
	relay->peer = -1;
}

static void take_control(struct relay *relay)
{
	char ignored[64];
	ssize_t count = read(relay->control, ignored, sizeof(ignored));

	if (count > 0 || (count < 0 && is_transient(errno)))
		return;
	relay->control = -1;
	relay->input = -1;
	relay->to_session.used = 0;
	relay->end_of_input_owed = false;
	relay->drain_until = milliseconds() + DRAIN_TOTAL_MS;
	relay->quiet_until = milliseconds() + DRAIN_QUIET_MS;
	/* From now on EIO says that all is read. */
	close_peer(relay);
}

static int take_input(struct relay *relay)
{
	cloister_relay_signals_interrupt(&relay->signals, BLOCKED_CALL_MS);
	ssize_t count = cloister_relay_ring_fill(&relay->to_session, relay->input);
	int code = count < 0 ? errno : 0;
	cloister_relay_signals_interrupt(&relay->signals, 0);

	if (count > 0 || is_transient(code))
		return GO_ON;
	if (!relay->terminal.is_input) {
		/* What cannot be read has ended for the session, which may still have much to say. */
		relay->input = -1;
		relay->end_of_input_owed = true;
		return GO_ON;
	}
	/* EIO is also what an orphaned background group gets instead of SIGTTIN. */
	pid_t group = tcgetpgrp(relay->terminal.fd);
	relay->terminal.background = code == EIO && group > 0 && group != getpgrp();
	return relay->terminal.background ? GO_ON : ENDED;
}

/*
 * In canonical mode VEOF hands over the line so far, and means end of file only when that line is empty (termios(3)):
 * hence two of them after an unfinished line.
 */
static void send_end_of_input(struct relay *relay)
{
	struct termios settings;

	relay->end_of_input_owed = false;
	if (tcgetattr(relay->master, &settings) < 0 || settings.c_cc[VEOF] == _POSIX_VDISABLE)
		return;
	cloister_relay_ring_put(&relay->to_session, settings.c_cc[VEOF]);
	if ((settings.c_lflag & ICANON) != 0 && relay->last_sent != '\n')
		cloister_relay_ring_put(&relay->to_session, settings.c_cc[VEOF]);
}

static int feed_session(struct relay *relay)
{
	const struct relay_ring *ring = &relay->to_session;
	size_t start = ring->start;
	ssize_t count = cloister_relay_ring_drain(&relay->to_session, relay->master, RELAY_RING_SIZE);

	if (count > 0)
		relay->last_sent = ring->bytes[start + (size_t)count - 1];
	else if (count < 0 && !is_transient(errno))
		return -errno;
	return GO_ON;
}

static int take_from_session(struct relay *relay)
{
	ssize_t count = cloister_relay_ring_fill(&relay->to_terminal, relay->master);

	if (relay->output < 0)
		relay->to_terminal.used = 0;
	if (count > 0)
		relay->quiet_until = milliseconds() + DRAIN_QUIET_MS;
	else if (count == 0 || errno == EIO)
		relay->master = -1;
	else if (!is_transient(errno))
		return -errno;
	return GO_ON;
}

static int serve_master(struct relay *relay, short revents)
{
	int result = GO_ON;

	if ((revents & ~POLLOUT) != 0 && relay->to_terminal.used < RELAY_RING_SIZE)
		result = take_from_session(relay);
	if (result == GO_ON && relay->master >= 0 && relay->to_session.used > 0 && (revents & POLLOUT) != 0)
		result = feed_session(relay);
	return result;
}

static int serve_output(struct relay *relay)
{
	cloister_relay_signals_interrupt(&relay->signals, BLOCKED_CALL_MS);
	ssize_t count = cloister_relay_ring_drain(&relay->to_terminal, relay->output, OUTPUT_PIECE);
	int code = count < 0 ? errno : 0;
	cloister_relay_signals_interrupt(&relay->signals, 0);

	if (count > 0)
		relay->quiet_until = milliseconds() + DRAIN_QUIET_MS;
	return count < 0 && !is_transient(code) ? -code : GO_ON;
}

static bool may_read_input(const struct relay *relay)
{
	return relay->input >= 0 && !(relay->terminal.background && relay->terminal.is_input);
}

static short master_events(const struct relay *relay)
{
	short events = 0;

	if (relay->to_terminal.used < RELAY_RING_SIZE)
		events |= POLLIN;
	if (relay->to_session.used > 0)
		events |= POLLOUT;
	return events;
}

/* A descriptor that nothing is wanted from is left out: poll() reports a hang-up of every one it is given. */
static void choose(const struct relay *relay, struct pollfd ready[READY_COUNT])
{
	bool read_input = relay->to_session.used < RELAY_RING_SIZE && may_read_input(relay);
	short events = master_events(relay);

	ready[READY_INPUT] = (struct pollfd){.fd = read_input ? relay->input : -1, .events = POLLIN};
	ready[READY_OUTPUT] =
		(struct pollfd){.fd = relay->to_terminal.used > 0 ? relay->output : -1, .events = POLLOUT};
	ready[READY_MASTER] = (struct pollfd){.fd = events != 0 ? relay->master : -1, .events = events};
	ready[READY_CONTROL] = (struct pollfd){.fd = relay->control, .events = POLLIN};
	ready[READY_SIGNALS] = (struct pollfd){.fd = relay->signals.fd, .events = POLLIN};
}

/* A shell that brings a running job to the foreground sends no SIGCONT, so a relay in the background has to look. */
static int longest_wait(const struct relay *relay, int64_t now)
{
	int64_t until = INT64_MAX;

	if (relay->terminal.background)
		until = now + BACKGROUND_CHECK_MS;
	if (relay->drain_until != 0) {
		/* Quiet counts only while there is nothing left to write: a slow reader is not a silent session. */
		int64_t end = relay->to_terminal.used == 0 ? relay->quiet_until : relay->drain_until;
		until = end < until ? end : until;
		until = relay->drain_until < until ? relay->drain_until : until;
	}
	if (until == INT64_MAX)
		return -1;
	return until > now ? (int)(until - now) : 0;
}

static bool is_over(const struct relay *relay, int64_t now)
{
	bool nothing_left = relay->to_terminal.used == 0;

	if (relay->master < 0 && nothing_left)
		return true;
	return relay->drain_until != 0 && (now >= relay->drain_until || (nothing_left && now >= relay->quiet_until));
}

static int serve(struct relay *relay, const struct pollfd ready[READY_COUNT])
{
	int result = GO_ON;

	if (ready[READY_SIGNALS].revents != 0)
		result = take_signals(relay);
	if (result == GO_ON && relay->terminal.background)
		result = cloister_relay_terminal_follow(&relay->terminal);
	if (result == GO_ON && ready[READY_CONTROL].revents != 0)
		take_control(relay);
	if (result == GO_ON && ready[READY_INPUT].revents != 0 && may_read_input(relay))
		result = take_input(relay);
	if (result == GO_ON && ready[READY_MASTER].fd >= 0)
		result = serve_master(relay, ready[READY_MASTER].revents);
	if (result == GO_ON && ready[READY_OUTPUT].revents != 0)
		result = serve_output(relay);
	if (result == GO_ON && relay->end_of_input_owed && relay->to_session.used == 0 && relay->master >= 0)
		send_end_of_input(relay);
	return result;
}

static int loop(struct relay *relay)
{
	struct pollfd ready[READY_COUNT];
	int result = GO_ON;

	while (result == GO_ON) {
		int64_t now = milliseconds();

		if (is_over(relay, now))
			return ENDED;
		choose(relay, ready);
		if (poll(ready, READY_COUNT, longest_wait(relay, now)) >= 0)
			result = serve(relay, ready);
		else if (errno != EINTR)
			result = -errno;
	}
	return result;
}

/*
 * What was typed while the terminal was canonical is read so: an end of file waits in the line discipline's buffer as a
 * mark, which a read in raw mode would give as a NUL byte.
 */
static void take_typed_ahead(struct relay *relay)
{
	struct termios settings;
	struct pollfd typed = {.fd = relay->input, .events = POLLIN};

	if (!relay->terminal.is_input || tcgetpgrp(relay->input) != getpgrp() ||
	    tcgetattr(relay->input, &settings) < 0 || (settings.c_lflag & ICANON) == 0)
		return;
	for (int lines = 0; lines < TYPED_AHEAD_LINES && poll(&typed, 1, 0) > 0 && (typed.revents & POLLIN) != 0;
	     lines++) {
		cloister_relay_signals_interrupt(&relay->signals, BLOCKED_CALL_MS);
		ssize_t count = cloister_relay_ring_fill(&relay->to_session, relay->input);
		cloister_relay_signals_interrupt(&relay->signals, 0);
		if (count < 0)
			return;
		if (count == 0)
			cloister_relay_ring_put(&relay->to_session, settings.c_cc[VEOF]);
	}
}

static int run_with_terminal(struct relay *relay, struct cloister_error *err)
{
	relay->peer = ioctl(relay->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (relay->peer < 0)
		return cloister_fail(err, errno, "relay", NULL, "cannot open the session's terminal");
	take_typed_ahead(relay);
	int result = cloister_relay_terminal_start(&relay->terminal);

	if (result >= 0)
		result = loop(relay);
	close_peer(relay);
	int restored = cloister_relay_terminal_restore(&relay->terminal);
	if (result < 0)
		return cloister_fail(err, -result, "relay", NULL, "cannot copy between the terminal and the session");
	/* EIO: the terminal is gone, and its settings with it. */
	if (restored < 0 && restored != -EIO)
		return cloister_fail(err, -restored, "relay", NULL, "cannot restore the terminal's settings");
	return 0;
}

int cloister_relay_run(int input, int output, int master, int control, struct cloister_error *err)
{
	struct relay relay = {.input = input,
	                      .output = output,
	                      .master = master,
	                      .peer = -1,
	                      .control = control,
	                      .terminal = {.fd = -1, .session = master},
	                      .last_sent = '\n'};
	int flags = fcntl(master, F_GETFL);

	if (flags < 0)
		return cloister_fail(err, errno, "relay", NULL, "no master of the session's terminal");
	relay.terminal.is_input = input >= 0 && isatty(input);
	if (relay.terminal.is_input)
		relay.terminal.fd = input;
	else if (output >= 0 && isatty(output))
		relay.terminal.fd = output;

	int result = cloister_relay_signals_take(&relay.signals);
	if (result < 0)
		return cloister_fail(err, -result, "relay", NULL, "cannot take signals");

	/* The master is the session's alone, and is put back all the same: the login process may hold it too. */
	if (fcntl(master, F_SETFL, flags | O_NONBLOCK) < 0)
		result = cloister_fail(err, errno, "relay", NULL, "cannot prepare the session's terminal");
	else
		result = run_with_terminal(&relay, err);
	fcntl(master, F_SETFL, flags);
	cloister_relay_signals_restore(&relay.signals);
	return result;
}
