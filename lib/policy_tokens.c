/* SPDX-License-Identifier: MIT */
/* The tokens in a value of cloister.conf(5). */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy_keys.h"

/* The kernel takes any text for the machine's name ("(none)", "my_host"), and nobody's login may depend on it. */
static void put_host_name(const char *name, FILE *out)
{
	size_t n = 0;

	for (; *name != '\0' && n < CLOISTER_HOST_NAME_SIZE; name++) {
		bool plain = isalnum((unsigned char)*name);

		if (plain || n > 0) {
			fputc(plain || *name == '.' ? *name : '-', out);
			n++;
		}
	}
	if (n == 0)
		fputs("localhost", out);
}

/* Replaces %u %U %g %h %s %H %%; NULL with an error for another one. */
char *cloister_policy_expand(const char *value, const struct cloister_expansion *expansion, struct cloister_error *err)
{
	char *text = NULL;
	size_t size = 0;
	bool unknown = false;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL) {
		cloister_fail(err, ENOMEM, "configuration", NULL, "no memory");
		return NULL;
	}
	for (const char *at = value; !unknown && *at != '\0'; at++) {
		if (*at != '%') {
			fputc(*at, out);
			continue;
		}
		switch (*++at) {
		case 'u':
			fputs(expansion->account->name, out);
			break;
		case 'U':
			fprintf(out, "%u", expansion->account->uid);
			break;
		case 'g':
			fputs(expansion->group, out);
			break;
		case 'h':
			fputs(expansion->account->home, out);
			break;
		case 's':
			fputs(expansion->tokens->session_id, out);
			break;
		case 'H':
			put_host_name(expansion->tokens->host_name, out);
			break;
		case '%':
			fputc('%', out);
			break;
		default:
			unknown = true;
			break;
		}
	}
	if (fclose(out) != 0 || unknown) {
		free(text);
		cloister_fail(err, unknown ? EINVAL : ENOMEM, "configuration", NULL,
		              "the tokens are %%u %%U %%g %%h %%s %%H %%%%");
		return NULL;
	}
	return text;
}
