/* SPDX-License-Identifier: MIT */
/* What a fuzz target is made of: libFuzzer's entry points, and its bytes as lines. */
#ifndef CLOISTER_FUZZ_H
#define CLOISTER_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_ENTRY __attribute__((visibility("default")))

/* One input. Always 0. */
FUZZ_ENTRY int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Once, before the first input; only where a target has something to prepare. */
FUZZ_ENTRY int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What must hold for every input: an answer that is wrong is a finding, as a crash is. */
#define FUZZ_REQUIRE(condition)                                                                        \
	do {                                                                                           \
		if (!(condition)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                       \
		}                                                                                      \
	} while (0)

struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* A copy of exactly this size, so that a byte read behind its end is seen. */
static inline char *fuzz_copy(const void *bytes, size_t size)
{
	char *copy = malloc(size + 1);

	if (copy == NULL)
		abort();
	if (size > 0)
		memcpy(copy, bytes, size);
	copy[size] = '\0';
	return copy;
}

/* All that is left, as a text that ends. */
static inline char *fuzz_rest(struct fuzz_input *input)
{
	char *rest = fuzz_copy(input->at, input->left);

	input->at += input->left;
	input->left = 0;
	return rest;
}

/* What comes before the next separator, as a text; it ends at a NUL byte. The caller frees it. */
static inline char *fuzz_part(struct fuzz_input *input, char separator)
{
	const uint8_t *end = input->left > 0 ? memchr(input->at, separator, input->left) : NULL;
	size_t length = end != NULL ? (size_t)(end - input->at) : input->left;
	char *part = fuzz_copy(input->at, length);

	if (end != NULL)
		length++;
	input->at += length;
	input->left -= length;
	return part;
}

/* 0 when there is none left. */
static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

#endif
