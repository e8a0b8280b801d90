/* SPDX-License-Identifier: MIT */
/* The session's network, as far as init makes it: its namespace, lo, networks to which there is no way, and the
 * resolver. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/execute.h"
#include "cloister/number.h"

#define RESOLVER_MAX (64U * 1024U)

static int fail(const struct cloister_row *row, int code, const char *text, struct cloister_error *err)
{
	const char *what = *row->target != '\0' ? row->target : row->data;

	return cloister_fail(err, code < 0 ? -code : code, cloister_row_name(row->kind), what, "%s", text);
}

int cloister_carry_network(struct cloister_execution *execution, const struct cloister_row *row, int source,
                           struct cloister_error *err)
{
	(void)row;
	(void)source;
	return cloister_network_child_join(execution->network_child, err);
}

int cloister_carry_loopback(struct cloister_execution *execution, const struct cloister_row *row, int source,
                            struct cloister_error *err)
{
	struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};

	(void)execution;
	(void)source;
	int _cleanup_close_ fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(row, errno, "no socket", err);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", row->data);
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? fail(row, errno, "cannot bring lo up", err) : 0;
}

struct route_request {
	struct nlmsghdr header;
	struct rtmsg route;
	struct rtattr destination;
	unsigned char address[16];
};

static int parse_network(const char *text, struct route_request *request)
{
	char address[64];
	size_t length = strcspn(text, "/");
	uint64_t bits;

	if (text[length] != '/' || length >= sizeof(address) ||
	    cloister_number_parse(text + length + 1, strlen(text + length + 1), &bits) < 0 || bits > 128)
		return -EINVAL;
	snprintf(address, sizeof(address), "%.*s", (int)length, text);
	int family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
	unsigned short size = family == AF_INET6 ? 16 : 4;
	if (inet_pton(family, address, request->address) != 1 || bits > size * 8U)
		return -EINVAL;
	request->route.rtm_family = (unsigned char)family;
	request->route.rtm_dst_len = (unsigned char)bits;
	request->destination.rta_len = (unsigned short)(RTA_LENGTH(0) + size);
	request->header.nlmsg_len = NLMSG_LENGTH(sizeof(request->route)) + request->destination.rta_len;
	return 0;
}

/* The kernel's answer: an error message, whose code is 0 when it is done (rtnetlink(7)). */
static int ask(int fd, const struct route_request *request)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[512];
	} answer;

	if (send(fd, request, request->header.nlmsg_len, 0) < 0)
		return -errno;
	ssize_t n = recv(fd, &answer, sizeof(answer), 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(answer.header) + sizeof(answer.error) || answer.header.nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	return answer.error.error;
}

/*
 * A route that says no, of the lowest metric, so that it wins over one that is copied from the host. Nobody in the
 * session has the right to take it away.
 */
int cloister_carry_prohibit(struct cloister_execution *execution, const struct cloister_row *row, int source,
                            struct cloister_error *err)
{
	struct route_request request = {
		.header = {.nlmsg_type = RTM_NEWROUTE,
	                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
		.route = {.rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC, .rtm_type = RTN_PROHIBIT},
		.destination = {.rta_type = RTA_DST}};

	(void)execution;
	(void)source;
	if (parse_network(row->data, &request) < 0)
		return fail(row, EINVAL, "not a network", err);
	int _cleanup_close_ fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return fail(row, errno, "no socket", err);
	int r = ask(fd, &request);
	/* A kernel without IPv6 has no way there anyway. */
	if (request.route.rtm_family == AF_INET6 && (r == -EAFNOSUPPORT || r == -EOPNOTSUPP))
		r = 0;
	return r < 0 ? fail(row, r, "cannot prohibit the network", err) : 0;
}

static bool is_setting(const char *line, const char *name)
{
	size_t length = strlen(name);

	return strncmp(line, name, length) == 0 && (line[length] == ' ' || line[length] == '\t');
}

/* Each kind of nameserver that the host has is forwarded from one address; the rest (search, options) is the host's. */
static char *with_nameservers(const char *host, const char *forwarders)
{
	size_t first = strcspn(forwarders, " ");
	bool four = false, six = false;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (const char *line = host; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t length = strcspn(line, "\n");
		bool colon = memchr(line, ':', length) != NULL;

		if (!is_setting(line, "nameserver")) {
			if (is_setting(line, "search") || is_setting(line, "domain") || is_setting(line, "options"))
				fprintf(out, "%.*s\n", (int)length, line);
			continue;
		}
		if (colon ? !six : !four)
			fprintf(out, "nameserver %.*s\n", colon ? (int)strlen(forwarders) : (int)first,
			        colon ? forwarders + first + 1 : forwarders);
		six = six || colon;
		four = four || !colon;
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

int cloister_carry_resolver(struct cloister_execution *execution, const struct cloister_row *row, int source,
                            struct cloister_error *err)
{
	if (source < 0)
		return 0;
	char _cleanup_free_ *host = calloc(1, RESOLVER_MAX + 1);
	if (host == NULL)
		return fail(row, ENOMEM, "no memory", err);
	ssize_t n = pread(source, host, RESOLVER_MAX, 0);
	if (n < 0)
		return fail(row, errno, "cannot read the host's", err);
	char _cleanup_free_ *text = with_nameservers(host, row->data);
	if (text == NULL)
		return fail(row, ENOMEM, "no memory", err);
	return cloister_carry_made(execution, row, text, strlen(text), err);
}
