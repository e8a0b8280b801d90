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

#define TIMEOUT_MAX    600
#define HOST_NAME_SIZE 64
#define FILES_LIMIT    INT64_MAX
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
	{"pids_max", "a number | max", "max", false},
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

static int parse_bytes(const char *text, uint64_t *bytes)
{
	uint64_t number;

	if (cloister_limits_parse_bytes(text, strlen(text), &number) < 0 || number == 0)
		return -EINVAL;
	*bytes = number;
	return 0;
}

static int set_bounded(const char *value, uint64_t least, uint64_t most, uint64_t *out)
{
	uint64_t number;

	if (cloister_number_parse(value, strlen(value), &number) < 0 || number < least || number > most)
		return -EINVAL;
	*out = number;
	return 0;
}

/* The kernel takes any text for the machine's name ("(none)", "my_host"), and nobody's login may depend on it. */
static void put_host_name(const char *name, FILE *out)
{
	size_t n = 0;

	for (; *name != '\0' && n < HOST_NAME_SIZE; name++) {
		bool plain = isalnum((unsigned char)*name);

		if (plain || n > 0) {
			fputc(plain || *name == '.' ? *name : '-', out);
			n++;
		}
	}
	if (n == 0)
		fputs("localhost", out);
}

/* Replaces %u %U %g %h %s %H %%; NULL with an error for another one. */
static char *expand(const char *value, const struct cloister_expansion *expansion, struct cloister_error *err)
{
	char *text = NULL;
	size_t size = 0;
	bool unknown = false;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL) {
		cloister_fail(err, ENOMEM, "configuration", NULL, "no memory");
		return NULL;
	}
	for (const char *at = value; !unknown && *at != '\0'; at++) {
		if (*at != '%') {
			fputc(*at, out);
			continue;
		}
		switch (*++at) {
		case 'u':
			fputs(expansion->account->name, out);
			break;
		case 'U':
			fprintf(out, "%u", expansion->account->uid);
			break;
		case 'g':
			fputs(expansion->group, out);
			break;
		case 'h':
			fputs(expansion->account->home, out);
			break;
		case 's':
			fputs(expansion->tokens->session_id, out);
			break;
		case 'H':
			put_host_name(expansion->tokens->host_name, out);
			break;
		case '%':
			fputc('%', out);
			break;
		default:
			unknown = true;
			break;
		}
	}
	if (fclose(out) != 0 || unknown) {
		free(text);
		cloister_fail(err, unknown ? EINVAL : ENOMEM, "configuration", NULL,
		              "the tokens are %%u %%U %%g %%h %%s %%H %%%%");
		return NULL;
	}
	return text;
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

static char *copy_origin(const struct cloister_expansion *expansion)
{
	return strdup(expansion->origin != NULL ? expansion->origin : "");
}

static int add_bind(struct cloister_policy *policy, char *value, const struct cloister_expansion *expansion)
{
	char *colon = strchr(value, ':');
	const char *target = value;
	struct cloister_bind bind = {0};
	size_t length = strlen(value);

	if (length > 3 && strcmp(value + length - 3, ":ro") == 0) {
		value[length - 3] = '\0';
		bind.read_only = true;
		colon = strchr(value, ':');
	}
	if (colon != NULL) {
		*colon = '\0';
		target = colon + 1;
	}
	if (!cloister_path_is_plain(value) || !cloister_path_is_plain(target) || strcmp(target, "/") == 0 ||
	    strchr(target, ':') != NULL)
		return -EINVAL;
	struct cloister_bind *binds = reallocarray(policy->binds, policy->n_binds + 1, sizeof(*binds));
	if (binds == NULL)
		return -ENOMEM;
	policy->binds = binds;
	bind.source = strdup(value);
	bind.target = strdup(target);
	bind.origin = copy_origin(expansion);
	binds[policy->n_binds++] = bind;
	return bind.source == NULL || bind.target == NULL || bind.origin == NULL ? -ENOMEM : 0;
}

/* Takes ":KEY=REST" off the end of the value; NULL where it is not there. */
static char *take_suffix(char *value, const char *key)
{
	char *at = strstr(value, key);

	if (at == NULL)
		return NULL;
	*at = '\0';
	return at + strlen(key);
}

