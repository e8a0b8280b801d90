/* SPDX-License-Identifier: MIT */
/* A user's subordinate ids: subuid(5), subgid(5), or another source that nsswitch.conf(5) names. */
#ifndef CLOISTER_SUBORDINATE_H
#define CLOISTER_SUBORDINATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cloister/account.h"
#include "cloister/error.h"

/* Where such files are; of a pair the first is for users, the second for groups. */
#define CLOISTER_SUBUID_FILE   "/etc/subuid"
#define CLOISTER_SUBGID_FILE   "/etc/subgid"
#define CLOISTER_NSSWITCH_FILE "/etc/nsswitch.conf"

/*
 * Where the first range of at least count ids begins that a text of subuid(5) gives to the account, by its name or its
 * uid; lines that are none are passed over, as libsubid does. *base is 0 when there is none. Returns 0, or -errno of a
 * failed read: a list that cannot be read is no empty one.
 */
int cloister_subordinate_scan(FILE *lines, const struct cloister_account *account, uint32_t count, uint32_t *base);

/* Whether a text of nsswitch.conf(5) leaves subordinate ids to the files; *files is what it says. 0 or -errno. */
int cloister_subordinate_scan_source(FILE *lines, bool *files);

/*
 * Where the account's ranges of at least count ids begin; 0 for each that there is none of. From the two files, or,
 * when nsswitch.conf names another source, from libsubid, which is loaded for that alone and stays: its libraries
 * (SELinux's policy tools among them) take a login a millisecond and have no business in sshd otherwise.
 * 0, or -errno when the source cannot be read, -ELIBACC when there is no libsubid.
 */
int cloister_subordinate_find(const struct cloister_account *account, uint32_t count, uint32_t *uid_base,
                              uint32_t *gid_base, struct cloister_error *err);

#endif
