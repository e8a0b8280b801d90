/* SPDX-License-Identifier: MIT */
/* Values of keys; private to the policy. */
#ifndef CLOISTER_POLICY_KEYS_H
#define CLOISTER_POLICY_KEYS_H

#include "cloister/policy.h"

#define CLOISTER_FILES_LIMIT    INT64_MAX
#define CLOISTER_HOST_NAME_SIZE 64

/* What a value's tokens stand for. */
struct cloister_expansion {
	const struct cloister_account *account;
	const char *group; /* of the primary group; its number as text where it has no name */
	const struct cloister_tokens *tokens;
	const char *origin; /* the line that a value comes from, "FILE:LINE"; NULL: it is built in */
};

/* A policy of built-in defaults, tokens expanded; NULL: no memory. The caller frees it. */
struct cloister_policy *cloister_policy_defaults(const struct cloister_expansion *expansion,
                                                 struct cloister_error *err);

/* Sets one key. On failure the policy is as before, and err->text says what would be right. Returns 0, -EINVAL or
 * -ENOMEM. */
int cloister_policy_set(struct cloister_policy *policy, const char *key, const char *value,
                        const struct cloister_expansion *expansion, struct cloister_error *err);

/* Numbers in values: bytes with a suffix, above 0; a number within bounds. Return 0 or -EINVAL. */
int cloister_policy_parse_bytes(const char *text, uint64_t *bytes);
int cloister_policy_parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *out);

/* Replaces the tokens of a value (policy_tokens.c). The caller frees it; NULL with an error for one that is not known,
 * or without memory. */
char *cloister_policy_expand(const char *value, const struct cloister_expansion *expansion, struct cloister_error *err);

/* One value more of a repeated key (policy_lists.c). Return 0, -EINVAL or -ENOMEM. */
int cloister_policy_add_bind(struct cloister_policy *policy, char *value, const struct cloister_expansion *expansion);
int cloister_policy_add_tmpfs(struct cloister_policy *policy, char *value, const struct cloister_expansion *expansion);
int cloister_policy_add_mask(struct cloister_policy *policy, const char *value,
                             const struct cloister_expansion *expansion);

/* The values of `network` and `publish` (a list). Return 0, -EINVAL or -ENOMEM. */
int cloister_policy_set_network(struct cloister_policy *policy, const char *value);
int cloister_policy_add_publish(struct cloister_policy *policy, const char *value);

/* Whether a section holds for an account. Root is concerned by its own section alone. */
bool cloister_policy_section_holds(const struct cloister_account *account, enum cloister_section_kind section,
                                   const char *name);

/* Empties the list of a repeated key, before a more specific section adds to it. */
void cloister_policy_clear_list(struct cloister_policy *policy, const char *key);

#endif
