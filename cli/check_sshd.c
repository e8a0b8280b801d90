/* SPDX-License-Identifier: MIT */
/* cloister check: what sshd is configured to do with a user. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "cloister/namespace_limits.h"
#include "cloister/sshd_config.h"

static bool sshd_says(const struct cloister_account *account, const char *keyword, const char *expected)
{
	char value[1024];

	return cloister_sshd_value(account->name, NULL, keyword, value, sizeof(value)) == 0 &&
	       strcmp(value, expected) == 0;
}

/* What a login shell alone cannot contain: it is never asked for a forward or for internal-sftp. */
static void check_login_shell(const struct cloister_account *account)
{
	const char *slash = strrchr(account->shell, '/');

	if (slash == NULL || strcmp(slash + 1, "cloister-sh") != 0 || cli_pam_isolates("sshd"))
		return;
	const char *limit = cloister_namespace_limit();
	if (limit != NULL)
		printf("warning: the login shell of %s is cloister-sh, which works as the user: %s\n", account->name,
		       limit);
	/* What sshd cannot be asked counts as open. */
	bool sftp_closed = sshd_says(account, "subsystem", "sftp /usr/lib/openssh/sftp-server");
	bool forwards_closed = sshd_says(account, "disableforwarding", "yes");
	if (sftp_closed && forwards_closed) {
		printf("ok: the login shell of %s is cloister-sh, and sshd's own sftp and forwards are closed\n",
		       account->name);
		return;
	}
	printf("warning: the login shell of %s is cloister-sh, and /etc/pam.d/sshd has no pam_cloister.so: sshd itself "
	       "serves\n"
	       "      %s%s%s, outside of any session. In sshd_config:\n",
	       account->name, sftp_closed ? "" : "internal-sftp", sftp_closed || forwards_closed ? "" : " and ",
	       forwards_closed ? "" : "forwards (-L, -R, -D, -A, -X)");
	if (!sftp_closed)
		printf("        Subsystem sftp /usr/lib/openssh/sftp-server\n");
	if (!forwards_closed)
		printf("        Match User %s\n"
		       "            DisableForwarding yes\n",
		       account->name);
}

static int check_chroot(const struct cloister_account *account)
{
	char directory[PATH_MAX];

	if (!cloister_sshd_mentions("ChrootDirectory") ||
	    cloister_sshd_value(account->name, NULL, "chrootdirectory", directory, sizeof(directory)) < 0 ||
	    strcmp(directory, "none") == 0)
		return 0;
	printf("error: sshd_config: ChrootDirectory %s holds for %s, who is isolated: sshd cannot do that inside a "
	       "session, and ssh logins are refused\n",
	       directory, account->name);
	return 1;
}

/* Without it sshd opens no PAM session, and nobody asks the module. */
static int check_use_pam(const struct cloister_account *account)
{
	if (!cli_pam_isolates("sshd") || !sshd_says(account, "usepam", "no"))
		return 0;
	printf("error: sshd_config: UsePAM is no: /etc/pam.d/sshd does not count, and ssh logins of %s are not "
	       "isolated\n",
	       account->name);
	return 1;
}

int cli_check_sshd(const struct cloister_account *account, bool isolated)
{
	check_login_shell(account);
	return isolated ? check_chroot(account) + check_use_pam(account) : 0;
}
