/* SPDX-License-Identifier: MIT */
/* What sshd(8) is configured to do with a user, asked of sshd itself. */
#ifndef CLOISTER_SSHD_CONFIG_H
#define CLOISTER_SSHD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The value that sshd_config(5)'s keyword (in lower case, as `sshd -T` prints it) has for a login of user from address
 * (numeric; NULL: the loopback's). Runs sshd -T (sshd(8), extended test mode), which evaluates Match blocks and
 * includes. Needs root, for the host keys. Returns 0 with the value in value, or -errno: -ENOENT when sshd does not
 * tell.
 */
int cloister_sshd_value(const char *user, const char *address, const char *keyword, char *value, size_t size);

/* Whether /etc/ssh/sshd_config or a file of sshd_config.d has the keyword at all: saves asking. */
bool cloister_sshd_mentions(const char *keyword);

#endif
