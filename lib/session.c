/* SPDX-License-Identifier: MIT */
/* A session's start and end, in order, from the login process. */
#include "cloister/session.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cloister/cgroup.h"
#include "cloister/cleanup.h"
#include "cloister/control.h"
#include "cloister/netns.h"
#include "cloister/pasta.h"
#include "cloister/path.h"
#include "cloister/privileges.h"
#include "cloister/root_users.h"
#include "cloister/seccomp_filter.h"
#include "cloister/source.h"
#include "session_parts.h"
#include "spawn.h"

#define FAILED_INIT_WAIT 1000 /* milliseconds */

int cloister_session_new_id(const char *user, char id[CLOISTER_SESSION_ID_MAX], struct cloister_error *err)
{
	unsigned char bytes[4];
	ssize_t n;

	do {
		n = getrandom(bytes, sizeof(bytes), 0);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(bytes))
		return cloister_fail(err, n < 0 ? errno : EIO, "session", NULL, "no random number for a session id");
	snprintf(id, CLOISTER_SESSION_ID_MAX, "%.48s-%02x%02x%02x%02x", user, bytes[0], bytes[1], bytes[2], bytes[3]);
	return 0;
}

int cloister_host_name(char *name, size_t size, struct cloister_error *err)
{
	if (gethostname(name, size) < 0)
		return cloister_fail(err, errno, "host name", NULL, "cannot be read");
	name[size - 1] = '\0';
	return 0;
}

int cloister_program_path(const char *name, const char *beside, char *path, size_t size)
{
	const char *slash = beside != NULL ? strrchr(beside, '/') : NULL;

	if (slash != NULL) {
		int n = snprintf(path, size, "%.*s/%s", (int)(slash - beside), beside, name);

		/* What is there but cannot be looked at must not be replaced by another one. */
		if (n > 0 && (size_t)n < size && (access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR)))
			return 0;
	}
	int n = snprintf(path, size, "%s/%s", CLOISTER_LIBEXECDIR, name);
	return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static int open_init(const struct cloister_plan *plan, const char *path, struct cloister_error *err)
{
	struct stat st;
	int _cleanup_close_ fd =
		cloister_path_open_host(path, 0, plan->privileged ? CLOISTER_PATH_ROOT_OWNED : CLOISTER_PATH_OWN_RIGHTS,
	                                err);

	if (fd < 0) {
		if (err != NULL)
			snprintf(err->step, sizeof(err->step), "init");
		return fd;
	}
	if (fstat(fd, &st) < 0)
		return cloister_fail(err, errno, "init", path, "cannot stat");
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) != 0111)
		return cloister_fail(err, EACCES, "init", path, "not an executable file");
	return TAKE_FD(fd);
}

static int open_user_namespace(const struct cloister_session *session, struct cloister_error *err)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)session->init);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? cloister_fail(err, errno, "ids", path, "cannot open the session's user namespace") : fd;
}

/* Opens the host's part as root and sends it; in a user's own namespace init opens it. */
static int send_plan(const struct cloister_plan *plan, const struct cloister_session_options *options,
                     struct cloister_session *session, struct cloister_error *err)
{
	struct cloister_leftovers leftovers = {.n = 0};
	struct cloister_source_context context = {.user_namespace = -1,
	                                          .leftovers = &leftovers,
	                                          .devpts = options->devpts,
	                                          .shared_root = options->shared_root,
	                                          .image = options->image};
	int _cleanup_free_ *sources = calloc(plan->n_rows + 1, sizeof(int));
	int _cleanup_close_ user_namespace = -1;
	int r = 0;

	if (sources == NULL)
		return cloister_fail(err, ENOMEM, "plan", NULL, "no memory");
	for (size_t i = 0; i < plan->n_rows; i++)
		sources[i] = -1;
	if (plan->privileged) {
		if (plan->namespaces & CLONE_NEWUSER) {
			user_namespace = open_user_namespace(session, err);
			if (user_namespace < 0)
				return user_namespace;
			if (plan->root_inside) {
				int _cleanup_close_ outer = TAKE_FD(user_namespace);

				/* Root's files on the disk are then those of the user, who is root inside. */
				user_namespace = cloister_root_users_make(outer, plan, err);
				if (user_namespace < 0)
					return user_namespace;
			}
			context.user_namespace = user_namespace;
		}
		r = cloister_sources_open(plan, &context, sources, err);
	}
	if (r == 0)
		r = cloister_control_send(session->control, plan, sources, session->seccomp, session->seccomp_length,
		                          err);
	if (r == 0 && leftovers.n > 0)
		cloister_control_leave(session->control, leftovers.fds, leftovers.n);
	cloister_leftovers_close(&leftovers);
	cloister_sources_close(sources, plan->n_rows);
	return r;
}

