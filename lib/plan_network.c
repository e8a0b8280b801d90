/* SPDX-License-Identifier: MIT */
/* The session's network in a plan. Pure. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/pasta.h"
#include "plan_rows.h"

/*
 * Where clouds keep what a machine may know and its users may not: credentials, user data. Link-local as a whole, and
 * each address that a host may have a route of its own for (a longer prefix would win); Alibaba's, Azure's and
 * Oracle's; over IPv6 those of AWS, Google and Scaleway.
 */
static const char *const metadata[] = {"169.254.0.0/16",     "169.254.169.254/32", "169.254.170.2/32",
                                       "100.100.100.200/32", "168.63.129.16/32",   "192.0.0.192/32",
                                       "fd00:ec2::254/128",  "fd20:ce::254/128",   "fd00:42::42/128"};

int cloister_plan_network_check(const struct cloister_policy *policy, const struct cloister_plan_facts *facts,
                                struct cloister_error *err)
{
	bool pasta = policy->network == CLOISTER_NETWORK_PASTA, named = policy->network == CLOISTER_NETWORK_NETNS;

	if (policy->n_publish > 0 && !pasta)
		return cloister_fail(err, EINVAL, "policy", NULL, "publish is for network = pasta");
	if ((pasta || named) && !facts->privileged)
		return cloister_fail(err, EOPNOTSUPP, "policy", NULL,
		                     "network = %s needs the PAM line (pam_cloister.so): the login shell alone has the "
		                     "rights of the user",
		                     pasta ? "pasta" : "netns:NAME");
	/* Only the owner of a network namespace may put an interface into it, and here that would be real root. */
	if (pasta && policy->users == CLOISTER_USERS_HOST)
		return cloister_fail(err, EOPNOTSUPP, "policy", NULL,
		                     "network = pasta needs a user namespace, and users = host has none");
	return 0;
}

int cloister_plan_network_texts(struct cloister_plan *plan, const struct cloister_policy *policy)
{
	size_t size = 0;
	FILE *out = open_memstream(&plan->publish, &size);

	plan->network = policy->network;
	plan->network_name = strdup(policy->network_name != NULL ? policy->network_name : "");
	if (out == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < policy->n_publish; i++)
		fprintf(out, "%s%s", i > 0 ? "\n" : "", policy->publish[i]);
	return fclose(out) != 0 || plan->network_name == NULL ? -ENOMEM : 0;
}

void cloister_plan_network(const struct cloister_plan *plan, char *text, size_t size)
{
	static const char *const names[] = {"none", "host", "pasta", "netns:"};

	snprintf(text, size, "%s%s", names[plan->network], plan->network_name);
}

bool cloister_plan_network_is_own(const struct cloister_plan *plan)
{
	return plan->network == CLOISTER_NETWORK_NONE || plan->network == CLOISTER_NETWORK_PASTA;
}

/* The administrator's own. */
static bool binds(const struct cloister_plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		if (plan->rows[i].kind == CLOISTER_ROW_BIND && strcmp(plan->rows[i].target, path) == 0)
			return true;
	}
	return false;
}

void cloister_plan_add_resolver(struct cloister_row_list *list)
{
	/* The sources are opened by root alone, and a user's own rootfs is the host's as a rule. */
	if (!list->plan->privileged)
		return;
	if (list->plan->network == CLOISTER_NETWORK_PASTA && !binds(list->plan, "/etc/resolv.conf"))
		cloister_row_add(list, CLOISTER_ROW_RESOLVER, "/etc/resolv.conf", "/etc/resolv.conf",
		                 CLOISTER_PASTA_DNS4 " " CLOISTER_PASTA_DNS6);
	else
		cloister_row_add(list, CLOISTER_ROW_COPY, "/etc/resolv.conf", "/etc/resolv.conf", "");
}

void cloister_plan_add_network_namespace(struct cloister_row_list *list)
{
	if (cloister_plan_network_is_own(list->plan))
		cloister_row_add(list, CLOISTER_ROW_NETWORK, "", "", "");
}

void cloister_plan_add_network(struct cloister_row_list *list)
{
	/* A network namespace of the administrator's is as it is. */
	if (!cloister_plan_network_is_own(list->plan))
		return;
	cloister_row_add(list, CLOISTER_ROW_LOOPBACK, "", "", "lo");
	for (size_t i = 0; list->plan->network == CLOISTER_NETWORK_PASTA && i < sizeof(metadata) / sizeof(*metadata);
	     i++)
		cloister_row_add(list, CLOISTER_ROW_PROHIBIT, "", "", metadata[i]);
}