static int add_tmpfs(struct cloister_policy *policy, char *value, const struct cloister_expansion *expansion)
{
	const char *files = take_suffix(value, ":files=");
	const char *size = take_suffix(value, ":size=");
	struct cloister_tmpfs tmpfs = {0};

	if (files != NULL && set_bounded(files, 1, FILES_LIMIT, &tmpfs.files) < 0)
		return -EINVAL;
	if (size != NULL && parse_bytes(size, &tmpfs.size) < 0)
		return -EINVAL;
	if (!cloister_path_is_plain(value) || strcmp(value, "/") == 0)
		return -EINVAL;
	struct cloister_tmpfs *list = reallocarray(policy->tmpfs, policy->n_tmpfs + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	policy->tmpfs = list;
	tmpfs.path = strdup(value);
	tmpfs.origin = copy_origin(expansion);
	list[policy->n_tmpfs++] = tmpfs;
	return tmpfs.path == NULL || tmpfs.origin == NULL ? -ENOMEM : 0;
}

static int add_mask(struct cloister_policy *policy, const char *value, const struct cloister_expansion *expansion)
{
	if (!cloister_path_is_plain(value) || strcmp(value, "/") == 0)
		return -EINVAL;
	struct cloister_mask *masks = reallocarray(policy->masks, policy->n_masks + 1, sizeof(*masks));
	if (masks == NULL)
		return -ENOMEM;
	policy->masks = masks;
	struct cloister_mask *mask = &masks[policy->n_masks++];
	*mask = (struct cloister_mask){.path = strdup(value), .origin = copy_origin(expansion)};
	return mask->path == NULL || mask->origin == NULL ? -ENOMEM : 0;
}

void cloister_policy_clear_list(struct cloister_policy *policy, const char *key)
{
	if (strcmp(key, "bind") == 0) {
		for (size_t i = 0; i < policy->n_binds; i++) {
			free(policy->binds[i].source);
			free(policy->binds[i].target);
			free(policy->binds[i].origin);
		}
		policy->n_binds = 0;
	} else if (strcmp(key, "tmpfs") == 0) {
		for (size_t i = 0; i < policy->n_tmpfs; i++) {
			free(policy->tmpfs[i].path);
			free(policy->tmpfs[i].origin);
		}
		policy->n_tmpfs = 0;
	} else if (strcmp(key, "mask") == 0) {
		for (size_t i = 0; i < policy->n_masks; i++) {
			free(policy->masks[i].path);
			free(policy->masks[i].origin);
		}
		policy->n_masks = 0;
	} else if (strcmp(key, "publish") == 0) {
		for (size_t i = 0; i < policy->n_publish; i++)
			free(policy->publish[i]);
		policy->n_publish = 0;
	}
}

/* Letters, digits, '-' and '.', as hostname(7) has it. */
static int set_hostname(struct cloister_policy *policy, const char *value)
{
	size_t length = strlen(value);

	if (length == 0 || length > HOST_NAME_SIZE || value[0] == '-' || value[0] == '.')
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
	/* The ids of real users must not be reachable by a shift, and 4294967295 is no id. */
	if (start < CLOISTER_ID_COUNT_DEFAULT || count < CLOISTER_ID_COUNT_DEFAULT || count > UINT32_MAX ||
	    start + count > UINT32_MAX)
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
		return add_bind(policy, value, expansion);
	if (strcmp(key, "tmpfs") == 0)
		return add_tmpfs(policy, value, expansion);
	if (strcmp(key, "mask") == 0)
		return add_mask(policy, value, expansion);
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
		return parse_bytes(value, &policy->writable_max);
	if (strcmp(key, "writable_files_max") == 0)
		return set_bounded(value, 1, FILES_LIMIT, &policy->writable_files_max);
	if (strcmp(key, "ptys_max") == 0)
		return set_bounded(value, 1, PTYS_LIMIT, &policy->ptys_max);
	r = cloister_limits_set(&policy->limits, key, value, &is_limit);
	if (is_limit)
		return r;
	r = set_bounded(value, 1, TIMEOUT_MAX, &number);
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
	char _cleanup_free_ *expanded = expand(value, expansion, err);
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
