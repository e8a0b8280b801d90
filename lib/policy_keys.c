/* SPDX-License-Identifier: MIT */
/* The keys of cloister.conf(5): what each takes, and how a value becomes part of a policy. */
#include "policy_keys.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>

#include "cloister/cleanup.h"
#include "cloister/number.h"
#include "cloister/path.h"

#define TIMEOUT_MAX 600
/* What the kernel can number (NR_UNIX98_PTY_MAX). By default one session alone cannot take the 4,096 of a machine. */
#define PTYS_LIMIT 1048576
#define PTYS_MAX   1024

const struct cloister_key cloister_keys[] = {
	{"isolate", "yes | no", "no", false},
	{"rootfs", "/ | a directory | an image file", "/", false},
	{"writable", "overlay | tmpfs | no | direct", "overlay", false},
	{"writable_max", "BYTES", "none; 10% of the memory for a tmpfs", false},
	{"writable_files_max", "a number", "none; 400000 for a tmpfs", false},
	{"state", "a directory", "/var/lib/cloister/users/%U", false},
	{"home", "bind | private | tmpfs | none", "bind", false},
	{"bind", "SRC[:DST][:ro]", "none", true},
	{"tmpfs", "PATH[:size=BYTES][:files=N]", "/tmp, /run", true},
	{"mask", "a path", "none", true},
	{"network", "none | host | pasta | netns:NAME", "none", false},
	{"publish", "[ADDRESS/]PORT[:PORT]", "none", true},
	{"users", "same | root | host", "same", false},
	{"hostname", "text", "%H", false},
	{"shell", "a path inside", "the passwd shell, else /bin/sh", false},
	{"scope", "session | user", "session", false},
	{"linger", "no | yes | SECONDS", "no", false},
	{"capabilities", "none | names", "none", false},
	{"no_new_privs", "yes | no", "yes", false},
	{"seccomp", "default | none", "default", false},
	{"memory_max", "BYTES | max", "max", false},
	{"swap_max", "BYTES | max", "max", false},
	{"pids_max", "a number from 2 on | max", "max", false},
	{"cpu_max", "PROCESSORS | MAX PERIOD | max", "max", false},
	{"io_max", "MAJOR:MINOR WHAT=N...[, ...] | max", "max", false},
	{"ptys_max", "a number", "1024", false},
	{"rlimit_as", "SOFT[:HARD] in bytes | max", "max", false},
	{"rlimit_cpu", "SOFT[:HARD] | max", "max", false},
	{"rlimit_data", "SOFT[:HARD] in bytes | max", "max", false},
	{"rlimit_fsize", "SOFT[:HARD] in bytes | max", "max", false},
	{"rlimit_memlock", "SOFT[:HARD] in bytes | max", "max", false},
	{"rlimit_msgqueue", "SOFT[:HARD] in bytes | max", "max", false},
	{"rlimit_nice", "SOFT[:HARD] | max", "max", false},
	{"rlimit_nofile", "SOFT[:HARD] | max", "max", false},
	{"rlimit_nproc", "SOFT[:HARD] | max", "max", false},
	{"rlimit_rtprio", "SOFT[:HARD] | max", "max", false},
	{"rlimit_sigpending", "SOFT[:HARD] | max", "max", false},
	{"rlimit_stack", "SOFT[:HARD] in bytes | max", "max", false},
	{"entry", "auto | child | process", "auto", false},
	{"timeout", "SECONDS", "10", false},
	{"refuse", "a text of at most 255 bytes", "none", false},
	{"refuse_except", "none | sftp", "none", false},
	{"id_range", "auto | START:COUNT", "auto", false},
	{NULL, NULL, NULL, false},
};

static int wrong(struct cloister_error *err, const char *text)
{
	return cloister_fail(err, EINVAL, "configuration", NULL, "%s", text);
}

int cloister_policy_parse_bytes(const char *text, uint64_t *bytes)
{
	uint64_t number;

	if (cloister_limits_parse_bytes(text, strlen(text), &number) < 0 || number == 0)
		return -EINVAL;
	*bytes = number;
	return 0;
}

int cloister_policy_parse_number(const char *value, uint64_t least, uint64_t most, uint64_t *out)
{
	uint64_t number;

	if (cloister_number_parse(value, strlen(value), &number) < 0 || number < least || number > most)
		return -EINVAL;
	*out = number;
	return 0;
}

static int set_word(const char *value, const char *const *words, unsigned *out)
{
	for (unsigned i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], value) == 0) {
			*out = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_yes_no(const char *value, bool *out)
{
	static const char *const words[] = {"no", "yes", NULL};
	unsigned word;

	if (set_word(value, words, &word) < 0)
		return -EINVAL;
	*out = word == 1;
	return 0;
}

static void replace(char **text, char *with)
{
	free(*text);
	*text = with;
}

static int set_path(char **out, char *value)
{
	if (!cloister_path_is_plain(value))
		return -EINVAL;
	replace(out, strdup(value));
	return *out == NULL ? -ENOMEM : 0;
}

/* Letters, digits, '-' and '.', as hostname(7) has it. */
static int set_hostname(struct cloister_policy *policy, const char *value)
{
	size_t length = strlen(value);

	if (length == 0 || length > CLOISTER_HOST_NAME_SIZE || value[0] == '-' || value[0] == '.')
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)value[i]) && value[i] != '-' && value[i] != '.')
			return -EINVAL;
	}
	replace(&policy->hostname, strdup(value));
	return policy->hostname == NULL ? -ENOMEM : 0;
}

