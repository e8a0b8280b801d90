/* SPDX-License-Identifier: MIT */
/* cloister plan USER: what a session of this user would be, without making one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "cli.h"
#include "cloister/cgroup.h"
#include "cloister/cleanup.h"

static const char usage[] =
	"usage: cloister plan [--json] [--rootfs DIRECTORY] [--set KEY=VALUE]... [--config FILE] USER\n"
	"Prints which line of which file set each value, and in order everything that a session of USER would do. "
	"Changes "
	"nothing.\n"
	"Exit status: 0, or 125 when Cloister itself failed.\n";

static void print_settings(const struct cloister_setting *settings, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct cloister_config_entry *entry = settings[i].entry;

		printf("%-20s = %-30s ", settings[i].key, settings[i].value);
		if (entry == NULL)
			puts("default");
		else if (entry->section == CLOISTER_SECTION_DEFAULT)
			printf("%s:%u [default]\n", entry->file, entry->line);
		else
			printf("%s:%u [%s:%s]\n", entry->file, entry->line,
			       entry->section == CLOISTER_SECTION_USER ? "user" : "group", entry->name);
	}
	putchar('\n');
}

static json_object *json_settings(const struct cloister_setting *settings, size_t n)
{
	json_object *array = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		json_object *setting = json_object_new_object();

		json_object_object_add(setting, "key", json_object_new_string(settings[i].key));
		json_object_object_add(setting, "value", json_object_new_string(settings[i].value));
		if (settings[i].entry != NULL) {
			json_object_object_add(setting, "file", json_object_new_string(settings[i].entry->file));
			json_object_object_add(setting, "line", json_object_new_uint64(settings[i].entry->line));
		}
		json_object_array_add(array, setting);
	}
	return array;
}

static int print_json(const struct cloister_plan *plan, const struct cloister_setting *settings, size_t n)
{
	char _cleanup_free_ *text = cloister_plan_json(plan);
	json_object *object = text != NULL ? json_tokener_parse(text) : NULL;

	if (object == NULL)
		return -ENOMEM;
	json_object_object_add(object, "settings", json_settings(settings, n));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY));
	json_object_put(object);
	return 0;
}

static int print_text(const struct cloister_plan *plan, const struct cloister_setting *settings, size_t n)
{
	char _cleanup_free_ *text = cloister_plan_text(plan);

	if (text == NULL)
		return -ENOMEM;
	print_settings(settings, n);
	fputs(text, stdout);
	return 0;
}

static int print_plan(const struct cli_subject *subject, bool json)
{
	struct cloister_setting _cleanup_free_ *settings = NULL;
	ssize_t n = cloister_policy_explain(subject->config, subject->account, &settings);

	if (n < 0)
		return (int)n;
	if (!subject->policy->isolate)
		fprintf(stderr, "cloister: note: %s is not isolated (isolate = no); this is what a session would be\n",
		        subject->account->name);
	if (subject->policy->isolate && subject->policy->refuse != NULL)
		fprintf(stderr, "cloister: note: logins of %s are refused%s: %s\n", subject->account->name,
		        subject->policy->refuse_except_sftp ? ", but for the transfer of files" : "",
		        subject->policy->refuse);
	struct cloister_error err = {0};
	char line[2048];
	if (cloister_cgroup_check(subject->plan, &err) < 0)
		fprintf(stderr, "cloister: warning: the login would be refused: %s\n",
		        cloister_error_line(&err, line, sizeof(line)));
	int r = json ? print_json(subject->plan, settings, (size_t)n) : print_text(subject->plan, settings, (size_t)n);
	return r < 0 ? r : fflush(stdout) == 0 ? 0 : -EIO;
}

int cli_plan(int argc, char **argv)
{
	struct cli_subject subject = {0};
	struct cli_options options;
	struct cloister_error err = {0};

	int first = cli_options_parse(argc, argv, usage, true, &options);
	if (first < 0)
		return CLI_FAILED;
	options.user = argv[first];
	int r = options.user == NULL ? cloister_fail(&err, EINVAL, "plan", NULL, "name a user") : 0;
	if (r == 0)
		r = cli_subject_find(&options, &subject, &err);
	if (r == 0)
		r = cli_subject_plan(&subject, true, &err);
	if (r == 0 && print_plan(&subject, options.json) < 0)
		r = cloister_fail(&err, EIO, "plan", NULL, "cannot print");
	cli_subject_clear(&subject);
	free(options.settings);
	return r < 0 ? cli_fail(&err) : 0;
}
