/* SPDX-License-Identifier: MIT */
/* Limits: from the words of cloister.conf(5) to the kernel's. */
#include "cloister/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "cloister/number.h"

#define PIDS_LIMIT 4194304 /* PID_MAX_LIMIT: pids.max takes no more */
/* cpu.max takes a period of 1 ms to 1 s, and at least 1 ms of it (kernel/sched/core.c, tg_set_cfs_bandwidth). */
#define CPU_LEAST       1000
#define CPU_MOST        1000000
#define CPU_PERIOD      100000
#define PROCESSORS_MOST 10000

/* core is no key: a session leaves no core file, whatever is asked for. locks and rss have no effect in Linux. */
const struct cloister_rlimit_name cloister_rlimit_names[CLOISTER_RLIMITS] = {
	{"rlimit_as", RLIMIT_AS, true},
	{"rlimit_cpu", RLIMIT_CPU, false},
	{"rlimit_data", RLIMIT_DATA, true},
	{"rlimit_fsize", RLIMIT_FSIZE, true},
	{"rlimit_memlock", RLIMIT_MEMLOCK, true},
	{"rlimit_msgqueue", RLIMIT_MSGQUEUE, true},
	{"rlimit_nice", RLIMIT_NICE, false},
	{"rlimit_nofile", RLIMIT_NOFILE, false},
	{"rlimit_nproc", RLIMIT_NPROC, false},
	{"rlimit_rtprio", RLIMIT_RTPRIO, false},
	{"rlimit_sigpending", RLIMIT_SIGPENDING, false},
	{"rlimit_stack", RLIMIT_STACK, true},
};

int cloister_limits_parse_bytes(const char *text, size_t length, uint64_t *bytes)
{
	static const char suffixes[] = "KMGT";
	const char *suffix = length > 0 ? memchr(suffixes, text[length - 1], sizeof(suffixes) - 1) : NULL;
	unsigned shift = suffix != NULL ? 10U * (unsigned)(suffix - suffixes + 1) : 0;
	uint64_t number;

	if (cloister_number_parse(text, length - (suffix != NULL), &number) < 0 || number > (UINT64_MAX >> shift))
		return -EINVAL;
	*bytes = number << shift;
	return 0;
}

static bool is_word(const char *text, size_t length, const char *word)
{
	return length == strlen(word) && memcmp(text, word, length) == 0;
}

/* A number, bytes or not, or max. */
static int parse_limit(const char *text, size_t length, bool bytes, uint64_t *out)
{
	uint64_t number;

	if (is_word(text, length, "max")) {
		*out = CLOISTER_LIMIT_NONE;
		return 0;
	}
	int r = bytes ? cloister_limits_parse_bytes(text, length, &number)
	              : cloister_number_parse(text, length, &number);
	if (r < 0 || number == CLOISTER_LIMIT_NONE)
		return -EINVAL;
	*out = number;
	return 0;
}

/* max: 0. */
static int set_positive(const char *value, bool bytes, uint64_t most, uint64_t *out)
{
	uint64_t number;

	if (parse_limit(value, strlen(value), bytes, &number) < 0 || number == 0)
		return -EINVAL;
	if (number == CLOISTER_LIMIT_NONE)
		number = 0;
	if (number > most)
		return -EINVAL;
	*out = number;
	return 0;
}

/* Init and, while the session begins, a child that makes its network. */
static int set_pids(struct cloister_limits *limits, const char *value)
{
	uint64_t number;
	int r = set_positive(value, false, PIDS_LIMIT, &number);

	if (r < 0 || number == 1)
		return -EINVAL;
	limits->pids_max = number;
	return 0;
}

static int set_swap(struct cloister_limits *limits, const char *value)
{
	uint64_t number;

	if (parse_limit(value, strlen(value), true, &number) < 0)
		return -EINVAL;
	limits->swap_limited = number != CLOISTER_LIMIT_NONE;
	limits->swap_max = limits->swap_limited ? number : 0;
	return 0;
}

