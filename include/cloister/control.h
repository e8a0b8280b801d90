/* SPDX-License-Identifier: MIT */
/*
 * The wire between the login process and init: a SOCK_SEQPACKET socketpair. The login process sends one start message
 * with the plan (a sealed memfd) and the sources (SCM_RIGHTS); init answers once, and then only waits for the end of
 * file. A shared session has a door besides: another socketpair, both ends of which init keeps. Root fetches one end of
 * it (pidfd_getfd(2)) and sends through it one more control socket for each login that joins.
 */
#ifndef CLOISTER_CONTROL_H
#define CLOISTER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cloister/error.h"
#include "cloister/plan.h"

/* The descriptor that init finds its end on. */
#define CLOISTER_CONTROL_FD 3
/* Where init keeps what root may fetch of it: the joiners' end of the door, and the plan file. */
#define CLOISTER_DOOR_FD 4
#define CLOISTER_PLAN_FD 5
/* init's own end of the door. */
#define CLOISTER_DOOR_INNER_FD 6
/* A mount of the image that the session has its root from, for later sessions; image.h. */
#define CLOISTER_IMAGE_FD  7
#define CLOISTER_FIXED_FDS 8

/* What init finds in its socket when it is born, for what it does before it has a plan. */
struct cloister_birth {
	uint64_t namespaces; /* CLONE_NEW*: those it makes itself */
	bool own_ids;        /* has a user namespace of its own: waits until the maps are written */
	bool privileged;     /* root made it, and it becomes that namespace's root */
};

/* What is said on a control socket once the session is ready, one byte each. */
enum cloister_word {
	CLOISTER_WORD_JOINED = 'j', /* init: this socket counts as a login */
	CLOISTER_WORD_LEAVE = 'l',  /* login: the descriptors with this are nobody's any more, and are closed with it */
	CLOISTER_WORD_BYE = 'b',    /* login: I am closing */
	CLOISTER_WORD_ENDS = 'e',   /* init's answer: it was the last one, and the session ends with it */
	CLOISTER_WORD_STAYS = 's',  /* init's answer: others are in, or it lingers */
};

/* The kernel passes at most 253 descriptors in a message (unix(7)); one is the plan. */
#define CLOISTER_SOURCES_MAX 250

/* What init receives. sources has an entry for each row of the plan; all is freed by cloister_start_clear. */
struct cloister_start {
	struct cloister_plan *plan;
	int *sources;
	void *seccomp;
	uint16_t seccomp_length;
	int plan_file; /* the sealed memfd; the caller's to close; -1: none */
};

/* Sends plan, sources (one for each row, -1 for none) and filter. Returns 0 or -errno. */
int cloister_control_send(int control, const struct cloister_plan *plan, const int *sources, const void *seccomp,
                          uint16_t seccomp_length, struct cloister_error *err);
/*
 * Leaves descriptors to init, which closes them once the session is ready; at most CLOISTER_SOURCES_MAX, and they stay
 * the caller's, too. One that cannot be sent is only not left.
 */
void cloister_control_leave(int control, const int *fds, size_t n);
/*
 * Receives them; every descriptor is close-on-exec. Returns 0; or -errno, and no descriptor is left (-ECONNRESET: the
 * login process is gone).
 */
int cloister_control_receive(int control, struct cloister_start *start);
/*
 * Reads plan and filter from a plan file, which must be sealed. *plan (cloister_plan_free) and *seccomp (free) are the
 * caller's. Returns 0, -ENOMEM, or -EBADMSG.
 */
int cloister_plan_file_read(int file, struct cloister_plan **plan, void **seccomp, uint16_t *seccomp_length);
void cloister_start_clear(struct cloister_start *start);

/* init's answer: ready when err->code is 0. */
int cloister_control_answer(int control, const struct cloister_error *err);
/*
 * Waits for it, at most timeout milliseconds. Returns 0 when the session is ready, or -errno with the failing row's
 * error; -ETIMEDOUT, or -ECONNRESET when init died without a word.
 */
int cloister_control_wait(int control, int timeout, struct cloister_error *err);

/*
 * Joins the session whose init a pidfd refers to: a control socket of the caller's own, which init has acknowledged.
 * Returns it, or -errno: -ESRCH when the session has ended or is about to; -EMFILE when it takes no more logins.
 */
int cloister_control_join(int pidfd, int timeout, struct cloister_error *err);
/* Says goodbye on it. True when the session ends with this login, or its init has ended; false when nobody can tell. */
bool cloister_control_bye(int control, int pidfd);

#endif
