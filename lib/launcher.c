/* SPDX-License-Identifier: MIT */
/* From cloister-sh to the user's shell, inside. */
#include "cloister/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/plan.h"
#include "cloister/privileges.h"

#define SESSION_FILE_MAX 8192

static bool namespace_is(const char *name, unsigned long long inode)
{
	char path[40];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return stat(path, &st) == 0 && st.st_ino == inode;
}

bool cloister_launcher_inside(char *shell, size_t size)
{
	char text[SESSION_FILE_MAX];
	char *rest = NULL;
	size_t matched = 0;
	int _cleanup_close_ fd = open(CLOISTER_SESSION_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	*shell = '\0';
	for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		char name[16];
		unsigned long long inode;

		if (strncmp(line, "shell=", 6) == 0)
			snprintf(shell, size, "%s", line + 6);
		if (sscanf(line, "ns.%15[a-z]=%llu", name, &inode) != 2)
			continue;
		if (!namespace_is(name, inode))
			return false;
		matched++;
	}
	return matched >= 7 && *shell == '/';
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