static int set_linger(struct cloister_policy *policy, const char *value)
{
	uint64_t seconds;
	bool yes;

	if (set_yes_no(value, &yes) == 0) {
		policy->linger = yes ? CLOISTER_LINGER_FOREVER : 0;
		return 0;
	}
	if (cloister_number_parse(value, strlen(value), &seconds) < 0 || seconds > INT32_MAX)
		return -EINVAL;
	policy->linger = (long)seconds;
	return 0;
}

static int set_capabilities(struct cloister_policy *policy, char *value)
{
	uint64_t set = 0;
	char *rest = NULL;

	if (*value == '\0')
		return -EINVAL;
	for (char *name = strtok_r(value, " ,\t", &rest); name != NULL; name = strtok_r(NULL, " ,\t", &rest)) {
		cap_value_t capability;

		if (strcmp(name, "none") == 0)
			continue;
		if (cap_from_name(name, &capability) < 0 || capability < 0 || capability > 63)
			return -EINVAL;
		set |= UINT64_C(1) << capability;
	}
	policy->capabilities = set;
	policy->capabilities_set = true;
	return 0;
}

static int set_id_range(struct cloister_policy *policy, const char *value)
{
	size_t length = strcspn(value, ":");
	uint64_t start, count;

	if (strcmp(value, "auto") == 0) {
		policy->id_base = 0;
		policy->id_count = 0;
		return 0;
	}
	if (value[length] != ':' || cloister_number_parse(value, length, &start) < 0 ||
	    cloister_number_parse(value + length + 1, strlen(value + length + 1), &count) < 0)
		return -EINVAL;
	/* The ids of real users must not be reachable by a shift, nor those that stay outside. */
	if (start < CLOISTER_ID_COUNT_DEFAULT || count < CLOISTER_ID_COUNT_DEFAULT || count > UINT32_MAX ||
	    start + count > CLOISTER_OUTSIDE_ID_BASE)
		return -EINVAL;
	policy->id_base = (uint32_t)start;
	policy->id_count = (uint32_t)count;
	return 0;
}

/* What the user is shown, in one line; an empty value takes back that of a less specific section. */
static int set_refuse(struct cloister_policy *policy, const char *value)
{
	if (strlen(value) >= CLOISTER_REFUSE_MAX)
		return -EINVAL;
	for (const char *at = value; *at != '\0'; at++) {
		if (iscntrl((unsigned char)*at))
			return -EINVAL;
	}
	replace(&policy->refuse, *value != '\0' ? strdup(value) : NULL);
	return *value != '\0' && policy->refuse == NULL ? -ENOMEM : 0;
}

/* Words in the order of their enumerations in policy.h. */
static const char *const writable_words[] = {"overlay", "tmpfs", "no", "direct", NULL};
static const char *const home_words[] = {"bind", "private", "tmpfs", "none", NULL};
static const char *const users_words[] = {"same", "root", "host", NULL};
static const char *const scope_words[] = {"session", "user", NULL};
static const char *const entry_words[] = {"auto", "child", "process", NULL};
static const char *const seccomp_words[] = {"none", "default", NULL};
static const char *const refuse_except_words[] = {"none", "sftp", NULL};

static int set_enumeration(struct cloister_policy *policy, const char *key, const char *value, bool *known)
{
	unsigned word = 0;
	int r;

	*known = true;
	if (strcmp(key, "writable") == 0) {
		r = set_word(value, writable_words, &word);
		policy->writable = r == 0 ? (enum cloister_writable)word : policy->writable;
	} else if (strcmp(key, "home") == 0) {
		r = set_word(value, home_words, &word);
		policy->home = r == 0 ? (enum cloister_home)word : policy->home;
	} else if (strcmp(key, "users") == 0) {
		r = set_word(value, users_words, &word);
		policy->users = r == 0 ? (enum cloister_users)word : policy->users;
	} else if (strcmp(key, "scope") == 0) {
		r = set_word(value, scope_words, &word);
		policy->scope = r == 0 ? (enum cloister_scope)word : policy->scope;
	} else if (strcmp(key, "entry") == 0) {
		r = set_word(value, entry_words, &word);
		policy->entry = r == 0 ? (enum cloister_entry_kind)word : policy->entry;
	} else if (strcmp(key, "seccomp") == 0) {
		r = set_word(value, seccomp_words, &word);
		policy->seccomp = r == 0 ? word == 1 : policy->seccomp;
	} else if (strcmp(key, "refuse_except") == 0) {
		r = set_word(value, refuse_except_words, &word);
		policy->refuse_except_sftp = r == 0 ? word == 1 : policy->refuse_except_sftp;
	} else if (strcmp(key, "isolate") == 0) {
		r = set_yes_no(value, &policy->isolate);
	} else if (strcmp(key, "no_new_privs") == 0) {
		r = set_yes_no(value, &policy->no_new_privs);
	} else {
		*known = false;
		r = 0;
	}
	return r;
}

