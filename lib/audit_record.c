/* SPDX-License-Identifier: MIT */
/* An event as the text of a record of the kernel's audit. Pure. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cloister/audit.h"

/* Room for a value that is all hexadecimal. */
#define VALUE_MAX (2 * CLOISTER_AUDIT_VALUE_MAX + 1)

/* libvirt's words for its containers, as far as it has them: ausearch(8) and auvirt(8) look for those. */
static const char *const operations[] = {
	[CLOISTER_AUDIT_START] = "start",  [CLOISTER_AUDIT_JOIN] = "join",   [CLOISTER_AUDIT_ENTER] = "enter",
	[CLOISTER_AUDIT_REFUSE] = "start", [CLOISTER_AUDIT_LEAVE] = "leave", [CLOISTER_AUDIT_END] = "stop"};

/* audit_encode_nv_string(3): in quotes where it is one plain word, else in hexadecimal, without. ausearch -i reads it.
 */
static const char *encode(const char *value, char out[VALUE_MAX + 2])
{
	size_t length = strnlen(value, CLOISTER_AUDIT_VALUE_MAX);
	bool is_plain = true;

	for (size_t i = 0; i < length; i++)
		is_plain = is_plain && value[i] > 0x20 && value[i] < 0x7f && value[i] != '"';
	if (is_plain) {
		sprintf(out, "\"%.*s\"", (int)length, value);
		return out;
	}
	for (size_t i = 0; i < length; i++)
		sprintf(out + 2 * i, "%02X", (unsigned char)value[i]);
	return out;
}

/* Words of our own; a record's field has no blank. */
static const char *reason(const struct cloister_audit *audit, char text[CLOISTER_AUDIT_VALUE_MAX])
{
	const char *from = audit->event == CLOISTER_AUDIT_REFUSE ? audit->error.step
	                   : *audit->reason != '\0'              ? audit->reason
	                                                         : "login";

	snprintf(text, CLOISTER_AUDIT_VALUE_MAX, "%s", from);
	for (char *at = text; *at != '\0'; at++) {
		if (!(*at >= 'a' && *at <= 'z') && !(*at >= 'A' && *at <= 'Z') && !(*at >= '0' && *at <= '9'))
			*at = '-';
	}
	return text;
}

bool cloister_audit_succeeded(const struct cloister_audit *audit)
{
	return audit->event != CLOISTER_AUDIT_REFUSE;
}

const char *cloister_audit_record(const struct cloister_audit *audit, char *buffer, size_t size)
{
	char user[VALUE_MAX + 2], session[VALUE_MAX + 2], service[VALUE_MAX + 2], host[VALUE_MAX + 2],
		rootfs[VALUE_MAX + 2], word[CLOISTER_AUDIT_VALUE_MAX];

	snprintf(buffer, size,
	         "virt=cloister op=%s reason=%s vm=%s vm-pid=%d acct=%s id=%" PRId64 " service=%s rhost=%s rootfs=%s",
	         operations[audit->event], reason(audit, word),
	         encode(*audit->session != '\0' ? audit->session : "?", session), (int)audit->init,
	         encode(audit->user, user), audit->uid, encode(audit->service, service),
	         encode(*audit->remote_host != '\0' ? audit->remote_host : "?", host),
	         encode(*audit->rootfs != '\0' ? audit->rootfs : "?", rootfs));
	return buffer;
}
