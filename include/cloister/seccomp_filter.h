/* SPDX-License-Identifier: MIT */
/* The system call filter of a session, made at build time (seccomp/filters.c), loaded in each process that enters. */
#ifndef CLOISTER_SECCOMP_FILTER_H
#define CLOISTER_SECCOMP_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cloister/error.h"

/*
 * A copy of the filter, an array of struct sock_filter.
 * capabilities: those that the session keeps (bit n); calls that only make sense with one are let through for it
 * (CAP_SYS_ADMIN: mount family; CAP_SYS_CHROOT: chroot; ...).
 * joins_user_namespace: setns(2) with CLONE_NEWUSER, and nothing else, is let through (users = root).
 * On success *program is owned by the caller (free) and *length is the number of instructions, at most 4096.
 */
int cloister_seccomp_filter(uint64_t capabilities, bool joins_user_namespace, void **program, uint16_t *length,
                            struct cloister_error *err);

/*
 * seccomp(SECCOMP_SET_MODE_FILTER) on the calling thread. Async-signal-safe: it runs in a fork handler.
 * Needs no_new_privs or CAP_SYS_ADMIN. Returns 0 or -errno.
 */
int cloister_seccomp_load(const void *program, uint16_t length);

/* The names of the calls that the filter refuses, for `cloister plan` and doc/; ends with NULL. */
extern const char *const cloister_seccomp_refused[];

#endif
