/* SPDX-License-Identifier: MIT */
/* passwd(5) and group(5) as text. Pure. */
#ifndef CLOISTER_ACCOUNT_LINES_H
#define CLOISTER_ACCOUNT_LINES_H

#include <stdbool.h>

/* Whether a text can be a field of a line: no colon, no control character. A name service may have anything. */
bool cloister_account_field_fits(const char *text);

/*
 * The text of a passwd or group file with those of the lines after it whose name and id the file has not yet. *changed
 * is set when there are any. The result is the caller's (free); NULL: no memory.
 */
char *cloister_account_lines_add(const char *accounts, const char *lines, bool *changed);

#endif