/* "2" or "1.25" processors, in microseconds of a period. */
static int parse_processors(const char *value, uint64_t *most)
{
	size_t whole = strcspn(value, "."), digits = value[whole] == '.' ? strlen(value + whole + 1) : 0;
	uint64_t number, fraction = 0;

	if (cloister_number_parse(value, whole, &number) < 0 || number > PROCESSORS_MOST || digits > 2 ||
	    (value[whole] == '.' && cloister_number_parse(value + whole + 1, digits, &fraction) < 0))
		return -EINVAL;
	*most = number * CPU_PERIOD + fraction * (digits == 1 ? CPU_PERIOD / 10 : CPU_PERIOD / 100);
	return 0;
}

/* "max", a number of processors, or "MAX PERIOD" in microseconds. */
static int set_cpu(struct cloister_limits *limits, const char *value)
{
	size_t first = strcspn(value, " ");
	uint64_t most, period = CPU_PERIOD;
	int r;

	if (strcmp(value, "max") == 0) {
		limits->cpu_max[0] = '\0';
		return 0;
	}
	if (value[first] == '\0') {
		r = parse_processors(value, &most);
	} else {
		r = cloister_number_parse(value, first, &most);
		if (r == 0)
			r = cloister_number_parse(value + first + 1, strlen(value + first + 1), &period);
	}
	if (r < 0 || most < CPU_LEAST || most > UINT32_MAX || period < CPU_LEAST || period > CPU_MOST)
		return -EINVAL;
	snprintf(limits->cpu_max, sizeof(limits->cpu_max), "%" PRIu64 " %" PRIu64, most, period);
	return 0;
}

static bool is_device(const char *word, size_t length)
{
	const char *colon = memchr(word, ':', length);
	uint64_t number;

	return colon != NULL && cloister_number_parse(word, (size_t)(colon - word), &number) == 0 && number < 4096 &&
	       cloister_number_parse(colon + 1, length - (size_t)(colon + 1 - word), &number) == 0 && number < 1048576;
}

/* "wbps=10M": bytes may have a suffix, operations not. */
static int put_io_word(FILE *out, const char *word, size_t length)
{
	static const struct {
		const char *name;
		bool bytes;
	} names[] = {{"rbps=", true}, {"wbps=", true}, {"riops=", false}, {"wiops=", false}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		size_t n = strlen(names[i].name);
		uint64_t number;

		if (length <= n || memcmp(word, names[i].name, n) != 0)
			continue;
		if (parse_limit(word + n, length - n, names[i].bytes, &number) < 0 || number == 0)
			return -EINVAL;
		if (number == CLOISTER_LIMIT_NONE)
			fprintf(out, " %smax", names[i].name);
		else
			fprintf(out, " %s%" PRIu64, names[i].name, number);
		return 0;
	}
	return -EINVAL;
}

/* One device and what it may do: "8:0 wbps=10M riops=100". */
static int put_io_device(FILE *out, const char *text, size_t length)
{
	size_t words = 0;

	for (const char *at = text, *end = text + length; at < end;) {
		size_t n = 0;

		while (at < end && *at == ' ')
			at++;
		while (at + n < end && at[n] != ' ')
			n++;
		if (n == 0)
			break;
		if (words == 0 ? !is_device(at, n) : put_io_word(out, at, n) < 0)
			return -EINVAL;
		if (words == 0)
			fprintf(out, "%.*s", (int)n, at);
		words++;
		at += n;
	}
	return words > 1 ? 0 : -EINVAL;
}

static int set_io(struct cloister_limits *limits, const char *value)
{
	char text[CLOISTER_IO_MAX] = "";
	int r = 0;

	if (strcmp(value, "max") == 0) {
		limits->io_max[0] = '\0';
		return 0;
	}
	FILE *out = fmemopen(text, sizeof(text), "w");
	if (out == NULL)
		return -EINVAL;
	for (const char *at = value; r == 0; at++) {
		size_t n = strcspn(at, ",");

		r = put_io_device(out, at, n);
		at += n;
		if (*at == '\0')
			break;
		fputc('\n', out);
	}
	long length = ftell(out);
	if (fclose(out) != 0 || r < 0 || length <= 0 || (size_t)length >= sizeof(text) - 1)
		return -EINVAL;
	memcpy(limits->io_max, text, sizeof(text));
	return 0;
}

