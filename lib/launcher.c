/* SPDX-License-Identifier: MIT */
/* From cloister-sh to the user's shell, inside. */
#include "cloister/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/number.h"
#include "cloister/plan.h"
#include "cloister/privileges.h"

#define SESSION_FILE_MAX 8192

/* Whether the session file's inode of one kind of namespace is that of the caller's own. */
static bool same_namespace(const char *text, const char *kind)
{
	char path[40], key[16];
	uint64_t inode = 0;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	snprintf(key, sizeof(key), "ns.%s", kind);
	return stat(path, &st) == 0 && cloister_number_of_key(text, key, &inode) == 0 && st.st_ino == inode;
}

bool cloister_launcher_inside(char *shell, size_t size)
{
	static const char *const kinds[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
	char text[SESSION_FILE_MAX];
	int _cleanup_close_ fd = open(CLOISTER_SESSION_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!same_namespace(text, kinds[i]))
			return false;
	}
	const char *line = strstr(text, "\nshell=/");
	if (line == NULL)
		return false;
	snprintf(shell, size, "%.*s", (int)strcspn(line + 7, "\n"), line + 7);
	return true;
}

static bool belongs_to_login(const char *variable)
{
	static const char *const names[] = {"HOME",  "USER",      "LOGNAME",    "SHELL",        "PATH",
	                                    "TERM",  "COLORTERM", "LANG",       "LANGUAGE",     "TZ",
	                                    "MAIL",  "DISPLAY",   "XAUTHORITY", "EDITOR",       "VISUAL",
	                                    "PAGER", "LESS",      "KRB5CCNAME", "GIT_PROTOCOL", "NO_COLOR"};
	static const char *const prefixes[] = {"LC_", "SSH_", "XDG_"};
	size_t length = strcspn(variable, "=");

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strlen(names[i]) == length && strncmp(variable, names[i], length) == 0)
			return true;
	}
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

void cloister_launcher_clean_environment(char **environment)
{
	char **kept = environment;

	for (char **variable = environment; *variable != NULL; variable++) {
		if (belongs_to_login(*variable))
			*kept++ = *variable;
	}
	*kept = NULL;
}

int cloister_launcher_exec(const char *shell, char **argv, char **environment, struct cloister_error *err)
{
	const char *slash = strrchr(shell, '/');
	char _cleanup_free_ *name = NULL;
	char _cleanup_free_ *shell_variable = NULL;
	struct cloister_privileges now;

	int r = cloister_privileges_read(&now);
	if (r < 0)
		return cloister_fail(err, -r, "shell", NULL, "cannot read the capabilities");
	if (!now.no_new_privs && now.permitted != 0)
		return cloister_fail(err, EPERM, "shell", NULL,
		                     "the session has kept capabilities without no_new_privs");
	if (asprintf(&name, "%s%s", argv[0] != NULL && argv[0][0] == '-' ? "-" : "",
	             slash != NULL ? slash + 1 : shell) < 0 ||
	    asprintf(&shell_variable, "SHELL=%s", shell) < 0)
		return cloister_fail(err, ENOMEM, "shell", NULL, "no memory");
	for (char **variable = environment; *variable != NULL; variable++) {
		if (strncmp(*variable, "SHELL=", 6) == 0)
			*variable = shell_variable;
	}
	char *fallback[] = {name, NULL};
	if (argv[0] != NULL)
		argv[0] = name;
	execve(shell, argv[0] != NULL ? argv : fallback, environment);
	return cloister_fail(err, errno, "shell", shell, "cannot execute the shell");
}
