/* SPDX-License-Identifier: MIT */
/*
 * Many logins of one user at random, that end in every way in which a login can: closed, without a word, or killed at
 * any moment. usage: logins SERVICE USER COUNT SEED [hold]
 * With `hold` one login stays to the end, and every other must be in its session; without, the logins come in bursts,
 * and after each burst the session must be gone. Prints what it saw; status 0 when it was right.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE 6

enum ending { CLOSES, EXITS, IS_KILLED, CHILD_IS_KILLED, ENDINGS };

static const char *service, *user;
static int seen[2]; /* a pipe: each login's child writes the id of the session that it is in */

static int converse(int n, const struct pam_message **messages, struct pam_response **responses, void *data)
{
	(void)messages;
	(void)data;
	*responses = calloc((size_t)n, sizeof(**responses));
	return *responses == NULL ? PAM_BUF_ERR : PAM_SUCCESS;
}

static void pause_for(long milliseconds)
{
	const struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};

	nanosleep(&time, NULL);
}

/* What the user's process does: it says where it is. */
static void __attribute__((noreturn)) inside(long stays)
{
	char text[256] = "";
	int fd = open("/run/cloister/session", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		_exit(1);
	char *end = strchr(text, '\n');
	if (end == NULL)
		_exit(1);
	end[1] = '\0';
	if (write(seen[1], text, strlen(text)) < 0)
		_exit(1);
	pause_for(stays);
	_exit(0);
}

static void __attribute__((noreturn)) login(enum ending ending, long stays)
{
	const struct pam_conv conversation = {.conv = converse};
	pam_handle_t *pamh = NULL;
	int status = 0;

	if (pam_start(service, user, &conversation, &pamh) != PAM_SUCCESS || pam_open_session(pamh, 0) != PAM_SUCCESS)
		_exit(2);
	/* The pipe is for after exec, as a terminal is: the entry closes everything else there. */
	pid_t pid = fork();
	if (pid == 0)
		inside(stays);
	if (pid < 0)
		_exit(3);
	if (ending == CHILD_IS_KILLED)
		kill(pid, SIGKILL);
	if (ending == EXITS)
		_exit(0);
	if (waitpid(pid, &status, 0) != pid || (ending == CLOSES && status != 0))
		_exit(4);
	pam_close_session(pamh, 0);
	pam_end(pamh, PAM_SUCCESS);
	_exit(0);
}

static int inits(void)
{
	DIR *proc = opendir("/proc");
	int n = 0;

	for (const struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		char path[300], name[32] = "";

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		int fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		if (read(fd, name, sizeof(name) - 1) > 0 && strcmp(name, "cloister-init\n") == 0)
			n++;
		close(fd);
	}
	closedir(proc);
	return n;
}

/* How many control sockets init holds: its sockets, without both ends of the door. */
static int descriptors(void)
{
	char path[300], target[64];
	int n = -2;

	for (int tries = 0; tries < 500 && n != 1; tries++, pause_for(10)) {
		n = -2;
		FILE *pids = popen("pgrep -x cloister-init", "r");
		if (pids == NULL || fscanf(pids, "%63s", target) != 1)
			return -1;
		pclose(pids);
		snprintf(path, sizeof(path), "/proc/%s/fd", target);
		DIR *directory = opendir(path);
		for (const struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
			ssize_t size = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
			n += size > 7 && strncmp(target, "socket:", 7) == 0;
		}
		if (directory != NULL)
			closedir(directory);
	}
	printf("init holds %d control sockets\n", n);
	return n;
}

static bool all_gone(void)
{
	for (int i = 0; i < 1000; i++) {
		if (inits() == 0)
			return true;
		pause_for(10);
	}
	return false;
}

struct tally {
	long logins, ended[ENDINGS], refused, sessions;
	char last[256];
};

/* Reads the ids that came; counts changes of the session. */
static void note(struct tally *tally, FILE *ids, bool one)
{
	char line[256];

	while (fgets(line, sizeof(line), ids) != NULL) {
		tally->logins++;
		if (strcmp(line, tally->last) == 0)
			continue;
		if (one && *tally->last != '\0')
			printf("another session: %s after %s", line, tally->last);
		snprintf(tally->last, sizeof(tally->last), "%s", line);
		tally->sessions++;
	}
	clearerr(ids);
}

static pid_t start(enum ending ending, long stays)
{
	pid_t pid = fork();

	if (pid == 0)
		login(ending, stays);
	return pid;
}

static void burst(int n, struct tally *tally)
{
	pid_t pids[AT_ONCE];
	enum ending endings[AT_ONCE];

	for (int i = 0; i < n; i++) {
		endings[i] = (enum ending)(random() % ENDINGS);
		pids[i] = start(endings[i], random() % 20);
		tally->ended[endings[i]]++;
	}
	for (int i = 0; i < n; i++) {
		int status = 0;

		if (endings[i] == IS_KILLED) {
			pause_for(random() % 40);
			kill(pids[i], SIGKILL);
		}
		waitpid(pids[i], &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
			printf("a login ended with %d\n", WEXITSTATUS(status));
			tally->refused++;
		}
	}
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 64;
	service = argv[1];
	user = argv[2];
	long count = atol(argv[3]);
	bool hold = argc > 5, right = true;
	struct tally tally = {0};
	pid_t holder = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	srandom((unsigned)atol(argv[4]));
	if (pipe2(seen, O_CLOEXEC | O_NONBLOCK) < 0)
		return 65;
	FILE *ids = fdopen(seen[0], "r");
	if (hold) {
		holder = start(CLOSES, 3600L * 1000);
		for (int i = 0; i < 1000 && tally.logins == 0; i++) {
			pause_for(10);
			note(&tally, ids, true);
		}
	}
	for (long done = 0; done < count && right;) {
		int n = 1 + (int)(random() % AT_ONCE);

		burst(n, &tally);
		done += n;
		note(&tally, ids, hold);
		if (hold && (tally.sessions != 1 || inits() != 1))
			right = false;
		if (!hold && !all_gone())
			right = false;
	}
	printf("%ld closed, %ld exited, %ld killed, %ld with a killed child; %ld were inside, %ld sessions, %ld "
	       "refused\n",
	       tally.ended[CLOSES], tally.ended[EXITS], tally.ended[IS_KILLED], tally.ended[CHILD_IS_KILLED],
	       tally.logins, tally.sessions, tally.refused);
	if (hold) {
		printf("init %d\n", inits());
		right = right && descriptors() == 1;
		kill(holder, SIGKILL);
		waitpid(holder, NULL, 0);
	}
	right = right && all_gone() && tally.refused == 0;
	printf("%s\n", right ? "right" : "wrong");
	return right ? 0 : 1;
}
