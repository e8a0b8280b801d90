/* SPDX-License-Identifier: MIT */
/* An SFTP server among the commands of a login shell. Pure. */
#include "cloister/file_transfer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Where distributions put OpenSSH's: Debian, Fedora, SUSE, Arch, Alpine. */
const char *const cloister_sftp_servers[] = {"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server",
                                             "/usr/lib/ssh/sftp-server",     "/usr/libexec/sftp-server",
                                             "/usr/lib/sftp-server",         NULL};

static bool is_server(const char *path)
{
	for (size_t i = 0; cloister_sftp_servers[i] != NULL; i++) {
		if (strcmp(cloister_sftp_servers[i], path) == 0)
			return true;
	}
	return false;
}

int cloister_transfer_parse(char *const argv[], struct cloister_transfer *transfer)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-_.,:=+ ";
	size_t n = 0;
	char *rest = NULL;

	if (argv[0] == NULL || argv[1] == NULL || argv[2] == NULL || argv[3] != NULL || strcmp(argv[1], "-c") != 0)
		return -EACCES;
	size_t length = strlen(argv[2]);
	if (length >= sizeof(transfer->text) || strspn(argv[2], plain) != length)
		return -EACCES;
	snprintf(transfer->text, sizeof(transfer->text), "%s", argv[2]);
	for (char *word = strtok_r(transfer->text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		if (n + 1 == CLOISTER_TRANSFER_WORDS_MAX)
			return -EACCES;
		transfer->argv[n++] = word;
	}
	transfer->argv[n] = NULL;
	return n > 0 && is_server(transfer->argv[0]) ? 0 : -EACCES;
}
