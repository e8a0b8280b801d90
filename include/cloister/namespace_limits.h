/* SPDX-License-Identifier: MIT */
/* What keeps users without privilege from making user namespaces, which cloister-sh alone needs. */
#ifndef CLOISTER_NAMESPACE_LIMITS_H
#define CLOISTER_NAMESPACE_LIMITS_H

/*
 * A sentence for the administrator, naming the setting that is in the way and what allows it: user.max_user_namespaces
 * (namespaces(7)), Debian's kernel.unprivileged_userns_clone, Ubuntu's kernel.apparmor_restrict_unprivileged_userns.
 * NULL: none of them. A constant string.
 */
const char *cloister_namespace_limit(void);

#endif
