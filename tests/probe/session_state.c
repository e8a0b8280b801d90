/* SPDX-License-Identifier: MIT */
/*
 * What a session is, as the user's first program sees it: one line each, the same for each good session of one kind.
 * Numbers of namespaces and processes are not: whoever reads this replaces the former, and the latter are left out.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

extern char **environ;

static void print_namespaces(void)
{
	const char *const kinds[] = {"user", "mnt", "pid", "uts", "ipc", "cgroup", "net"};
	char path[64], link[64];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = '\0';
		printf("namespace %s\n", link);
	}
}

static void print_status(const char *who)
{
	const char *const wanted[] = {"Uid:",     "Gid:",    "Groups:", "Cap",    "NoNewPrivs:",
	                              "Seccomp:", "SigBlk:", "SigIgn:", "Umask:", "CoreDumping"};
	char path[64], line[512];

	snprintf(path, sizeof(path), "/proc/%s/status", who);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		printf("status %s: %s\n", who, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
			if (strncmp(line, wanted[i], strlen(wanted[i])) == 0)
				printf("status %s %s", who, line);
		}
	}
	fclose(file);
}

static void print_self(void)
{
	struct rlimit core = {1, 1};
	struct utsname names = {0};
	struct statfs fs = {0};
	struct stat root = {0}, up = {0};
	char cwd[512] = "?";

	getrlimit(RLIMIT_CORE, &core);
	uname(&names);
	stat("/", &root);
	stat("/..", &up);
	statfs("/", &fs);
	printf("core %llu %llu\n", (unsigned long long)core.rlim_cur, (unsigned long long)core.rlim_max);
	printf("host %s %s\n", names.nodename, names.domainname);
	printf("root type %lx, .. is /: %d, cwd %s\n", (long)fs.f_type,
	       root.st_ino == up.st_ino && root.st_dev == up.st_dev,
	       getcwd(cwd, sizeof(cwd)) != NULL ? cwd : strerror(errno));
	printf("securebits %d dumpable %d parent death %d\n", prctl(PR_GET_SECUREBITS), prctl(PR_GET_DUMPABLE),
	       getppid() != 0);
}

static void print_network(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		printf("lo: %s\n", strerror(errno));
	else
		printf("lo flags %x\n", (unsigned)request.ifr_flags & IFF_UP);
	close(fd);
}

/* Numbers as #: those of sessions, devices and processes differ from one session to the next. */
static void print_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if (isdigit((unsigned char)*text)) {
			if (!isdigit((unsigned char)text[1]))
				putchar('#');
		} else {
			putchar(*text);
		}
	}
}

static void print_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	struct dirent *entry;
	char link[512];

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(directory))
			continue;
		ssize_t n = readlinkat(dirfd(directory), entry->d_name, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = '\0';
		printf("descriptor %s ", entry->d_name);
		print_plain(link);
		putchar('\n');
	}
	if (directory != NULL)
		closedir(directory);
}

/* Where, options, type, and, which none should have, propagation. */
static void print_mounts(void)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file = fopen("/proc/self/mountinfo", "re");

	while (file != NULL && getline(&line, &size, file) > 0) {
		char *save = NULL, *field = strtok_r(line, " ", &save), *options = NULL;
		bool after = false;

		for (int i = 1; field != NULL; i++, field = strtok_r(NULL, " ", &save)) {
			if (i == 5)
				printf("mount %s", field);
			else if (i == 6)
				options = field;
			else if (i > 6 && after) {
				printf(" %s %s\n", options, field);
				break;
			} else if (i > 6 && strcmp(field, "-") == 0)
				after = true;
			else if (i > 6)
				printf(" propagated");
		}
	}
	if (file != NULL)
		fclose(file);
	free(line);
}

static void print_file(const char *path)
{
	char line[512];
	struct stat st = {0};
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		printf("file %s: %s\n", path, strerror(errno));
		return;
	}
	fstat(fileno(file), &st);
	printf("file %s %o %u %u\n", path, st.st_mode, st.st_uid, st.st_gid);
	while (fgets(line, sizeof(line), file) != NULL) {
		printf("file %s ", path);
		print_plain(line);
		if (strchr(line, '\n') == NULL)
			putchar('\n');
	}
	fclose(file);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Without what is in it: whoever works on the machine below the test host's overlays may put something there. */
static void print_place(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		printf("place %s %o %u %u\n", path, st.st_mode, st.st_uid, st.st_gid);
	else
		printf("place %s: %s\n", path, strerror(errno));
}

static void print_directory(const char *path)
{
	struct dirent **names = NULL;
	struct stat st;
	int n = scandir(path, &names, NULL, by_name), fd = open(path, O_PATH | O_CLOEXEC);

	if (n < 0)
		printf("directory %s: %s\n", path, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (strcmp(names[i]->d_name, "..") != 0 && fstatat(fd, names[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			printf("in %s %s %o %u %u\n", path, names[i]->d_name, st.st_mode, st.st_uid, st.st_gid);
		free(names[i]);
	}
	free(names);
	close(fd);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_environment(void)
{
	size_t n = 0;

	while (environ[n] != NULL)
		n++;
	qsort(environ, n, sizeof(*environ), by_text);
	for (size_t i = 0; i < n; i++)
		printf("environment %s\n", environ[i]);
}

/* "-c stay": as the shell of a login that others are to join. */
static void stay(void)
{
	printf("up\n");
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *const files[] = {"/etc/passwd",
	                             "/etc/group",
	                             "/etc/hostname",
	                             "/etc/hosts",
	                             "/etc/resolv.conf",
	                             "/proc/kcore",
	                             "/proc/keys",
	                             "/proc/sysrq-trigger",
	                             "/tmp/canary",
	                             "/run/canary",
	                             "/root/canary",
	                             "/run/cloister/session",
	                             "/proc/sys/kernel/hostname"};
	const char *const directories[] = {"/dev",  "/dev/pts", "/tmp",       "/run",
	                                   "/root", "/home",    "/proc/scsi", "/sys/firmware"};

	const char *const places[] = {"/", "/etc", "/usr", "/var", "/opt", "/sys", "/proc/sys", "/proc/self"};

	if (argc == 3 && strcmp(argv[2], "stay") == 0)
		stay();
	print_namespaces();
	print_status("self");
	print_status("1");
	print_self();
	print_network();
	print_descriptors();
	print_mounts();
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		print_file(files[i]);
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		print_directory(directories[i]);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		print_place(places[i]);
	print_environment();
	printf("end\n");
	return 0;
}