/* Which root init has, for those who enter. */
static int remember_root(struct cloister_session *session, struct cloister_error *err)
{
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/root/.", (int)session->init);
	if (stat(path, &st) < 0)
		return cloister_fail(err, errno, "verify", path, "cannot stat");
	session->root_device = st.st_dev;
	session->root_inode = st.st_ino;
	return 0;
}

int cloister_verify_namespaces(const struct cloister_plan *plan, struct cloister_session *session,
                               struct cloister_error *err)
{
	char init[16];

	snprintf(init, sizeof(init), "%d", (int)session->init);
	for (size_t i = 0; i < CLOISTER_NAMESPACE_KINDS; i++) {
		const struct cloister_namespace_kind *kind = &cloister_namespace_kinds[i];
		bool own = (plan->namespaces & kind->flag) != 0;
		uint64_t theirs = 0, ours = 0;

		/* Who enters by a plan without a user namespace has the host's ids: then init must be in the host's. */
		if (!own && !(plan->privileged && kind->flag == CLONE_NEWUSER))
			continue;
		int r = cloister_namespace_inode("self", kind, &ours);
		/* Init is not dumpable: only one with CAP_SYS_PTRACE over it, root, may look. */
		if (r == 0 && plan->privileged)
			r = cloister_namespace_inode(init, kind, &theirs);
		if (r < 0)
			return cloister_fail(err, -r, "verify", kind->name, "cannot tell which namespace it is");
		if (own && ours == theirs)
			return cloister_fail(err, EPERM, "verify", kind->name,
			                     "the session is in the host's namespace");
		if (!own && ours != theirs)
			return cloister_fail(err, EPERM, "verify", kind->name,
			                     "the session is in a namespace that its plan does not name");
		if (!own)
			continue;
		session->namespace_inodes[i] = theirs;
		session->host_namespace_inodes[i] = ours;
	}
	return plan->privileged ? remember_root(session, err) : 0;
}

/*
 * Each process that enters is a domain of its own to Landlock. The logins of a shared session may signal each other,
 * and meet at an abstract socket: what is outside of it the pid namespace and the network namespace keep away.
 */
int cloister_prepare_landlock(const struct cloister_plan *plan, struct cloister_session *session,
                              struct cloister_error *err)
{
	if (plan->shared && cloister_plan_network_is_own(plan))
		return 0;
	session->landlock = cloister_landlock_scopes(!plan->shared);
	if (session->landlock < 0 && session->landlock != -EOPNOTSUPP)
		return cloister_fail(err, -session->landlock, "landlock", NULL, "cannot make the ruleset");
	return 0;
}

static int prepare_privileges(const struct cloister_plan *plan, struct cloister_session *session,
                              struct cloister_error *err)
{
	if (plan->seccomp) {
		int r = cloister_seccomp_filter(plan->capabilities, plan->root_inside, &session->seccomp,
		                                &session->seccomp_length, err);
		if (r < 0)
			return r;
	}
	return cloister_prepare_landlock(plan, session, err);
}

/* What remains to be done for the network, or looked at, once init is ready. */
static int connect_network(const struct cloister_plan *plan, const struct cloister_session *session, int init_fd,
                           struct cloister_error *err)
{
	if (plan->network == CLOISTER_NETWORK_PASTA)
		return cloister_pasta_start(plan, session, init_fd, err);
	if (plan->network != CLOISTER_NETWORK_NETNS)
		return 0;
	int _cleanup_close_ netns = cloister_netns_open(plan->network_name, err);
	return netns < 0 ? netns : cloister_netns_verify(netns, session->init, err);
}

/* Init is born in the session's cgroup: what it makes, and what comes after it, never was outside. */
static int spawn_init(const struct cloister_plan *plan, int init_fd, struct cloister_session *session,
                      struct cloister_error *err)
{
	int _cleanup_close_ cgroup = -1, lock = -1;

	if (!cloister_cgroup_is_wanted(plan))
		return cloister_spawn_init(plan, init_fd, -1, session, err);
	cgroup = cloister_cgroup_make(plan, &lock, err);
	if (cgroup < 0)
		return cgroup;
	int r = cloister_session_hold_cgroup(session, err);
	return r < 0 ? r : cloister_spawn_init(plan, init_fd, cgroup, session, err);
}

/* What went wrong on this side may be that init has ended, which has said why. */
static int ask_init(const struct cloister_session *session, int result, struct cloister_error *err)
{
	struct cloister_error said = {0};

	if (cloister_control_wait(session->control, 0, &said) == 0 || said.code == ECONNRESET || said.code == ETIMEDOUT)
		return result;
	if (err != NULL)
		*err = said;
	return -said.code;
}

/* Between init's birth and its answer. The filter is made here, while init is busy with its namespaces. */
static int instruct(const struct cloister_plan *plan, const struct cloister_session_options *options,
                    struct cloister_session *session, struct cloister_error *err)
{
	char mapped = 1;
	int r = plan->namespaces & CLONE_NEWUSER ? cloister_write_maps(plan, session->init, err) : 0;

