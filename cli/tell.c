/* SPDX-License-Identifier: MIT */
/* Telling the administrator's logs of sessions that are made by hand. */
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "cli.h"

void cli_tell(const struct cloister_audit *audit)
{
	char line[CLOISTER_AUDIT_LINE_MAX];

	openlog("cloister", LOG_PID, LOG_AUTHPRIV);
	syslog(audit->event == CLOISTER_AUDIT_REFUSE ? LOG_ERR : LOG_INFO, "%s",
	       cloister_audit_line(audit, line, sizeof(line)));
	int r = geteuid() == 0 ? cloister_audit_send(audit) : 0;
	if (r < 0)
		syslog(LOG_DEBUG, "no audit record: %s", strerror(-r));
	closelog();
}
