/* SPDX-License-Identifier: MIT */
/* What must hold for every plan, wherever it came from. */
#ifndef CLOISTER_FUZZ_PLAN_CHECK_H
#define CLOISTER_FUZZ_PLAN_CHECK_H

#include "cloister/path.h"
#include "cloister/plan.h"
#include "fuzz.h"

/* Its bytes are read back as the same bytes; it can be printed, and asked what it shows. */
static inline void plan_check(const struct cloister_plan *plan)
{
	void *bytes = NULL, *again = NULL;
	size_t size = 0, again_size = 0;
	struct cloister_plan *decoded = NULL;
	char what[256];

	FUZZ_REQUIRE(cloister_plan_encode(plan, &bytes, &size) == 0);
	FUZZ_REQUIRE(cloister_plan_decode(bytes, size, &decoded) == 0);
	FUZZ_REQUIRE(cloister_plan_encode(decoded, &again, &again_size) == 0);
	FUZZ_REQUIRE(size == again_size && memcmp(bytes, again, size) == 0);
	char *text = cloister_plan_text(decoded), *json = cloister_plan_json(decoded);
	FUZZ_REQUIRE(text != NULL && json != NULL);
	bool joins = cloister_plan_may_join(plan, decoded, what, sizeof(what));
	FUZZ_REQUIRE(joins == plan->shared);
	(void)cloister_plan_shows(decoded, "/etc/passwd");
	(void)cloister_plan_runtime_directory(decoded);
	free(text);
	free(json);
	free(bytes);
	free(again);
	cloister_plan_free(decoded);
}

/* A path that means what it says. In the name of a mount point of the host control characters are allowed. */
static inline bool is_direct(const char *path)
{
	char *text = fuzz_copy(path, strlen(path));

	for (char *c = text; *c != '\0'; c++)
		*c = (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c;
	/* PATH_MAX is the kernel's to refuse. */
	bool direct = strlen(text) >= 4096 || cloister_path_is_plain(text);
	free(text);
	return direct;
}

/* Of a plan that was computed: it ends with the look at what was done; paths lead nowhere else; it can be printed on a
 * terminal. */
static inline void plan_check_computed(const struct cloister_plan *plan)
{
	plan_check(plan);
	FUZZ_REQUIRE(plan->n_rows > 0 && plan->rows[plan->n_rows - 1].kind == CLOISTER_ROW_VERIFY);
	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct cloister_row *row = &plan->rows[i];

		FUZZ_REQUIRE(*row->target == '\0' || is_direct(row->target));
		FUZZ_REQUIRE(*row->source == '\0' || is_direct(row->source));
	}
	char *text = cloister_plan_text(plan);
	for (const char *c = text; *c != '\0'; c++)
		FUZZ_REQUIRE((unsigned char)*c >= ' ' ? *c != 0x7f : *c == '\n');
	free(text);
}

#endif