static int set_other(struct cloister_policy *policy, const char *key, char *value,
                     const struct cloister_expansion *expansion)
{
	uint64_t number = 0;
	bool is_limit;
	int r;

	if (strcmp(key, "rootfs") == 0)
		return set_path(&policy->rootfs, value);
	if (strcmp(key, "state") == 0)
		return set_path(&policy->state, value);
	if (strcmp(key, "shell") == 0)
		return set_path(&policy->shell, value);
	if (strcmp(key, "bind") == 0)
		return cloister_policy_add_bind(policy, value, expansion);
	if (strcmp(key, "tmpfs") == 0)
		return cloister_policy_add_tmpfs(policy, value, expansion);
	if (strcmp(key, "mask") == 0)
		return cloister_policy_add_mask(policy, value, expansion);
	if (strcmp(key, "refuse") == 0)
		return set_refuse(policy, value);
	if (strcmp(key, "network") == 0)
		return cloister_policy_set_network(policy, value);
	if (strcmp(key, "publish") == 0)
		return cloister_policy_add_publish(policy, value);
	if (strcmp(key, "hostname") == 0)
		return set_hostname(policy, value);
	if (strcmp(key, "linger") == 0)
		return set_linger(policy, value);
	if (strcmp(key, "capabilities") == 0)
		return set_capabilities(policy, value);
	if (strcmp(key, "id_range") == 0)
		return set_id_range(policy, value);
	if (strcmp(key, "writable_max") == 0)
		return cloister_policy_parse_bytes(value, &policy->writable_max);
	if (strcmp(key, "writable_files_max") == 0)
		return cloister_policy_parse_number(value, 1, CLOISTER_FILES_LIMIT, &policy->writable_files_max);
	if (strcmp(key, "ptys_max") == 0)
		return cloister_policy_parse_number(value, 1, PTYS_LIMIT, &policy->ptys_max);
	r = cloister_limits_set(&policy->limits, key, value, &is_limit);
	if (is_limit)
		return r;
	r = cloister_policy_parse_number(value, 1, TIMEOUT_MAX, &number);
	if (r == 0)
		policy->timeout = (unsigned)number;
	return r;
}

static const struct cloister_key *find_key(const char *key)
{
	for (const struct cloister_key *known = cloister_keys; known->key != NULL; known++) {
		if (strcmp(known->key, key) == 0)
			return known;
	}
	return NULL;
}

int cloister_policy_set(struct cloister_policy *policy, const char *key, const char *value,
                        const struct cloister_expansion *expansion, struct cloister_error *err)
{
	const struct cloister_key *known = find_key(key);
	bool is_enumeration;

	if (known == NULL)
		return wrong(err, "unknown key");
	if (known->repeated && *value == '\0') {
		cloister_policy_clear_list(policy, key);
		return 0;
	}
	char _cleanup_free_ *expanded = cloister_policy_expand(value, expansion, err);
	if (expanded == NULL)
		return -EINVAL;
	int r = set_enumeration(policy, key, expanded, &is_enumeration);
	if (!is_enumeration)
		r = set_other(policy, key, expanded, expansion);
	if (r == -EINVAL)
		return cloister_fail(err, EINVAL, "configuration", NULL, "the value must be: %s", known->values);
	return r < 0 ? cloister_fail(err, -r, "configuration", NULL, "no memory") : 0;
}

struct cloister_policy *cloister_policy_defaults(const struct cloister_expansion *expansion, struct cloister_error *err)
{
	static const struct {
		const char *key, *value;
	} defaults[] = {{"rootfs", "/"},
	                {"state", "/var/lib/cloister/users/%U"},
	                {"tmpfs", "/tmp"},
	                {"tmpfs", "/run"},
	                {"hostname", "%H"}};
	struct cloister_policy *policy = calloc(1, sizeof(*policy));

	if (policy == NULL) {
		cloister_fail(err, ENOMEM, "configuration", NULL, "no memory");
		return NULL;
	}
	policy->no_new_privs = true;
	policy->seccomp = true;
	policy->timeout = 10;
	policy->ptys_max = PTYS_MAX;
	for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++) {
		if (cloister_policy_set(policy, defaults[i].key, defaults[i].value, expansion, err) < 0) {
			cloister_policy_free(policy);
			return NULL;
		}
	}
	return policy;
}

void cloister_policy_free(struct cloister_policy *policy)
{
	if (policy == NULL)
		return;
	cloister_policy_clear_list(policy, "bind");
	cloister_policy_clear_list(policy, "tmpfs");
	cloister_policy_clear_list(policy, "mask");
	cloister_policy_clear_list(policy, "publish");
	free(policy->binds);
	free(policy->tmpfs);
	free(policy->masks);
	free(policy->publish);
	free(policy->rootfs);
	free(policy->state);
	free(policy->network_name);
	free(policy->hostname);
	free(policy->shell);
	free(policy->refuse);
	free(policy);
}
