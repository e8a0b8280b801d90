/* SPDX-License-Identifier: MIT */
/* Lines of syslog, and records of the kernel's audit. */
#include "tell.h"

#include <string.h>
#include <syslog.h>

#include <security/pam_ext.h>

void cloister_tell(pam_handle_t *pamh, int priority, const struct cloister_audit *audit)
{
	char line[CLOISTER_AUDIT_LINE_MAX];

	pam_syslog(pamh, priority, "%s", cloister_audit_line(audit, line, sizeof(line)));
	int r = cloister_audit_send(audit);
	if (r < 0)
		pam_syslog(pamh, LOG_DEBUG, "no audit record: %s", strerror(-r));
}

void cloister_tell_end(pam_handle_t *pamh, struct cloister_open *open)
{
	if (open->told)
		return;
	open->told = true;
	open->audit.event = open->ended ? CLOISTER_AUDIT_END : CLOISTER_AUDIT_LEAVE;
	cloister_tell(pamh, LOG_INFO, &open->audit);
}
