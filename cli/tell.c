/* SPDX-License-Identifier: MIT */
/* Telling the administrator's logs of sessions that are made by hand. */
#include <syslog.h>

#include "cli.h"

void cli_tell(const struct cloister_audit *audit)
{
	char line[CLOISTER_AUDIT_LINE_MAX];

	openlog("cloister", LOG_PID, LOG_AUTHPRIV);
	syslog(audit->event == CLOISTER_AUDIT_REFUSE ? LOG_ERR : LOG_INFO, "%s",
	       cloister_audit_line(audit, line, sizeof(line)));
	closelog();
}
