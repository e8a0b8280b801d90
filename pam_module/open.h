/* SPDX-License-Identifier: MIT */
/* One open PAM session: what the login process holds of it. */
#ifndef CLOISTER_OPEN_H
#define CLOISTER_OPEN_H

#include "cloister/audit.h"
#include "cloister/plan.h"
#include "cloister/registry.h"
#include "cloister/terminal.h"
#include "fork_handler.h"
#include "program.h"

struct cloister_open {
	struct cloister_session *session;
	struct cloister_login_view view;
	struct cloister_pty pty;
	struct cloister_own_terminal terminal;
	bool ended;                            /* the session ended with this login */
	bool joined;                           /* the session was there already */
	char changed[CLOISTER_ERROR_TEXT_MAX]; /* why it is not one that was there; "" */
	struct cloister_armed armed;
	struct cloister_audit audit; /* of this login; the caller's of cloister_open_start to begin */
	bool told;                   /* there is no end to be told: it has been, or the start was not */
};

/*
 * Carries a plan out in the login process: login view or pty, session (or one that is joined), registry, relay, and the
 * fork handler unless the program is one that moves itself (move.h). login: what the registry is told of it. On failure
 * everything is as before. On success *out is the caller's (cloister_open_close, then cloister_open_free).
 */
int cloister_open_start(pam_handle_t *pamh, const struct cloister_plan *plan, const struct cloister_program *program,
                        const char *init_path, const struct cloister_login *login, struct cloister_open **out,
                        struct cloister_error *err);

/* Ends the session, or leaves the shared one, and takes everything back; never waits for init. Returns 0, or -errno
 * when a child could not enter.
 */
int cloister_open_close(struct cloister_open *open, struct cloister_error *err);

/* Frees the memory, reaping init if it has ended. In a forked child: memory alone. */
void cloister_open_free(struct cloister_open *open);

#endif
