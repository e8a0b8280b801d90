/* SPDX-License-Identifier: MIT */
/* pam_cloister(8): the PAM glue. What is decided and done is the core's. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_modules.h>

#include <security/pam_ext.h>

#include "cloister/account.h"
#include "cloister/cleanup.h"
#include "cloister/image.h"
#include "cloister/policy.h"
#include "cloister/sshd_config.h"
#include "environment.h"
#include "move.h"
#include "open.h"
#include "tell.h"

#define DATA_NAME "cloister"

struct arguments {
	const char *configuration; /* NULL: the standard places */
	bool debug;
};

/* A cleanup function runs in every process that inherits the handle (pam_end with PAM_DATA_SILENT in sshd's child):
 * only the owner may act. */
static void cleanup(pam_handle_t *pamh, void *data, int error_status)
{
	struct cloister_open *open = data;

	(void)error_status;
	if (open->session->owner == getpid()) {
		cloister_open_close(open, NULL);
		cloister_tell_end(pamh, open);
	}
	cloister_open_free(open);
}

/*
 * sudo(8) takes PAM_SESSION_ERR for no reason to stop, and would go on with the user's command on the host. So ours is
 * PAM_SYSTEM_ERR; but of a required module before ours that has failed, too, the first answer counts. A process for one
 * command has nothing else to fork: it cannot any more. (cron's and sshd's end; of others nobody knows.)
 */
static int refuse_to_fork(pam_handle_t *pamh)
{
	const void *service = NULL;

	pam_get_item(pamh, PAM_SERVICE, &service);
	const struct cloister_program *program = cloister_program_find(service);
	if (program != NULL && program->terminal == CLOISTER_TERMINAL_RELAY) {
		int _cleanup_close_ closed = cloister_entry_closed_namespace();
		int r = closed < 0 ? closed : cloister_entry_children_in(closed);

		if (r < 0)
			pam_syslog(pamh, LOG_ERR, "the login process may still fork: %s", strerror(-r));
	}
	return PAM_SYSTEM_ERR;
}

static int refuse(pam_handle_t *pamh, struct cloister_audit *audit, const struct cloister_error *err)
{
	cloister_audit_refused(audit, err);
	cloister_tell(pamh, LOG_ERR, audit);
	pam_error(pamh, "Your session could not be started. Please tell the administrator.");
	return refuse_to_fork(pamh);
}

static int parse_arguments(int argc, const char **argv, struct arguments *arguments, struct cloister_error *err)
{
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "conf=/", 6) == 0)
			arguments->configuration = argv[i] + 5;
		else if (strcmp(argv[i], "debug") == 0)
			arguments->debug = true;
		else
			return cloister_fail(err, EINVAL, "arguments", argv[i],
			                     "pam_cloister.so knows conf=/FILE and debug");
	}
	return 0;
}

/* cloister-init beside this module, in a build tree; else where it is installed. */
static int find_init(char *path, size_t size)
{
	Dl_info info;
	const char *beside = dladdr((void *)(uintptr_t)&find_init, &info) != 0 ? info.dli_fname : NULL;

	return cloister_program_path("cloister-init", beside, path, size);
}

/* Maintenance: the administrator's own words, and no error of ours. */
static int refuse_for_maintenance(pam_handle_t *pamh, struct cloister_audit *audit,
                                  const struct cloister_policy *policy)
{
	struct cloister_error err = {0};

	cloister_fail(&err, EACCES, CLOISTER_REFUSED, NULL, "%s", policy->refuse);
	cloister_audit_refused(audit, &err);
	cloister_tell(pamh, LOG_NOTICE, audit);
	pam_error(pamh, "%s", policy->refuse);
	return refuse_to_fork(pamh);
}

static const struct cloister_program *find_program(pam_handle_t *pamh, const struct cloister_policy *policy)
{
	/* Whose its terminal is nobody knows: it is kept out, as su's. Without one it may be another cron. */
	static const struct cloister_program by_child = {"child", CLOISTER_TERMINAL_NONE, false, false};
	static const struct cloister_program by_child_at_a_terminal = {"child", CLOISTER_TERMINAL_RELAY, false, false};
	static const struct cloister_program by_process = {"process", CLOISTER_TERMINAL_RELAY, false, true};
	const void *service = NULL;

	pam_get_item(pamh, PAM_SERVICE, &service);
	const struct cloister_program *program = cloister_program_find(service);
	/* sshd is known to fork, and its monitor, with the host's keys, has no business inside. */
	if (program != NULL && (program->keeps_view || policy->entry != CLOISTER_ENTRY_PROCESS))
		return program;
	if (policy->entry != CLOISTER_ENTRY_CHILD)
		return &by_process;
	return cloister_terminal_fds() != 0 ? &by_child_at_a_terminal : &by_child;
}

