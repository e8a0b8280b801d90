/* SPDX-License-Identifier: MIT */
/*
 * The executor: carries the rows of a plan out, one after the other, as PID 1 of the new namespaces. It knows kinds of
 * rows; what a session is made of is the plan's business.
 */
#ifndef CLOISTER_EXECUTE_H
#define CLOISTER_EXECUTE_H

#include "cloister/error.h"
#include "cloister/network_child.h"
#include "cloister/plan.h"

#define CLOISTER_DOORS_MAX 16

struct cloister_execution {
	const struct cloister_plan *plan;
	int *sources;        /* one for each row, see source.h; closed as they are used */
	const void *seccomp; /* struct sock_filter[] */
	uint16_t seccomp_length;
	struct cloister_network_child *network_child;
	int root; /* the new root, from its row on; -1 before */
	uint64_t root_device, root_inode;
	bool image_held;                    /* CLOISTER_IMAGE_FD is an image's mount */
	int held_terminal;                  /* keeps the number of a bound /dev/pts/N alive; -1: none */
	uint64_t doors[CLOISTER_DOORS_MAX]; /* the devices of the file systems that doors are on */
	size_t n_doors;
};

/*
 * Carries out every row. On failure it stops at once, and the error names the row's step, its path and the errno; the
 * caller must then exit: the namespaces, and all that was built in them, go with it.
 */
int cloister_execute(struct cloister_execution *execution, struct cloister_error *err);

/*
 * What a row is mounted on, as an O_PATH descriptor, or -errno: a directory or a file, made where it is missing; or,
 * for cloister_target_open, what is there. Below a bind or a home no symbolic link is followed, and what is made in a
 * home is the user's.
 */
int cloister_target_directory(const struct cloister_execution *execution, const struct cloister_row *row);
int cloister_target_file(const struct cloister_execution *execution, const struct cloister_row *row);
int cloister_target_open(const struct cloister_execution *execution, const struct cloister_row *row);

/* Carries a row out. source: the row's descriptor or -1; it stays the caller's. 0 or -errno. */
typedef int cloister_carry_function(struct cloister_execution *execution, const struct cloister_row *row, int source,
                                    struct cloister_error *err);

/* Rows whose carrying out is in a file of its own. */
cloister_carry_function cloister_carry_account;
cloister_carry_function cloister_carry_capabilities;
cloister_carry_function cloister_carry_copy;
cloister_carry_function cloister_carry_hostname;
cloister_carry_function cloister_carry_keyring;
cloister_carry_function cloister_carry_loopback;
cloister_carry_function cloister_carry_network;
cloister_carry_function cloister_carry_no_core;
cloister_carry_function cloister_carry_no_new_privs;
cloister_carry_function cloister_carry_prohibit;
cloister_carry_function cloister_carry_resolver;
cloister_carry_function cloister_carry_seccomp;
cloister_carry_function cloister_carry_shell;
cloister_carry_function cloister_carry_terminal;
cloister_carry_function cloister_carry_verify;

/* The text as a read-only file of the session's /run, bound over row's target. */
int cloister_carry_made(struct cloister_execution *execution, const struct cloister_row *row, const char *text,
                        size_t length, struct cloister_error *err);

#endif
