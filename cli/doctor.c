/* SPDX-License-Identifier: MIT */
/* cloister doctor [USER]: whether this machine can keep what a session promises, and what is weaker here and why. */
#include "doctor.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "cloister/cgroup.h"
#include "cloister/cleanup.h"
#include "cloister/pasta.h"

static const char usage[] =
	"usage: cloister doctor [--json] [--config FILE] [USER]\n"
	"Looks at the kernel and its settings, and, as root, starts a session of USER (nobody) that keeps nothing.\n"
	"Exit status: 0 when sessions can start, 1 when something is missing, 125 when Cloister itself failed.\n";

static const char *const state_names[] = {"ok", "note", "weaker", "missing"};

void doctor_say(struct doctor *doctor, enum doctor_state state, const char *what, const char *format, ...)
{
	char text[1024];
	va_list args;
	bool is_text;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	doctor->missing |= state == DOCTOR_MISSING;
	if (doctor->list == NULL) {
		printf("%s: %s%s %s\n", state_names[state], what, state == DOCTOR_OK ? "" : ":", text);
		return;
	}
	json_object *object = json_object_new_object();
	json_object_object_add(object, "state", json_object_new_string(state_names[state]));
	json_object_object_add(object, "what", cli_json_text(what, &is_text));
	json_object_object_add(object, "text", cli_json_text(text, &is_text));
	json_object_array_add(doctor->list, object);
}

/* A plan of the user's with these lines more; the subject is the caller's to clear. */
static int plan_with(const struct doctor *doctor, const char *user, char **settings, int n, struct cli_subject *subject,
                     struct cloister_error *err)
{
	const struct cli_options options = {.configuration = doctor->configuration,
	                                    .user = user,
	                                    .settings = settings,
	                                    .n_settings = n};
	int r = cli_subject_find(&options, subject, err);

	return r < 0 ? r : cli_subject_plan(subject, false, err);
}

static void look_at_limits(struct doctor *doctor, const char *user)
{
	static char memory[] = "memory_max = 1G", pids[] = "pids_max = 1000", cpu[] = "cpu_max = 1",
		    io[] = "io_max = 8:0 rbps=1000000";
	static const struct {
		const char *name;
		char *setting;
	} limits[] = {{"memory_max", memory}, {"pids_max", pids}, {"cpu_max", cpu}, {"io_max", io}};

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		struct cli_subject subject = {0};
		struct cloister_error err = {0};
		char *settings[] = {limits[i].setting};
		int r = plan_with(doctor, user, settings, 1, &subject, &err);

		if (r == 0)
			r = cloister_cgroup_check(subject.plan, &err);
		if (r == 0)
			doctor_say(doctor, DOCTOR_OK, limits[i].name, "can be set");
		else
			doctor_say(doctor, DOCTOR_NOTE, limits[i].name, "%s", err.text);
		cli_subject_clear(&subject);
	}
}

static void look_at_pasta(struct doctor *doctor)
{
	struct cloister_error err = {0};
	char line[1024];
	int _cleanup_close_ pasta = cloister_pasta_open(&err);

	if (pasta >= 0)
		doctor_say(doctor, DOCTOR_OK, "network = pasta", "can be set");
	else
		doctor_say(doctor, DOCTOR_NOTE, "network = pasta", "%s", cloister_error_line(&err, line, sizeof(line)));
}

/* The real thing: init verifies itself, and whoever enters is verified, as for any login. */
static void start_session(struct doctor *doctor, const char *user)
{
	static char writable[] = "writable = tmpfs", home[] = "home = none", network[] = "network = none",
		    scope[] = "scope = session", refuse[] = "refuse =", command[] = "/bin/true";
	char *settings[] = {writable, home, network, scope, refuse}, *argv[] = {command, NULL};
	struct cli_subject subject = {0};
	struct cloister_error err = {0};
	char line[1024], what[96];
	int status = 0;

	snprintf(what, sizeof(what), "a session of %s", user);
	int r = plan_with(doctor, user, settings, sizeof(settings) / sizeof(*settings), &subject, &err);
	if (r == 0)
		r = cli_run_command(&(struct cloister_run){.plan = subject.plan,
		                                           .account = subject.account,
		                                           .init_path = subject.init_path,
		                                           .limit = subject.plan->timeout,
		                                           .service = "cloister doctor"},
		                    argv, &status, &err);
	if (r < 0)
		doctor_say(doctor, DOCTOR_MISSING, what, "%s", cloister_error_line(&err, line, sizeof(line)));
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		doctor_say(doctor, DOCTOR_MISSING, what, "it ended with status %d instead of running %s",
		           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), command);
	else
		doctor_say(doctor, DOCTOR_OK, what, "was started, verified and ended");
	cli_subject_clear(&subject);
}

int cli_doctor(int argc, char **argv)
{
	struct cli_options options;
	struct doctor doctor = {0};
	struct utsname kernel;

	int first = cli_options_parse(argc, argv, usage, true, &options);
	if (first < 0 || argc - first > 1)
		return first < 0 ? CLI_FAILED : (fputs(usage, stderr), CLI_FAILED);
	const char *user = first < argc ? argv[first] : "nobody";
	free(options.settings);
	doctor.configuration = options.configuration;
	if (options.json)
		doctor.list = json_object_new_array();
	if (uname(&kernel) == 0)
		doctor_say(&doctor, DOCTOR_OK, kernel.sysname, "%s, cloister " CLOISTER_VERSION, kernel.release);
	doctor_kernel(&doctor);
	doctor_sysctls(&doctor);
	look_at_pasta(&doctor);
	if (geteuid() == 0) {
		look_at_limits(&doctor, user);
		start_session(&doctor, user);
	}
	if (doctor.list != NULL) {
		puts(json_object_to_json_string_ext(doctor.list, JSON_C_TO_STRING_PRETTY));
		json_object_put(doctor.list);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("cloister: doctor: cannot print\n", stderr);
		return CLI_FAILED;
	}
	return doctor.missing ? 1 : 0;
}
