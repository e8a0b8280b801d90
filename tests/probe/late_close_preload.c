/* SPDX-License-Identifier: MIT */
/*
 * For LD_PRELOAD in sshd: sessions are closed late, as on a busy machine. A test that takes a login for closed because
 * its client has gone fails with it always, and not once in a hundred runs.
 */
#include <dlfcn.h>
#include <security/pam_appl.h>
#include <time.h>

static void pause_for(long milliseconds)
{
	const struct timespec pause = {.tv_nsec = milliseconds * 1000 * 1000};

	nanosleep(&pause, NULL);
}

int pam_close_session(pam_handle_t *pamh, int flags)
{
	int (*close_session)(pam_handle_t *, int) = (int (*)(pam_handle_t *, int))dlsym(RTLD_NEXT, "pam_close_session");

	pause_for(700);
	int r = close_session(pamh, flags);
	pause_for(200);
	return r;
}
