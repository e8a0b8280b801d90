/* SPDX-License-Identifier: MIT */
/* Which commands of a login shell are an SFTP server, and nothing else. */
#ifndef CLOISTER_FILE_TRANSFER_H
#define CLOISTER_FILE_TRANSFER_H

#include <stddef.h>

#define CLOISTER_TRANSFER_WORDS_MAX 16

/* The paths of OpenSSH's sftp-server(8), as distributions have it; NULL ends them. */
extern const char *const cloister_sftp_servers[];

/* The words of a command, to be executed without a shell. */
struct cloister_transfer {
	char text[512];
	char *argv[CLOISTER_TRANSFER_WORDS_MAX];
};

/*
 * Whether sshd started a login shell with these arguments for the sake of sftp-server(8): "-c" and a command that is
 * the path of a known one, with options in which no character means anything to a shell. Pure. Returns 0 with
 * *transfer filled (its argv ends with NULL), or -EACCES for everything else.
 */
int cloister_transfer_parse(char *const argv[], struct cloister_transfer *transfer);

#endif