/* sshd's child would fail at it inside, where it has no CAP_SYS_CHROOT, and has nobody to tell. */
static int refuse_chroot(pam_handle_t *pamh, const struct cloister_program *program, const char *user,
                         struct cloister_error *err)
{
	const void *address = NULL;
	char directory[PATH_MAX];

	if (!program->keeps_view || !cloister_sshd_mentions("ChrootDirectory"))
		return 0;
	pam_get_item(pamh, PAM_RHOST, &address);
	int r = cloister_sshd_value(user, address, "chrootdirectory", directory, sizeof(directory));
	if (r < 0)
		return cloister_fail(err, -r, "sshd", "/usr/sbin/sshd -T",
		                     "cannot tell whether ChrootDirectory holds for this login");
	if (strcmp(directory, "none") == 0)
		return 0;
	return cloister_fail(err, EOPNOTSUPP, "sshd", directory,
	                     "ChrootDirectory in sshd_config cannot hold for a user who is isolated: the session has "
	                     "a root of its own (rootfs)");
}

static int make_plan(const struct cloister_policy *policy, const struct cloister_account *account,
                     const struct cloister_program *program, const char *session_id, const char *init_path,
                     struct cloister_plan **plan, struct cloister_error *err)
{
	char terminal[PATH_MAX];
	struct cloister_plan_facts facts = {.privileged = true,
	                                    .session_id = session_id,
	                                    .terminal = cloister_program_terminal(program, terminal, sizeof(terminal)),
	                                    .init_path = init_path,
	                                    .image = cloister_rootfs_is_file(policy->rootfs, true),
	                                    .shell_check = true,
	                                    .moves = program->moves};

	struct cloister_mount_table _cleanup_mount_table_ *mounts = NULL;
	int r = cloister_id_range_find(policy, account, true, &facts.range, err);
	if (r == 0 && strcmp(policy->rootfs, "/") == 0)
		r = cloister_mount_table_load(&mounts, err);
	if (r < 0)
		return r;
	facts.mounts = mounts;
	if (*terminal != '\0')
		facts.terminal_path = terminal;
	return cloister_plan_build(policy, account, &facts, plan, err);
}

static void copy_item(pam_handle_t *pamh, int item, char *text, size_t size)
{
	const void *value = NULL;

	if (pam_get_item(pamh, item, &value) == PAM_SUCCESS && value != NULL)
		snprintf(text, size, "%s", (const char *)value);
}

/* For `cloister ls`, and the logs. */
static void describe_login(pam_handle_t *pamh, struct cloister_login *login)
{
	*login = (struct cloister_login){0};
	copy_item(pamh, PAM_SERVICE, login->service, sizeof(login->service));
	copy_item(pamh, PAM_TTY, login->tty, sizeof(login->tty));
	copy_item(pamh, PAM_RHOST, login->remote_host, sizeof(login->remote_host));
}

static int open_isolated(pam_handle_t *pamh, const struct cloister_policy *policy,
                         const struct cloister_account *account, const char *session_id,
                         const struct cloister_login *login, struct cloister_audit *audit, struct cloister_error *err)
{
	struct cloister_plan _cleanup_plan_ *plan = NULL;
	const struct cloister_program *program = find_program(pamh, policy);
	struct cloister_open *open = NULL;
	char init_path[PATH_MAX];

	if (cloister_move_was_made())
		return cloister_fail(
			err, EBUSY, "entry", NULL,
			"this process has been moved into a session (entry = process), and cannot come back");
	if (cloister_fork_is_armed())
		return cloister_fail(err, EBUSY, "entry", NULL,
		                     "this process has another session open: whose child would the next fork be?");
	int r = refuse_chroot(pamh, program, account->name, err);
	if (r == 0)
		r = find_init(init_path, sizeof(init_path));
	if (r == 0)
		r = make_plan(policy, account, program, session_id, init_path, &plan, err);
	if (r == 0 && cloister_environment_fit(pamh, plan) < 0)
		r = cloister_fail(err, ENOMEM, "environment", NULL, "pam_putenv failed");
	if (plan != NULL)
		cloister_audit_add_plan(audit, plan);
	if (r == 0)
		r = cloister_open_start(pamh, plan, program, init_path, login, &open, err);
	if (r < 0)
		return r;
	if (*open->changed != '\0')
		pam_syslog(pamh, LOG_NOTICE, "%s gets a session beside the one that is there: %s", account->name,
		           open->changed);
	cloister_audit_started(audit, open->joined ? CLOISTER_AUDIT_JOIN : CLOISTER_AUDIT_START, open->session);
	open->audit = *audit;
	/* Before a move: from inside no line reaches the host's syslog. */
	cloister_tell(pamh, LOG_INFO, audit);
	open->told = false;
	if (program->moves)
		r = cloister_move(pamh, open, err);
	if (r == 0 && pam_set_data(pamh, DATA_NAME, open, cleanup) != PAM_SUCCESS)
		r = cloister_fail(err, ENOMEM, "session", NULL, "pam_set_data failed");
	if (r < 0) {
		cloister_open_close(open, NULL);
		cloister_open_free(open);
	}
	return r;
}

