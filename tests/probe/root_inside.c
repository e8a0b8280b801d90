/* SPDX-License-Identifier: MIT */
/*
 * What uid 0 could do to a machine, attempt by attempt: "NAME done", or "NAME" and the error. Static, for any rootfs.
 * Argument: a writable directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif

static int tmpfs(void)
{
	return mount("tmpfs", ".", "tmpfs", 0, NULL);
}

static int bind_mount(void)
{
	return mount("/", ".", NULL, MS_BIND, NULL);
}

static int new_file_system(void)
{
	return (int)syscall(SYS_fsopen, "tmpfs", 0);
}

static int unmount(void)
{
	return umount2("/proc", MNT_DETACH);
}

static int remount(void)
{
	return mount(NULL, "/proc", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID, NULL);
}

static int host_name(void)
{
	return sethostname("taken", 5);
}

static int mount_namespace(void)
{
	return unshare(CLONE_NEWNS);
}

static int user_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int network_namespace(void)
{
	return unshare(CLONE_NEWNET);
}

static int join(const char *path, int kind)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : setns(fd, kind);
}

static int join_own_mounts(void)
{
	return join("/proc/self/ns/mnt", CLONE_NEWNS);
}

static int join_own_network(void)
{
	return join("/proc/self/ns/net", CLONE_NEWNET);
}

static int block_device(void)
{
	return mknod("block", S_IFBLK | 0600, makedev(7, 0));
}

static int memory_device(void)
{
	return mknod("memory", S_IFCHR | 0600, makedev(1, 1));
}

static int raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static int interface_down(void)
{
	struct ifreq request = {.ifr_flags = 0};

	strcpy(request.ifr_name, "lo");
	return ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &request);
}

static int low_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(81)};

	return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address));
}

static int kill_init(void)
{
	return kill(1, SIGTERM);
}

static int trace_init(void)
{
	return (int)ptrace(PTRACE_SEIZE, 1, 0, 0);
}

static int system_setting(void)
{
	return open("/proc/sys/kernel/core_pattern", O_WRONLY);
}

static int higher_priority(void)
{
	return setpriority(PRIO_PROCESS, 0, -5);
}

static const struct {
	const char *name;
	int (*attempt)(void);
} attempts[] = {{"tmpfs", tmpfs},
                {"bind_mount", bind_mount},
                {"new_file_system", new_file_system},
                {"unmount", unmount},
                {"remount", remount},
                {"host_name", host_name},
                {"mount_namespace", mount_namespace},
                {"user_namespace", user_namespace},
                {"network_namespace", network_namespace},
                {"join_own_mounts", join_own_mounts},
                {"join_own_network", join_own_network},
                {"block_device", block_device},
                {"memory_device", memory_device},
                {"raw_socket", raw_socket},
                {"packet_socket", packet_socket},
                {"interface_down", interface_down},
                {"low_port", low_port},
                {"kill_init", kill_init},
                {"trace_init", trace_init},
                {"system_setting", system_setting},
                {"higher_priority", higher_priority}};

int main(int argc, char **argv)
{
	if (argc > 1 && chdir(argv[1]) < 0)
		return 1;
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
		/* Each in a process of its own: one must not make the next one's way. */
		pid_t child = fork();

		if (child == 0) {
			int r = attempts[i].attempt();

			printf("%s %s\n", attempts[i].name, r < 0 ? strerrorname_np(errno) : "done");
			fflush(stdout);
			_exit(0);
		}
		waitpid(child, NULL, 0);
	}
	return 0;
}
