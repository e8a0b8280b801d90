/* SPDX-License-Identifier: MIT */
/* Text of anybody's that is shown to an administrator: which of its bytes may reach a terminal or a log. Pure. */
#ifndef CLOISTER_PRINTABLE_H
#define CLOISTER_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the UTF-8 sequence that text begins with, and its code point; 0 for bytes that are none. */
size_t cloister_utf8_decode(const char *text, uint32_t *code);

/* False for what a terminal may take for a command: the controls of ASCII and of ISO 6429, and what turns the direction
 * of writing, behind which a name looks like another. */
bool cloister_is_printable(uint32_t code);

/* Puts a "?" in the place of each byte that is not of a printable UTF-8 sequence. */
void cloister_make_printable(char *text);

#endif