	if (r < 0)
		return r;
	if (send(session->control, &mapped, 1, MSG_NOSIGNAL) != 1)
		return cloister_fail(err, errno, "init", NULL, "init ended before it could begin");
	r = prepare_privileges(plan, session, err);
	return r < 0 ? r : send_plan(plan, options, session, err);
}

static int build(const struct cloister_plan *plan, const struct cloister_session_options *options,
                 struct cloister_session *session, struct cloister_error *err)
{
	int _cleanup_close_ init_fd = open_init(plan, options->init_path, err);

	if (init_fd < 0)
		return init_fd;
	int r = spawn_init(plan, init_fd, session, err);
	if (r < 0)
		return r;
	r = instruct(plan, options, session, err);
	if (r < 0)
		return ask_init(session, r, err);
	r = cloister_control_wait(session->control, (int)plan->timeout * 1000, err);
	if (r < 0)
		return r;
	r = cloister_verify_namespaces(plan, session, err);
	if (r == 0 && session->cgroup >= 0)
		r = cloister_cgroup_verify(session->id, session->init, err);
	return r < 0 ? r : connect_network(plan, session, init_fd, err);
}

int cloister_session_hold_cgroup(struct cloister_session *session, struct cloister_error *err)
{
	session->cgroup = cloister_cgroup_open_processes(session->id, err);
	return session->cgroup < 0 ? session->cgroup : 0;
}

struct cloister_session *cloister_session_new(const struct cloister_plan *plan, const char *id)
{
	struct cloister_session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return NULL;
	*session = (struct cloister_session){.owner = getpid(),
	                                     .pidfd = -1,
	                                     .control = -1,
	                                     .landlock = -1,
	                                     .cgroup = -1,
	                                     .limits = plan->limits,
	                                     .namespaces = plan->namespaces,
	                                     .capabilities = plan->capabilities,
	                                     .root_inside = plan->root_inside,
	                                     .uid = plan->inside_uid,
	                                     .gid = plan->inside_gid,
	                                     .privileged = plan->privileged,
	                                     .no_new_privs = plan->no_new_privs,
	                                     .shared = plan->shared};
	snprintf(session->id, sizeof(session->id), "%s", id);
	session->groups = calloc(plan->n_groups + 1, sizeof(*session->groups));
	if (session->groups == NULL) {
		free(session);
		return NULL;
	}
	for (size_t i = 0; i < plan->n_groups; i++)
		session->groups[session->n_groups++] = plan->groups[i];
	return session;
}

int cloister_session_start(const struct cloister_plan *plan, const struct cloister_session_options *options,
                           struct cloister_session **out, struct cloister_error *err)
{
	struct cloister_session *session = cloister_session_new(plan, plan->session_id);

	if (session == NULL)
		return cloister_fail(err, ENOMEM, "session", NULL, "no memory");
	cloister_image_describe(options->image, session->image, sizeof(session->image));
	int r = build(plan, options, session, err);
	if (r < 0) {
		cloister_session_end(session);
		cloister_session_reap(session, FAILED_INIT_WAIT);
		/* Made or not. */
		if (cloister_cgroup_is_wanted(plan))
			cloister_cgroup_remove(session->id, FAILED_INIT_WAIT);
		cloister_session_free(session);
		return r;
	}
	*out = session;
	return 0;
}

void cloister_session_end(struct cloister_session *session)
{
	if (session->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, session->pidfd, SIGKILL, NULL, 0);
	if (session->control >= 0) {
		close(session->control);
		session->control = -1;
	}
}

bool cloister_session_reap(struct cloister_session *session, int milliseconds)
{
	struct pollfd poller = {.fd = session->pidfd, .events = POLLIN};
	siginfo_t info = {0};

	if (session->pidfd < 0 || session->init == 0)
		return true;
	if (milliseconds > 0)
		poll(&poller, 1, milliseconds);
	/* __WALL: one that could not be executed has the exit signal of who made it, none. */
	if (waitid(P_PIDFD, (id_t)session->pidfd, &info, WEXITED | WNOHANG | __WALL) < 0)
		/* The login program's own wait(2) got it. */
		session->init = errno == ECHILD ? 0 : session->init;
	else if (info.si_pid != 0)
		session->init = 0;
	return session->init == 0;
}

void cloister_session_drop_cgroup(const struct cloister_session *session, int milliseconds)
{
	if (session->cgroup >= 0)
		cloister_cgroup_remove(session->id, milliseconds);
}

void cloister_session_free(struct cloister_session *session)
{
	if (session == NULL)
		return;
	if (session->pidfd >= 0)
		close(session->pidfd);
	if (session->control >= 0)
		close(session->control);
	if (session->landlock >= 0)
		close(session->landlock);
	if (session->cgroup >= 0)
		close(session->cgroup);
	free(session->seccomp);
	free(session->groups);
	free(session);
}
