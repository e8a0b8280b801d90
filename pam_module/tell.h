/* SPDX-License-Identifier: MIT */
/* Telling the administrator's logs, from the login process. */
#ifndef CLOISTER_TELL_H
#define CLOISTER_TELL_H

#include <security/pam_modules.h>

#include "open.h"

/* One line of syslog for an event, and one audit record where there is audit. */
void cloister_tell(pam_handle_t *pamh, int priority, const struct cloister_audit *audit);

/* The end of a login, once; after cloister_open_close. */
void cloister_tell_end(pam_handle_t *pamh, struct cloister_open *open);

#endif
