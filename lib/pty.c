/* SPDX-License-Identifier: MIT */
/* A pty of the session's own, and the relay process that stands between it and a terminal that stays outside. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/mounts.h"
#include "cloister/number.h"
#include "cloister/path.h"
#include "cloister/plan.h"
#include "cloister/privileges.h"
#include "cloister/terminal.h"

#define RELAY_WAIT_MILLISECONDS 3000
#define FIRST_FREE_FD           16

unsigned cloister_terminal_fds(void)
{
	unsigned fds = 0;

	for (int fd = 0; fd <= 2; fd++) {
		if (isatty(fd))
			fds |= 1U << fd;
	}
	return fds;
}

int cloister_terminal_path(char *path, size_t size)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (ttyname_r(fd, path, size) == 0)
			return 0;
	}
	return -ENOTTY;
}

int cloister_terminal_allocated(char *path, size_t size)
{
	DIR *directory = opendir("/proc/self/fd");
	int r = -ENOTTY;

	if (directory == NULL)
		return -errno;
	for (const struct dirent *entry; r < 0 && (entry = readdir(directory)) != NULL;) {
		unsigned number;
		uint64_t fd;

		/* Only a master answers; 0 to 2 are the caller's choice. */
		if (cloister_number_parse(entry->d_name, strlen(entry->d_name), &fd) < 0 || fd <= 2 ||
		    ioctl((int)fd, TIOCGPTN, &number) < 0)
			continue;
		if ((size_t)snprintf(path, size, "/dev/pts/%u", number) < size)
			r = 0;
	}
	closedir(directory);
	return r;
}

int cloister_devpts_new(const struct cloister_plan *plan)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		if (plan->rows[i].kind == CLOISTER_ROW_DEVPTS)
			return cloister_mount_new("devpts", plan->rows[i].data, plan->rows[i].attributes);
	}
	return -EINVAL;
}

/* What an id inside is on the host. */
static uint32_t outside(const struct cloister_id_map *map, uint32_t id)
{
	uint32_t mapped = map->n > 0 ? cloister_id_map_outside(map, id) : id;

	return mapped != UINT32_MAX ? mapped : id;
}

int cloister_pty_open(int devpts, const struct cloister_plan *plan, struct cloister_pty *pty,
                      struct cloister_error *err)
{
	int unlock = 0;
	unsigned number = 0;
	int _cleanup_close_ master = openat(devpts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);

	if (master < 0)
		return cloister_fail(err, errno, "pty", "ptmx", "cannot allocate a pty of the session");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return cloister_fail(err, errno, "pty", "ptmx", "cannot unlock the pty");
	int _cleanup_close_ peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	/* Not the host's tty group: a capability inside counts only for a file whose both ids are mapped there. */
	if (peer < 0 || fchown(peer, outside(&plan->uid_map, plan->uid), outside(&plan->gid_map, plan->gid)) < 0 ||
	    fchmod(peer, 0600) < 0)
		return cloister_fail(err, errno, "pty", "ptmx", "cannot give the pty to the user");
	*pty = (struct cloister_pty){.number = (int)number,
	                             .master = TAKE_FD(master),
	                             .control = -1,
	                             .fds = cloister_terminal_fds()};
	return 0;
}

/* The descriptors of the relay: 0 and 1 the outer terminal, 2 nothing, 3 control, 4 master. */
static void __attribute__((noreturn)) become_relay(const struct cloister_pty *pty, int control, int init_fd, int null)
{
	const uid_t id = CLOISTER_RELAY_ID;
	static char name[] = "cloister-relay", yes[] = "1", no[] = "0";
	char *const argv[] = {name, (pty->fds & 1U) ? yes : no, NULL};
	char *const environment[] = {NULL};
	/* The side that is not a terminal belongs to the user's program alone. */
	int output = (pty->fds & 2U) ? 1 : (pty->fds & 4U) ? 2 : 0;
	int from[5] = {(pty->fds & 1U) ? 0 : null, output, null, control, pty->master};

	init_fd = fcntl(init_fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	for (int i = 0; i < 5; i++) {
		from[i] = fcntl(from[i], F_DUPFD, FIRST_FREE_FD);
		if (from[i] < 0)
			_exit(125);
	}
	for (int i = 0; i < 5; i++) {
		if (dup2(from[i], i) < 0)
			_exit(125);
	}
	if (close_range(5, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(125);
	/* Nobody's process: what a user types at root's terminal goes through it. The first that it does is to forbid
	 * being traced (relay_main), which execve(2) allows again. */
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, id, id, id) < 0 ||
	    syscall(SYS_setresuid, id, id, id) < 0 || cloister_set_no_new_privs() < 0)
		_exit(125);
	execveat(init_fd, "", argv, environment, AT_EMPTY_PATH);
	_exit(125);
}

int cloister_pty_relay(struct cloister_pty *pty, const char *init_path, struct cloister_error *err)
{
	int pair[2];
	struct clone_args args = {.exit_signal = 0};
	int _cleanup_close_ null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int _cleanup_close_ init_fd = cloister_path_open_host(init_path, 0, CLOISTER_PATH_ROOT_OWNED, err);

	if (init_fd < 0)
		return init_fd;
	if (null < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return cloister_fail(err, errno, "relay", NULL, "no descriptors");
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		become_relay(pty, pair[1], init_fd, null);
	int code = errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return cloister_fail(err, code, "relay", NULL, "cannot make the process");
	}
	pty->relay = (pid_t)pid;
	pty->control = pair[0];
	return 0;
}

static bool relay_ended(pid_t relay)
{
	return waitpid(relay, NULL, WNOHANG | __WALL) != 0;
}

void cloister_pty_close(struct cloister_pty *pty)
{
	const struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};

	/* The session has ended: the relay writes what is left of its output, and ends, too. */
	if (pty->control >= 0)
		close(pty->control);
	for (int waited = 0; pty->relay > 0 && !relay_ended(pty->relay); waited += 2) {
		if (waited >= RELAY_WAIT_MILLISECONDS) {
			kill(pty->relay, SIGKILL);
			waitpid(pty->relay, NULL, __WALL);
			break;
		}
		nanosleep(&pause, NULL);
	}
	if (pty->master >= 0)
		close(pty->master);
	*pty = (struct cloister_pty){.number = -1, .master = -1, .control = -1};
}
