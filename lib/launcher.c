/* SPDX-License-Identifier: MIT */
/* From cloister-sh to the user's shell, inside. */
#include "cloister/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/file_transfer.h"
#include "cloister/number.h"
#include "cloister/plan.h"
#include "cloister/privileges.h"
#include "cloister/root_users.h"

#define SESSION_FILE_MAX 8192

/* Whether an inode that the session file names is that of the caller's own namespace of a kind. */
static bool same_namespace(const char *text, const char *kind, const char *name)
{
	char path[40], key[16];
	uint64_t inode = 0;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	snprintf(key, sizeof(key), "ns.%s", name);
	return stat(path, &st) == 0 && cloister_number_of_key(text, key, &inode) == 0 && st.st_ino == inode;
}

static int line_of(const char *text, const char *key, char *value, size_t size)
{
	const char *line = strstr(text, key);

	if (line == NULL)
		return -ENOENT;
	line += strlen(key);
	int n = snprintf(value, size, "%.*s", (int)strcspn(line, "\n"), line);
	return n > 0 && (size_t)n < size ? 0 : -EINVAL;
}

/* "0 1500 1501" */
static int parse_groups(const char *text, struct cloister_inside *inside)
{
	for (const char *at = text; *at != '\0'; at += *at == ' ') {
		size_t length = strcspn(at, " ");
		uint64_t group;

		if (inside->n_root_groups == CLOISTER_ID_EXTENTS_MAX || cloister_number_parse(at, length, &group) < 0 ||
		    group >= UINT32_MAX)
			return -EINVAL;
		inside->root_groups[inside->n_root_groups++] = (gid_t)group;
		at += length;
	}
	return 0;
}

static int read_joining(const char *text, struct cloister_inside *inside)
{
	char groups[SESSION_FILE_MAX] = "";

	int r = line_of(text, "\nlogin_shell=", inside->login_shell, sizeof(inside->login_shell));
	if (r == 0)
		r = cloister_number_of_key(text, "root_capabilities", &inside->root_capabilities);
	if (r == 0)
		r = line_of(text, "\nroot_groups=", groups, sizeof(groups));
	return r < 0 ? r : parse_groups(groups, inside);
}

bool cloister_launcher_inside(struct cloister_inside *inside)
{
	/* Not "mnt": a login to a shared session may have a copy of its own, with its terminal in it. The pid namespace
	 * is always the session's, and nobody gets into that without the rest. */
	static const char *const kinds[] = {"pid", "net", "ipc", "uts", "cgroup"};
	char text[SESSION_FILE_MAX];
	uint64_t unused;
	int _cleanup_close_ fd = open(CLOISTER_SESSION_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!same_namespace(text, kinds[i], kinds[i]))
			return false;
	}
	*inside = (struct cloister_inside){.joins = false};
	if (same_namespace(text, "user", "user"))
		inside->joins = cloister_number_of_key(text, "ns.root", &unused) == 0;
	else if (!same_namespace(text, "user", "root"))
		return false;
	if (line_of(text, "\nshell=", inside->shell, sizeof(inside->shell)) < 0 || inside->shell[0] != '/')
		return false;
	if (strstr(text, "\nrefuse=") != NULL && line_of(text, "\nrefuse=", inside->refuse, sizeof(inside->refuse)) < 0)
		return false;
	return !inside->joins || read_joining(text, inside) == 0;
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

