/* SPDX-License-Identifier: MIT */
/* cloister check: what sshd is configured to do with a user. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cloister/file_transfer.h"
#include "cloister/namespace_limits.h"
#include "cloister/sshd_config.h"
#include "findings.h"

static bool sshd_says(const struct cloister_account *account, const char *keyword, const char *expected)
{
	char value[1024];

	return cloister_sshd_value(account->name, NULL, keyword, value, sizeof(value)) == 0 &&
	       strcmp(value, expected) == 0;
}

/* Whether sshd starts a program for it, which goes through the login shell. */
static bool sftp_is_a_program(const struct cloister_account *account)
{
	static char shell[] = "sh", option[] = "-c";
	struct cloister_transfer transfer;
	char value[1024];

	if (cloister_sshd_value(account->name, NULL, "subsystem", value, sizeof(value)) < 0 ||
	    strncmp(value, "sftp ", 5) != 0)
		return false;
	return cloister_transfer_parse((char *const[]){shell, option, value + 5, NULL}, &transfer) == 0;
}

/* Where it is on this machine. */
static const char *sftp_server(void)
{
	for (size_t i = 0; cloister_sftp_servers[i] != NULL; i++) {
		if (access(cloister_sftp_servers[i], X_OK) == 0)
			return cloister_sftp_servers[i];
	}
	return cloister_sftp_servers[0];
}

/* What a login shell alone cannot contain: it is never asked for a forward or for internal-sftp. */
static void check_login_shell(const struct cloister_account *account, struct cli_findings *findings)
{
	const char *slash = strrchr(account->shell, '/');

	if (slash == NULL || strcmp(slash + 1, "cloister-sh") != 0 || cli_pam_isolates("sshd"))
		return;
	const char *limit = cloister_namespace_limit();
	if (limit != NULL)
		cli_find(findings, CLI_WARNING, "shell", account->shell,
		         "the login shell of %s is cloister-sh, which works as the user: %s", account->name, limit);
	/* What sshd cannot be asked counts as open. */
	bool sftp_closed = sftp_is_a_program(account);
	bool forwards_closed = sshd_says(account, "disableforwarding", "yes");
	if (sftp_closed && forwards_closed) {
		cli_find(findings, CLI_OK, "sshd", NULL,
		         "the login shell of %s is cloister-sh, and sshd's own sftp and forwards are closed",
		         account->name);
		return;
	}
	cli_find(findings, CLI_WARNING, "sshd", "/etc/pam.d/sshd",
	         "the login shell of %s is cloister-sh, and /etc/pam.d/sshd has no pam_cloister.so: sshd itself serves "
	         "%s%s%s, outside of any session. In sshd_config:",
	         account->name, sftp_closed ? "" : "internal-sftp", sftp_closed || forwards_closed ? "" : " and ",
	         forwards_closed ? "" : "forwards (-L, -R, -D, -A, -X)");
	cli_find_advice(findings, "%s%s%s%s%s", sftp_closed ? "" : "Subsystem sftp ", sftp_closed ? "" : sftp_server(),
	                forwards_closed ? ""
	                : sftp_closed   ? "Match User "
	                                : "\nMatch User ",
	                forwards_closed ? "" : account->name, forwards_closed ? "" : "\n    DisableForwarding yes");
}

static void check_chroot(const struct cloister_account *account, struct cli_findings *findings)
{
	char directory[PATH_MAX];

	if (!cloister_sshd_mentions("ChrootDirectory") ||
	    cloister_sshd_value(account->name, NULL, "chrootdirectory", directory, sizeof(directory)) < 0 ||
	    strcmp(directory, "none") == 0)
		return;
	cli_find(findings, CLI_ERROR, "sshd", directory,
	         "sshd_config: ChrootDirectory %s holds for %s, who is isolated: sshd cannot do that inside a session, "
	         "and "
	         "ssh logins are refused",
	         directory, account->name);
	cli_find_advice(findings, "take it out for %s, and set rootfs; or set isolate = no", account->name);
}

/* Without it sshd opens no PAM session, and nobody asks the module. */
static void check_use_pam(const struct cloister_account *account, struct cli_findings *findings)
{
	if (!cli_pam_isolates("sshd") || !sshd_says(account, "usepam", "no"))
		return;
	cli_find(findings, CLI_ERROR, "sshd", NULL,
	         "sshd_config: UsePAM is no: /etc/pam.d/sshd does not count, and ssh logins of %s are not isolated",
	         account->name);
	cli_find_advice(findings, "UsePAM yes");
}

void cli_check_sshd(const struct cloister_account *account, bool isolated, struct cli_findings *findings)
{
	check_login_shell(account, findings);
	if (!isolated)
		return;
	check_chroot(account, findings);
	check_use_pam(account, findings);
}
