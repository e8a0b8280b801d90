/* SPDX-License-Identifier: MIT */
/* Lines of sshd_config(5), and of what `sshd -T` prints. Pure. */
#ifndef CLOISTER_SSHD_TEXT_H
#define CLOISTER_SSHD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Whether a line begins with the keyword, in upper or lower case. */
bool cloister_sshd_text_mentions(FILE *file, const char *keyword);

/*
 * The value of the last line "KEYWORD VALUE", of a whole output of `sshd -T`, which is read to its end. Returns 0,
 * -ENOENT without such a line, or -ENAMETOOLONG.
 */
int cloister_sshd_text_value(FILE *file, const char *keyword, char *value, size_t size);

#endif
