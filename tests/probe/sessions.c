/* SPDX-License-Identifier: MIT */
/*
 * A small PAM application: opens and closes sessions in one process, forks a child for each as a login program does,
 * and compares what the process is before and after. usage: sessions SERVICE USER COUNT A negative COUNT: that many
 * sessions, each of which must be refused.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int converse(int n, const struct pam_message **messages, struct pam_response **responses, void *data)
{
	(void)messages;
	(void)data;
	*responses = calloc((size_t)n, sizeof(**responses));
	return *responses == NULL ? PAM_BUF_ERR : PAM_SUCCESS;
}

/* Descriptors, namespaces, working directory, umask and signal mask, as one line. */
static void describe(char *text, size_t size)
{
	static const char *const kinds[] = {"mnt", "pid", "pid_for_children", "user", "net", "ipc", "uts", "cgroup"};
	char path[64], target[256];
	size_t used = 0;
	int fds = 0;
	sigset_t mask;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		used += (size_t)snprintf(text + used, size - used, "%s ", target);
	}
	DIR *directory = opendir("/proc/self/fd");
	while (readdir(directory) != NULL)
		fds++;
	closedir(directory);
	mode_t mode = umask(0);
	umask(mode);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	snprintf(text + used, size - used, "fds=%d cwd=%s umask=%o chld=%d", fds, getcwd(target, sizeof(target)), mode,
	         sigismember(&mask, SIGCHLD));
}

static int one_session(const char *service, const char *user)
{
	const struct pam_conv conversation = {.conv = converse};
	pam_handle_t *pamh = NULL;
	int status = -1;

	if (pam_start(service, user, &conversation, &pamh) != PAM_SUCCESS)
		return 10;
	int r = pam_open_session(pamh, 0);
	if (r == PAM_SUCCESS) {
		pid_t pid = fork();
		if (pid == 0) {
			char name[64] = "";
			int fd = open("/proc/1/comm", O_RDONLY);
			ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
			/* Inside, PID 1 is cloister-init, and nobody is the host's root. */
			_exit(n > 0 && strncmp(name, "cloister-init", 13) == 0 ? 0 : 1);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			status = -1;
		pam_close_session(pamh, 0);
	}
	pam_end(pamh, r);
	if (r != PAM_SUCCESS)
		return 11;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 12;
}

int main(int argc, char **argv)
{
	char before[4096], after[4096];

	if (argc != 4)
		return 2;
	int count = atoi(argv[3]), wanted = count < 0 ? 11 : 0;
	/* The first one loads the name service's libraries, which stay. */
	int r = one_session(argv[1], argv[2]);
	if (r != wanted) {
		fprintf(stderr, "first session: %d\n", r);
		return r != 0 ? r : 21;
	}
	describe(before, sizeof(before));
	for (int i = 1; i < abs(count); i++) {
		r = one_session(argv[1], argv[2]);
		if (r != wanted) {
			fprintf(stderr, "session %d: %d\n", i, r);
			return r != 0 ? r : 21;
		}
	}
	describe(after, sizeof(after));
	if (strcmp(before, after) != 0) {
		fprintf(stderr, "changed:\n%s\n%s\n", before, after);
		return 20;
	}
	puts(after);
	return 0;
}
