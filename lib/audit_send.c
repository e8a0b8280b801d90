/* SPDX-License-Identifier: MIT */
/* A record to the kernel's audit. Apart from the rest for its library: only programs that root runs need it. */
#include <errno.h>
#include <libaudit.h>

#include "cloister/audit.h"

/* No audit in this kernel, or not for us: in a container, as root that is not the machine's, it is for others. */
static bool is_not_there(int code)
{
	return code == EINVAL || code == EPROTONOSUPPORT || code == EAFNOSUPPORT || code == ECONNREFUSED ||
	       code == EPERM;
}

int cloister_audit_send(const struct cloister_audit *audit)
{
	char text[CLOISTER_AUDIT_RECORD_MAX];
	int fd = audit_open();

	if (fd < 0)
		return is_not_there(errno) ? 0 : -errno;
	cloister_audit_record(audit, text, sizeof(text));
	errno = 0;
	/* No host name: libaudit would ask the name service for its address. It is in the text. */
	int r = audit_log_user_message(fd, AUDIT_VIRT_CONTROL, text, NULL, NULL, NULL,
	                               cloister_audit_succeeded(audit) ? 1 : 0);
	int code = r <= 0 ? errno : 0;
	audit_close(fd);
	return r > 0 || is_not_there(code) ? 0 : -code;
}
