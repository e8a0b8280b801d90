/* SPDX-License-Identifier: MIT */
/* The plan as bytes: what init reads. */
#include "cloister/image.h"
#include "plan_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cloister_plan *plan = NULL;
	int r = cloister_plan_decode(data, size, &plan);

	FUZZ_REQUIRE(r == 0 ? plan != NULL : plan == NULL);
	if (r < 0)
		return 0;
	void *bytes = NULL;
	size_t length = 0;
	FUZZ_REQUIRE(cloister_plan_encode(plan, &bytes, &length) == 0);
	/* There is one way to write a plan. */
	FUZZ_REQUIRE(length == size && memcmp(bytes, data, size) == 0);
	free(bytes);
	plan_check(plan);
	(void)cloister_plan_image(plan);
	cloister_plan_free(plan);
	return 0;
}
