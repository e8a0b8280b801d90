/* SPDX-License-Identifier: MIT */
/* cloister check: whether the network that a plan wants can be had. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "cloister/cleanup.h"
#include "cloister/netns.h"
#include "cloister/pasta.h"

/* pasta opens it with the rights of an ordinary process. */
static void check_tun(void)
{
	struct stat st;

	if (stat("/dev/net/tun", &st) < 0 || (st.st_mode & (S_IROTH | S_IWOTH)) != (S_IROTH | S_IWOTH))
		puts("warning: network = pasta: /dev/net/tun must be there, and open to everybody (mode 0666), for "
		     "pasta");
}

int cli_check_network(const struct cloister_plan *plan)
{
	struct cloister_error err = {0};
	char line[2048], network[CLOISTER_NETWORK_TEXT_MAX];
	int _cleanup_close_ fd = -1;

	if (plan->network == CLOISTER_NETWORK_NETNS)
		fd = cloister_netns_open(plan->network_name, &err);
	else if (plan->network == CLOISTER_NETWORK_PASTA)
		fd = cloister_pasta_open(&err);
	else
		return 0;
	if (fd < 0) {
		printf("error: %s\n", cloister_error_line(&err, line, sizeof(line)));
		return 1;
	}
	if (plan->network == CLOISTER_NETWORK_PASTA)
		check_tun();
	cloister_plan_network(plan, network, sizeof(network));
	printf("ok: network = %s is there\n", network);
	return 0;
}
