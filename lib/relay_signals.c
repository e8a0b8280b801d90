/* SPDX-License-Identifier: MIT */
/* The signals that the relay takes, and its timer. */
#include "relay_signals.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "cloister/cleanup.h"

static void on_tick(int number)
{
	/* Being caught is its whole effect: without SA_RESTART the blocked read() or write() returns. */
	(void)number;
}

/* Repeats, because a tick that comes just before the call it is meant for would be the only one. */
void cloister_relay_signals_interrupt(const struct relay_signals *signals, long interval_ms)
{
	struct timespec interval = {.tv_nsec = interval_ms * 1000000};
	struct itimerspec timer = {.it_value = interval, .it_interval = interval};

	timer_settime(signals->timer, 0, &timer, NULL);
}

void cloister_relay_signals_restore(struct relay_signals *signals)
{
	close(TAKE_FD(signals->fd));
	timer_delete(signals->timer);
	sigaction(SIGPIPE, &signals->pipe, NULL);
	sigaction(SIGRTMIN, &signals->tick, NULL);
	sigprocmask(SIG_SETMASK, &signals->mask, NULL);
}

/* SIGRTMIN and not SIGALRM for the timer: an alarm() of the caller keeps its meaning. */
int cloister_relay_signals_take(struct relay_signals *signals)
{
	static const int taken[] = {SIGWINCH, SIGCONT, SIGTSTP, SIGTERM, SIGHUP, SIGINT, SIGQUIT};
	struct sigaction tick = {.sa_handler = on_tick};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	sigset_t set;
	sigset_t mask;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	int _cleanup_close_ fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0 || timer_create(CLOCK_MONOTONIC, &event, &signals->timer) < 0)
		return -errno;

	sigprocmask(SIG_BLOCK, &set, &signals->mask);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	sigdelset(&mask, SIGRTMIN);
	sigaction(SIGRTMIN, &tick, &signals->tick);
	sigaction(SIGPIPE, &ignore, &signals->pipe);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	signals->fd = TAKE_FD(fd);
	return 0;
}