PAM_EXTERN __attribute__((visibility("default"))) int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc,
                                                                          const char **argv)
{
	struct cloister_account _cleanup_account_ *account = NULL;
	struct cloister_policy _cleanup_policy_ *policy = NULL;
	struct cloister_error err = {0};
	struct arguments arguments = {0};
	struct cloister_login login;
	struct cloister_audit audit;
	char session_id[CLOISTER_SESSION_ID_MAX];
	const char *user = NULL;
	const void *already = NULL;

	(void)flags;
	/* Debian's su-l includes su's stack: the line may well be met twice in one. */
	if (pam_get_data(pamh, DATA_NAME, &already) == PAM_SUCCESS && already != NULL) {
		pam_syslog(pamh, LOG_NOTICE, "pam_cloister.so stands twice in this stack; the first line counts");
		return PAM_IGNORE;
	}
	if (pam_get_user(pamh, &user, NULL) != PAM_SUCCESS || user == NULL)
		return refuse_to_fork(pamh);
	describe_login(pamh, &login);
	cloister_audit_begin(&audit, "an unknown user", -1, &login);
	if (cloister_account_by_name(user, &account, &err) < 0)
		return refuse(pamh, &audit, &err);
	cloister_audit_begin(&audit, account->name, account->uid, &login);
	if (parse_arguments(argc, argv, &arguments, &err) < 0)
		return account->uid == 0 ? PAM_IGNORE : refuse(pamh, &audit, &err);
	if (cloister_session_new_id(account->name, session_id, &err) < 0)
		return account->uid == 0 ? PAM_IGNORE : refuse(pamh, &audit, &err);
	if (cloister_policy_for_login(arguments.configuration, account, session_id, &policy, &err) < 0)
		return refuse(pamh, &audit, &err);
	if (policy == NULL || !policy->isolate) {
		if (arguments.debug)
			pam_syslog(pamh, LOG_DEBUG, "%s is not isolated", user);
		return PAM_IGNORE;
	}
	if (policy->refuse != NULL) {
		/* What is asked for is known only inside, later: internal-sftp executes nothing, and whatever else sshd
		 * starts passes the launcher. No other program transfers files. */
		if (!policy->refuse_except_sftp || !find_program(pamh, policy)->keeps_view)
			return refuse_for_maintenance(pamh, &audit, policy);
		pam_syslog(pamh, LOG_NOTICE, "session for %s only to transfer files: refuse = %s", user,
		           policy->refuse);
		cloister_policy_transfer_only(policy);
	}
	if (open_isolated(pamh, policy, account, session_id, &login, &audit, &err) < 0)
		return refuse(pamh, &audit, &err);
	return PAM_SUCCESS;
}

PAM_EXTERN __attribute__((visibility("default"))) int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc,
                                                                           const char **argv)
{
	struct cloister_error err = {0};
	const void *data = NULL;
	char line[2048];

	(void)flags;
	(void)argc;
	(void)argv;
	if (pam_get_data(pamh, DATA_NAME, &data) != PAM_SUCCESS || data == NULL)
		return PAM_IGNORE;
	struct cloister_open *open = (struct cloister_open *)(uintptr_t)data;
	if (open->session->owner != getpid())
		return PAM_IGNORE;
	if (cloister_open_close(open, &err) < 0)
		pam_syslog(pamh, LOG_ERR, "session %s: %s", open->session->id,
		           cloister_error_line(&err, line, sizeof(line)));
	cloister_tell_end(pamh, open);
	/* The cleanup frees it; what it closes is closed already. */
	pam_set_data(pamh, DATA_NAME, NULL, NULL);
	return PAM_SUCCESS;
}

/* Debian's common-session stacks call setcred of session modules that also stand in auth; there is nothing to do. */
PAM_EXTERN __attribute__((visibility("default"))) int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc,
                                                                     const char **argv)
{
	(void)pamh;
	(void)flags;
	(void)argc;
	(void)argv;
	return PAM_IGNORE;
}
