/* SPDX-License-Identifier: MIT */
/* cloister check: whether the network that a plan wants can be had. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/netns.h"
#include "cloister/pasta.h"
#include "findings.h"

/* pasta opens it with the rights of an ordinary process. */
static void check_tun(struct cli_findings *findings)
{
	struct stat st;

	if (stat("/dev/net/tun", &st) < 0 || (st.st_mode & (S_IROTH | S_IWOTH)) != (S_IROTH | S_IWOTH))
		cli_find(findings, CLI_WARNING, "network", "/dev/net/tun",
		         "network = pasta: /dev/net/tun must be there, and open to everybody (mode 0666), for pasta");
}

void cli_check_network(const struct cloister_plan *plan, struct cli_findings *findings)
{
	struct cloister_error err = {0};
	char network[CLOISTER_NETWORK_TEXT_MAX];
	int _cleanup_close_ fd = -1;

	if (plan->network == CLOISTER_NETWORK_NETNS)
		fd = cloister_netns_open(plan->network_name, &err);
	else if (plan->network == CLOISTER_NETWORK_PASTA)
		fd = cloister_pasta_open(&err);
	else
		return;
	if (fd < 0) {
		cli_find_error(findings, "network", &err);
		return;
	}
	if (plan->network == CLOISTER_NETWORK_PASTA)
		check_tun(findings);
	cloister_plan_network(plan, network, sizeof(network));
	cli_find(findings, CLI_OK, "network", NULL, "network = %s is there", network);
}