/* The login program's shell leads to the session's, with its name. */
static int exec_shell(const char *shell, char **argv, char **environment, struct cloister_error *err)
{
	const char *slash = strrchr(shell, '/');
	char _cleanup_free_ *name = NULL;
	char _cleanup_free_ *shell_variable = NULL;

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

/* dpkg(1) and adduser(8) look for what they need in root's PATH, and the login program set a user's. */
static int add_root_path(char **environment)
{
	static const char *const directories[] = {"/usr/local/sbin", "/usr/sbin", "/sbin"};

	while (*environment != NULL && strncmp(*environment, "PATH=", 5) != 0)
		environment++;
	for (size_t i = 0; *environment != NULL && i < sizeof(directories) / sizeof(*directories); i++) {
		char _cleanup_free_ *list = NULL;
		char _cleanup_free_ *entry = NULL;
		char *longer;

		if (asprintf(&list, ":%s:", *environment + 5) < 0 || asprintf(&entry, ":%s:", directories[i]) < 0)
			return -ENOMEM;
		if (strstr(list, entry) != NULL)
			continue;
		if (asprintf(&longer, "%s:%s", *environment, directories[i]) < 0)
			return -ENOMEM;
		/* The old one may be the kernel's; this process is replaced at once. */
		*environment = longer;
	}
	return 0;
}

static bool is_door(const char *path, const struct stat *self)
{
	struct stat st;

	return path != NULL && stat(path, &st) == 0 && st.st_dev == self->st_dev && st.st_ino == self->st_ino;
}

/* What the login program executed: by its name, or as the interpreter of a script, whose name is the first argument. */
static const char *door_program(char **argv, const struct stat *self)
{
	const char *path = (const char *)getauxval(AT_EXECFN);

	if (is_door(path, self))
		return path;
	return is_door(argv[0], self) ? argv[0] : NULL;
}

static int exec_through_door(const struct cloister_inside *inside, char **argv, char **environment,
                             struct cloister_error *err)
{
	const char *step = "join";
	struct stat self;

	if (stat("/proc/self/exe", &self) < 0)
		return cloister_fail(err, errno, "shell", "/proc/self/exe", "cannot stat");
	const char *program = door_program(argv, &self);
	if (program == NULL)
		return cloister_fail(err, ENOENT, "shell", argv[0], "the launcher stands for no program");
	int r = cloister_root_users_join(inside, &step);
	if (r < 0)
		return cloister_fail(err, -r, "users", NULL, "cannot become root of the session: %s", step);
	if (add_root_path(environment) < 0)
		return cloister_fail(err, ENOMEM, "shell", NULL, "no memory");
	if (strcmp(program, inside->login_shell) == 0 && strcmp(program, inside->shell) != 0)
		return exec_shell(inside->shell, argv, environment, err);
	/* For ever, otherwise. */
	if (is_door(program, &self))
		return cloister_fail(err, ELOOP, "shell", program, "leads to the launcher again");
	execve(program, argv, environment);
	return cloister_fail(err, errno, "shell", program, "cannot execute it");
}

/*
 * Logins are refused, and this session is there for the transfer of files: an SFTP server and nothing else. Without the
 * shell, and with an environment that no dynamic loader takes anything from.
 */
static int exec_transfer(const struct cloister_inside *inside, char **argv, char **environment,
                         struct cloister_error *err)
{
	struct cloister_transfer transfer;
	const char *step = "join";

	if (cloister_transfer_parse(argv, &transfer) < 0)
		return cloister_fail(err, EACCES, CLOISTER_REFUSED, NULL, "%s", inside->refuse);
	cloister_launcher_clean_environment(environment);
	int r = inside->joins ? cloister_root_users_join(inside, &step) : 0;
	if (r < 0)
		return cloister_fail(err, -r, "users", NULL, "cannot become root of the session: %s", step);
	execve(transfer.argv[0], transfer.argv, environment);
	return cloister_fail(err, errno, "shell", transfer.argv[0], "cannot execute it");
}

int cloister_launcher_exec(const struct cloister_inside *inside, char **argv, char **environment,
                           struct cloister_error *err)
{
	struct cloister_privileges now;
	struct stat self;

	int r = cloister_privileges_read(&now);
	if (r < 0)
		return cloister_fail(err, -r, "shell", NULL, "cannot read the capabilities");
	if (*inside->refuse != '\0')
		return exec_transfer(inside, argv, environment, err);
	if (inside->joins)
		return exec_through_door(inside, argv, environment, err);
	if (!now.no_new_privs && now.permitted != 0)
		return cloister_fail(err, EPERM, "shell", NULL,
		                     "the session has kept capabilities without no_new_privs");
	if (stat("/proc/self/exe", &self) == 0 && is_door(inside->shell, &self))
		return cloister_fail(err, ELOOP, "shell", inside->shell, "leads to the launcher again");
	return exec_shell(inside->shell, argv, environment, err);
}