/* "SOFT:HARD", or one number for both. */
static int set_rlimit(const struct cloister_rlimit_name *name, const char *value, struct cloister_rlimit *out)
{
	size_t length = strcspn(value, ":");
	struct cloister_rlimit limit = {.set = true};

	if (parse_limit(value, length, name->bytes, &limit.soft) < 0)
		return -EINVAL;
	limit.hard = limit.soft;
	if (value[length] == ':' &&
	    parse_limit(value + length + 1, strlen(value + length + 1), name->bytes, &limit.hard) < 0)
		return -EINVAL;
	if (limit.soft > limit.hard)
		return -EINVAL;
	if (limit.soft == CLOISTER_LIMIT_NONE)
		limit.set = false;
	*out = limit;
	return 0;
}

int cloister_limits_set(struct cloister_limits *limits, const char *key, const char *value, bool *known)
{
	*known = true;
	if (strcmp(key, "memory_max") == 0)
		return set_positive(value, true, UINT64_MAX, &limits->memory_max);
	if (strcmp(key, "swap_max") == 0)
		return set_swap(limits, value);
	if (strcmp(key, "pids_max") == 0)
		return set_pids(limits, value);
	if (strcmp(key, "cpu_max") == 0)
		return set_cpu(limits, value);
	if (strcmp(key, "io_max") == 0)
		return set_io(limits, value);
	for (size_t i = 0; i < CLOISTER_RLIMITS; i++) {
		if (strcmp(key, cloister_rlimit_names[i].key) == 0)
			return set_rlimit(&cloister_rlimit_names[i], value, &limits->rlimits[i]);
	}
	*known = false;
	return 0;
}

static void add_number(struct cloister_cgroup_setting *settings, size_t *n, const char *controller, const char *file,
                       const char *key, bool limited, uint64_t number)
{
	if (!limited)
		return;
	settings[*n] = (struct cloister_cgroup_setting){.controller = controller, .file = file, .key = key};
	snprintf(settings[*n].value, sizeof(settings[*n].value), "%" PRIu64, number);
	*n += 1;
}

static void add_text(struct cloister_cgroup_setting *settings, size_t *n, const char *controller, const char *file,
                     const char *key, const char *text)
{
	if (*text == '\0')
		return;
	settings[*n] = (struct cloister_cgroup_setting){.controller = controller, .file = file, .key = key};
	snprintf(settings[*n].value, sizeof(settings[*n].value), "%s", text);
	*n += 1;
}

size_t cloister_limits_cgroup(const struct cloister_limits *limits,
                              struct cloister_cgroup_setting settings[CLOISTER_CGROUP_SETTINGS])
{
	size_t n = 0;

	add_number(settings, &n, "memory", "memory.max", "memory_max", limits->memory_max != 0, limits->memory_max);
	add_number(settings, &n, "memory", "memory.swap.max", "swap_max", limits->swap_limited, limits->swap_max);
	add_number(settings, &n, "pids", "pids.max", "pids_max", limits->pids_max != 0, limits->pids_max);
	add_text(settings, &n, "cpu", "cpu.max", "cpu_max", limits->cpu_max);
	add_text(settings, &n, "io", "io.max", "io_max", limits->io_max);
	return n;
}

bool cloister_limits_same(const struct cloister_limits *a, const struct cloister_limits *b)
{
	for (size_t i = 0; i < CLOISTER_RLIMITS; i++) {
		const struct cloister_rlimit *one = &a->rlimits[i], *other = &b->rlimits[i];

		if (one->set != other->set || (one->set && (one->soft != other->soft || one->hard != other->hard)))
			return false;
	}
	return a->memory_max == b->memory_max && a->swap_limited == b->swap_limited && a->swap_max == b->swap_max &&
	       a->pids_max == b->pids_max && strcmp(a->cpu_max, b->cpu_max) == 0 && strcmp(a->io_max, b->io_max) == 0;
}

bool cloister_rlimit_text(const struct cloister_rlimit *limit, char *text, size_t size)
{
	char hard[24] = "max";

	if (!limit->set)
		return false;
	if (limit->hard != CLOISTER_LIMIT_NONE)
		snprintf(hard, sizeof(hard), "%" PRIu64, limit->hard);
	snprintf(text, size, "%" PRIu64 ":%s", limit->soft, hard);
	return true;
}
