/* SPDX-License-Identifier: MIT */
/*
 * What a session may use at most: limits of its cgroup (for all its processes together) and of each process
 * (getrlimit(2)). Plain data and its parsing; pure. What is done with it: cgroup.h, and entry.h for the processes.
 */
#ifndef CLOISTER_LIMITS_H
#define CLOISTER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOISTER_LIMIT_NONE UINT64_MAX
#define CLOISTER_CPU_MAX    48
#define CLOISTER_IO_MAX     512
#define CLOISTER_RLIMITS    12

struct cloister_rlimit {
	bool set;
	uint64_t soft, hard; /* CLOISTER_LIMIT_NONE: no limit, RLIM_INFINITY */
};

/* All zero: no limit at all. */
struct cloister_limits {
	uint64_t memory_max; /* bytes; 0: none */
	bool swap_limited;
	uint64_t swap_max;              /* bytes; 0 is no swap */
	uint64_t pids_max;              /* init included; 0: none */
	char cpu_max[CLOISTER_CPU_MAX]; /* as the kernel's cpu.max takes it; "": none */
	char io_max[CLOISTER_IO_MAX];   /* likewise, one line for each device */
	struct cloister_rlimit rlimits[CLOISTER_RLIMITS];
};

/* One of rlimits, by its index. */
struct cloister_rlimit_name {
	const char *key; /* of cloister.conf: "rlimit_nofile" */
	int resource;    /* RLIMIT_* */
	bool bytes;      /* it may have a suffix K, M, G or T */
};
extern const struct cloister_rlimit_name cloister_rlimit_names[CLOISTER_RLIMITS];

/* One file of the session's cgroup, where the limits want something written there. */
struct cloister_cgroup_setting {
	const char *controller; /* "memory" */
	const char *file;       /* "memory.max" */
	const char *key;        /* "memory_max" */
	char value[CLOISTER_IO_MAX];
};
#define CLOISTER_CGROUP_SETTINGS 5

/*
 * Sets one by its key and value ("memory_max", "2G"); max takes a limit away. *known: whether it is a key of limits.
 * Returns 0, or -EINVAL with the limit as it was.
 */
int cloister_limits_set(struct cloister_limits *limits, const char *key, const char *value, bool *known);

/* What has to be written where in a cgroup; how many there are. 0: the session needs no cgroup of its own. */
size_t cloister_limits_cgroup(const struct cloister_limits *limits,
                              struct cloister_cgroup_setting settings[CLOISTER_CGROUP_SETTINGS]);

/* "SOFT:HARD", as cloister.conf(5) has it; false where there is no limit. */
bool cloister_rlimit_text(const struct cloister_rlimit *limit, char *text, size_t size);

/* Whether the two ask for the same. */
bool cloister_limits_same(const struct cloister_limits *a, const struct cloister_limits *b);

/* Bytes with an optional suffix K, M, G or T (powers of 1024). 0 or -EINVAL. */
int cloister_limits_parse_bytes(const char *text, size_t length, uint64_t *bytes);

#endif
