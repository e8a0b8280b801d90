/* SPDX-License-Identifier: MIT */
/* What init does before it has a plan, while the login process opens what comes from the host. */
#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cloister/control.h"
#include "cloister/namespaces.h"
#include "cloister/privileges.h"
#include "init.h"

static int fail(const char *text, struct cloister_error *err)
{
	return cloister_fail(err, errno, "init", NULL, "%s", text);
}

static ssize_t receive(void *buffer, size_t size)
{
	ssize_t n;

	do {
		n = recv(CLOISTER_CONTROL_FD, buffer, size, 0);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* They are those of the user namespace that init was born in; the cgroup namespace is that of its cgroup. */
static int make_namespaces(const struct cloister_birth *birth, struct cloister_network_child *network_child,
                           struct cloister_error *err)
{
	int r = birth->namespaces & CLONE_NEWNET ? cloister_network_child_start(network_child, err) : 0;

	if (r < 0)
		return r;
	if (unshare((int)(birth->namespaces & ~(uint64_t)CLONE_NEWNET)) == 0)
		return 0;
	int code = errno;
	return cloister_fail(err, code, "namespaces", NULL, "cannot make the session's namespaces%s",
	                     cloister_namespaces_hint(code));
}

/* Raw, since glibc's would look for threads. */
static int become_root(struct cloister_error *err)
{
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 ||
	    syscall(SYS_setresuid, 0, 0, 0) < 0)
		return fail("cannot become the namespace's root", err);
	return 0;
}

int cloister_init_birth(struct cloister_network_child *network_child, struct cloister_error *err)
{
	struct cloister_birth birth = {0};
	char mapped;

	if (receive(&birth, sizeof(birth)) != sizeof(birth))
		return cloister_fail(err, EBADMSG, "init", NULL, "was not told what it is");
	/* Nothing may be read from PID 1, by whoever shares an id with it (runc CVE-2016-9962). Until here its
	 * ids were nobody's. */
	if (birth.privileged)
		prctl(PR_SET_DUMPABLE, 0);
	int r = make_namespaces(&birth, network_child, err);
	if (r < 0)
		return r;
	ssize_t n = receive(&mapped, sizeof(mapped));
	if (n != sizeof(mapped))
		return cloister_fail(err, n < 0 ? errno : ECONNRESET, "init", NULL, "the login process is gone");
	/* A user, who has written the id maps, could not have opened them otherwise (proc(5), "dumpable"). Nobody else
	 * is in the namespaces yet. */
	prctl(PR_SET_DUMPABLE, 0);
	if (setsid() < 0)
		return fail("cannot leave the login's terminal", err);
	if (!birth.own_ids)
		return 0;
	r = birth.privileged ? become_root(err) : 0;
	if (r < 0)
		return r;
	/* Ambient capabilities have brought the others through exec, and are in nobody's way from here on. */
	r = cloister_set_capabilities(UINT64_MAX, false);
	return r < 0 ? cloister_fail(err, -r, "init", NULL, "cannot drop the ambient capabilities") : 0;
}
