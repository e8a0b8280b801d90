/* SPDX-License-Identifier: MIT */
/* Which system call faults.c makes fail, as its option -i says. */
#ifndef FAULTS_TARGET_H
#define FAULTS_TARGET_H

#include <stdlib.h>

#include "faults.h"

struct target {
	bool wanted;
	char role[ROLE_MAX];
	long call, nth;
	int code;
	char text[64];  /* of +TEXT and =TEXT; else empty */
	bool itself;    /* =TEXT */
	bool text_seen; /* +TEXT: and then so many calls are still to pass */
	long left;
};

/* ROLE:CALL:N:ERRNO. ROLE may have colons, too. */
static inline void target_parse(struct target *target, char *words)
{
	char *colon[3];

	for (int i = 2; i >= 0; i--) {
		colon[i] = strrchr(words, ':');
		if (colon[i] == NULL) {
			fprintf(stderr, "faults: -i ROLE:CALL:N:ERRNO\n");
			exit(2);
		}
		*colon[i] = '\0';
	}
	const char *n = colon[1] + 1;
	snprintf(target->role, sizeof(target->role), "%s", words);
	target->call = atol(colon[0] + 1);
	target->code = atoi(colon[2] + 1);
	target->nth = atol(n);
	target->itself = *n == '=';
	target->left = (long)strspn(n, "+");
	if (target->left > 0 || target->itself)
		snprintf(target->text, sizeof(target->text), "%s", n + strspn(n, "+="));
	target->wanted = true;
}

/* n: which call of its number it is for that process. */
static inline bool target_is(struct target *target, const struct tracee *tracee,
                             const struct __ptrace_syscall_info *info, int n)
{
	char detail[DETAIL_MAX];
	bool is_call = (long)info->entry.nr == target->call && strcmp(tracee->role, target->role) == 0;

	if (!target->wanted)
		return false;
	if (target->text[0] == '\0')
		return is_call && n == target->nth;
	faults_describe(tracee->pid, info, detail);
	bool has_text = strstr(detail, target->text) != NULL;
	if (target->itself)
		return is_call && has_text;
	if (is_call && target->text_seen)
		return --target->left == 0;
	target->text_seen = target->text_seen || has_text;
	return false;
}

#endif
