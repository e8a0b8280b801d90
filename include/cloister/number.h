/* SPDX-License-Identifier: MIT */
/* Numbers in text, strictly. */
#ifndef CLOISTER_NUMBER_H
#define CLOISTER_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/*
 * length bytes of decimal digits, no sign, no blank, no overflow: crun CVE-2026-30892 took "1x" for a number. 0 or
 * -EINVAL.
 */
int cloister_number_parse(const char *text, size_t length, uint64_t *number);

/* The number in a line "KEY=NUMBER" of a text of lines. 0, -ENOENT without such a line, or -EINVAL. */
int cloister_number_of_key(const char *text, const char *key, uint64_t *number);

#endif
