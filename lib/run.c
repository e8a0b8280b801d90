/* SPDX-License-Identifier: MIT */
/* A session with one command, from start to end. */
#include "cloister/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/entry.h"
#include "cloister/mounts.h"
#include "cloister/registry.h"
#include "cloister/terminal.h"

#define EXEC_FAILED      127
#define ENTRY_FAILED     125
#define INIT_WAIT_MILLIS 1000

/* The descriptors of one run, closed together. */
struct run_state {
	struct cloister_session *session;
	struct cloister_pty pty;
	int own_pid_namespace;
	struct cloister_login login;
	struct cloister_audit audit;
};

static void __attribute__((noreturn)) refuse_entry(const char *step, int code)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "cloister: cannot enter the session: %s: %s\n", step, strerror(code));

	(void)!write(2, line, (size_t)n);
	_exit(ENTRY_FAILED);
}

/* The child's group in the foreground, as a shell would do it: inside, the group of the outer process has no number. */
static void take_foreground(void)
{
	signal(SIGTTOU, SIG_IGN);
	if (tcgetpgrp(0) == getpgrp() && setpgid(0, 0) == 0)
		tcsetpgrp(0, getpgrp());
	signal(SIGTTOU, SIG_DFL);
}

static bool is_silenced(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	return null >= 0 && dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(null, 2) == 2;
}

static void __attribute__((noreturn)) run_child(const struct cloister_run *run, const struct run_state *state)
{
	struct cloister_entry entry = {.session = state->session,
	                               .login_program = true,
	                               .terminal_is_anothers =
	                                       run->plan->terminal == CLOISTER_TERMINAL_RELAY || run->limit > 0,
	                               .pty = state->pty.number,
	                               .pty_fds = state->pty.number >= 0 ? state->pty.fds : 0};
	const char *step = "entry";

	if (signal(SIGINT, SIG_DFL) == SIG_ERR || signal(SIGQUIT, SIG_DFL) == SIG_ERR)
		refuse_entry("signals", errno);
	if (entry.pty < 0 && run->limit == 0 && isatty(0))
		take_foreground();
	int r = cloister_entry_enter(&entry, &step);
	if (r == 0)
		r = cloister_entry_become_user(state->session, &step);
	if (r < 0)
		refuse_entry(step, -r);
	if (chdir(run->account->home) < 0)
		(void)!chdir("/");
	if (run->limit > 0 && !is_silenced())
		refuse_entry("silence", errno);
	execvpe(run->program, run->argv, run->environment);
	char line[512];
	int n = snprintf(line, sizeof(line), "cloister: %s: %s\n", run->program, strerror(errno));
	(void)!write(2, line, (size_t)n);
	_exit(EXEC_FAILED);
}

static void put_in_foreground(pid_t group)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;

	sigaction(SIGTTOU, &ignore, &before);
	tcsetpgrp(0, group);
	sigaction(SIGTTOU, &before, NULL);
}

/* The terminal, from the child's group, or from one of the session's that is gone. In the background it is somebody
 * else's. */
static void take_back(pid_t child)
{
	pid_t group = tcgetpgrp(0);

	if (group == child || (group > 0 && kill(-group, 0) < 0 && errno == ESRCH))
		put_in_foreground(getpgrp());
}

/* Kills it when it has not ended by itself after so many seconds; 0: never. */
static void limit_time(pid_t child, unsigned seconds)
{
	int _cleanup_close_ pidfd = seconds > 0 ? (int)syscall(SYS_pidfd_open, child, 0) : -1;
	struct pollfd poller = {.fd = pidfd, .events = POLLIN};

	if (seconds > 0 && (pidfd < 0 || poll(&poller, 1, (int)seconds * 1000) <= 0))
		kill(child, SIGKILL);
}

static int wait_for(pid_t child, int *status)
{
	for (;;) {
		if (waitpid(child, status, WUNTRACED) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!WIFSTOPPED(*status))
			return 0;
		/* Stopped from the terminal: so are we, until somebody goes on with both, in the background or not. */
		raise(SIGSTOP);
		if (getpgid(child) != child) {
			kill(child, SIGCONT);
			continue;
		}
		if (tcgetpgrp(0) == getpgrp())
			put_in_foreground(child);
		kill(-child, SIGCONT);
	}
}

static void tell_start(const struct cloister_run *run, struct run_state *state)
{
	cloister_audit_add_plan(&state->audit, run->plan);
	cloister_audit_started(&state->audit, run->live == NULL ? CLOISTER_AUDIT_START : CLOISTER_AUDIT_ENTER,
	                       state->session);
	if (run->tell != NULL)
		run->tell(&state->audit);
}

