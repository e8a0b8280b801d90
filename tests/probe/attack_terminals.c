/* SPDX-License-Identifier: MIT */
/* Attacks through terminals and sockets; and "first", which tells what a shell finds at its first instruction. */
#include "attack.h"

#include <fcntl.h>
#include <linux/kd.h>
#include <linux/vt.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <termios.h>

static int on_tty(unsigned long request, void *argument)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return errno;
	/* Past the C library, which takes an int in some. ENOTTY: this terminal knows no such thing, but one may ask.
	 */
	long r = syscall(SYS_ioctl, fd, request, argument);
	return r < 0 && errno != ENOTTY && errno != EINVAL ? errno : 0;
}

static int run_tiocsti(const char *argument)
{
	char byte = ' ';

	return on_tty(TIOCSTI | strtoul(argument, NULL, 0), &byte);
}

static int run_tioclinux(const char *argument)
{
	char byte = 6;

	return on_tty(TIOCLINUX | strtoul(argument, NULL, 0), &byte);
}

/* By a process that outlives its parent. */
static int run_tiocsti_orphan(const char *argument)
{
	int channel[2], r = EIO;

	if (pipe(channel) < 0)
		return errno;
	if (fork() == 0) {
		if (fork() == 0) {
			usleep(100000);
			r = run_tiocsti(argument);
			_exit(write(channel[1], &r, sizeof(r)) == sizeof(r) ? 0 : 1);
		}
		_exit(0);
	}
	return read(channel[0], &r, sizeof(r)) == sizeof(r) ? r : EIO;
}

static int run_abstract(const char *argument)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(argument);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path + 1, argument, length);
	return success(connect(fd, (struct sockaddr *)&address,
	                       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)));
}

static int run_unix(const char *argument)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argument);
	return success(connect(fd, (struct sockaddr *)&address, sizeof(address)));
}

static const struct attack attacks[] = {{"tiocsti", run_tiocsti},     {"tiocsti_orphan", run_tiocsti_orphan},
                                        {"tioclinux", run_tioclinux}, {"abstract", run_abstract},
                                        {"unix", run_unix},           {NULL, NULL}};

/* As a shell, whatever its arguments are: open descriptors, where they lead, working directory. */
static void first(void)
{
	char path[64], target[512], text[16384];
	size_t used = 0;

	for (int fd = 0; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		used += (size_t)snprintf(text + used, sizeof(text) - used, "fd %d %.60s\n", fd, target);
	}
	long n = syscall(SYS_getcwd, target, sizeof(target));
	used += (size_t)snprintf(text + used, sizeof(text) - used, "cwd %s\n", n < 0 ? "none" : target);
	const char *home = getenv("HOME");
	snprintf(path, sizeof(path), "%.40s/first", home != NULL ? home : "");
	int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0 || write(out, text, used) != (ssize_t)used)
		_exit(9);
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "";

	if (strstr(name, "first") != NULL) {
		first();
		return 0;
	}
	return attack_main(attacks, argc, argv);
}
