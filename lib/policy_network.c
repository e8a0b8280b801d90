/* SPDX-License-Identifier: MIT */
/* The values of `network` and `publish`. Pure. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/cleanup.h"
#include "cloister/number.h"
#include "policy_keys.h"

#define PUBLISH_MAX 64

/* What `ip netns add` takes for a name is a file name; a comma would be two of them to some tools. */
static bool is_name(const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+@";
	size_t length = strlen(name);

	return length > 0 && length <= 64 && *name != '.' && strspn(name, plain) == length;
}

int cloister_policy_set_network(struct cloister_policy *policy, const char *value)
{
	static const char *const words[] = {"none", "host", "pasta", NULL};
	char *name = NULL;
	unsigned word = 0;

	if (strncmp(value, "netns:", 6) == 0) {
		if (!is_name(value + 6))
			return -EINVAL;
		name = strdup(value + 6);
		if (name == NULL)
			return -ENOMEM;
		word = CLOISTER_NETWORK_NETNS;
	} else {
		while (words[word] != NULL && strcmp(words[word], value) != 0)
			word++;
		if (words[word] == NULL)
			return -EINVAL;
	}
	free(policy->network_name);
	policy->network_name = name;
	policy->network = (enum cloister_network)word;
	return 0;
}

static int parse_port(const char *text, size_t length, unsigned *port)
{
	uint64_t number;

	if (cloister_number_parse(text, length, &number) < 0 || number == 0 || number > 65535)
		return -EINVAL;
	*port = (unsigned)number;
	return 0;
}

static bool is_address(const char *text)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

int cloister_policy_add_publish(struct cloister_policy *policy, const char *value)
{
	const char *slash = strrchr(value, '/');
	const char *ports = slash != NULL ? slash + 1 : value;
	size_t first = strcspn(ports, ":");
	char _cleanup_free_ *address = slash != NULL ? strndup(value, (size_t)(slash - value)) : strdup("127.0.0.1");
	unsigned outside, inside;
	char *text;

	if (address == NULL)
		return -ENOMEM;
	if (policy->n_publish == PUBLISH_MAX || !is_address(address) || parse_port(ports, first, &outside) < 0)
		return -EINVAL;
	inside = outside;
	if (ports[first] == ':' && parse_port(ports + first + 1, strlen(ports + first + 1), &inside) < 0)
		return -EINVAL;
	char **list = reallocarray(policy->publish, policy->n_publish + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	policy->publish = list;
	if (asprintf(&text, "%s/%u:%u", address, outside, inside) < 0)
		return -ENOMEM;
	list[policy->n_publish++] = text;
	return 0;
}