static int run_and_wait(const struct cloister_run *run, struct run_state *state, int *status,
                        struct cloister_error *err)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, quit;

	state->own_pid_namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (state->own_pid_namespace < 0)
		return cloister_fail(err, errno, "entry", "/proc/self/ns/pid", "cannot open");
	int r = cloister_entry_prepare(state->session);
	if (r < 0)
		return cloister_fail(err, -r, "entry", NULL, "cannot send a child into the pid namespace");
	sigaction(SIGINT, &ignore, &interrupt);
	sigaction(SIGQUIT, &ignore, &quit);
	/* A user's own session can end us (it has our uid, and before Linux 6.12 its signals are not held back): told
	 * first. One of root's cannot, and is told of while the child enters. */
	if (!run->plan->privileged)
		tell_start(run, state);
	pid_t child = fork();
	if (child == 0)
		run_child(run, state);
	if (run->plan->privileged && child > 0)
		tell_start(run, state);
	int code = errno;
	if (child > 0)
		limit_time(child, run->limit);
	r = child < 0 ? -code : wait_for(child, status);
	if (child > 0)
		take_back(child);
	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGQUIT, &quit, NULL);
	if (run->plan->privileged)
		cloister_entry_children_in(state->own_pid_namespace);
	return r < 0 ? cloister_fail(err, -r, "entry", NULL, "cannot make or wait for the child") : 0;
}

static int start(const struct cloister_run *run, struct run_state *state, struct cloister_error *err)
{
	struct cloister_session_options options = {.init_path = run->init_path, .devpts = -1, .shared_root = -1};
	int _cleanup_close_ devpts = -1;
	int r = 0;

	if (run->plan->shared && run->live == NULL)
		return cloister_fail(err, EOPNOTSUPP, "run", NULL,
		                     "scope = user is for logins by PAM: a session by hand is one of its own");
	state->session = run->live;
	if (run->plan->terminal == CLOISTER_TERMINAL_RELAY && run->limit == 0 && cloister_terminal_fds() != 0) {
		devpts = run->live != NULL ? cloister_shared_devpts_open(run->live->pidfd, err)
		                           : cloister_devpts_new(run->plan);
		if (devpts < 0)
			return run->live != NULL ? devpts
			                         : cloister_fail(err, -devpts, "devpts", NULL,
			                                         "cannot make the session's devpts");
		r = cloister_pty_open(devpts, run->plan, &state->pty, err);
		if (r < 0)
			return r;
	}
	if (!run->plan->privileged && run->live == NULL)
		return cloister_session_start(run->plan, &options, &state->session, err);
	if (run->live == NULL)
		r = cloister_session_start_registered(run->plan, run->init_path, devpts, &state->session, err);
	if (r == 0 && run->live == NULL)
		r = cloister_registry_add_login(state->session->id, &state->login, err);
	if (r == 0 && state->pty.number >= 0)
		r = cloister_pty_relay(&state->pty, run->init_path, err);
	return r;
}

static void note_end(const struct cloister_run *run, struct run_state *state, int status)
{
	cloister_audit_ending(&state->audit, state->session);
	state->audit.event = run->live == NULL ? CLOISTER_AUDIT_END : CLOISTER_AUDIT_LEAVE;
	state->audit.status = status;
}

static void remove_entries(const struct cloister_session *session)
{
	cloister_registry_remove(session->id);
	cloister_registry_remove_login(session->id);
}

int cloister_run(const struct cloister_run *run, int *status, struct cloister_error *err)
{
	struct run_state state = {.pty = {.number = -1, .master = -1, .control = -1}, .own_pid_namespace = -1};
	snprintf(state.login.service, sizeof(state.login.service), "%s", run->service);
	if (cloister_terminal_path(state.login.tty, sizeof(state.login.tty)) < 0)
		state.login.tty[0] = '\0';
	cloister_audit_begin(&state.audit, run->plan->user, run->plan->uid, &state.login);
	int r = start(run, &state, err);
	bool started = r == 0;

	if (started) {
		r = run_and_wait(run, &state, status, err);
		note_end(run, &state, r == 0 ? *status : -1);
	}
	if (state.own_pid_namespace >= 0)
		close(state.own_pid_namespace);
	/* What ends it is only told and tidied up while it dies. */
	if (state.session != NULL && run->live == NULL)
		cloister_session_end(state.session);
	if (started && run->tell != NULL)
		run->tell(&state.audit);
	cloister_pty_close(&state.pty);
	if (state.session != NULL && run->live == NULL) {
		if (run->plan->privileged)
			remove_entries(state.session);
		cloister_session_reap(state.session, INIT_WAIT_MILLIS);
		cloister_session_drop_cgroup(state.session, INIT_WAIT_MILLIS);
		cloister_session_free(state.session);
	}
	return r;
}

void cloister_exit_like(int status)
{
	if (WIFSIGNALED(status)) {
		const struct rlimit none = {0, 0};
		sigset_t all;

		setrlimit(RLIMIT_CORE, &none);
		signal(WTERMSIG(status), SIG_DFL);
		sigfillset(&all);
		sigprocmask(SIG_UNBLOCK, &all, NULL);
		raise(WTERMSIG(status));
		_exit(128 + WTERMSIG(status));
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : ENTRY_FAILED);
}
