/* SPDX-License-Identifier: MIT */
/*
 * The start message that init receives: bytes, descriptors, and the plan file behind the first one of them. Input: a
 * byte of flags, the number of descriptors, that of sources, the row of each source; then the plan file.
 */
#include <sys/mman.h>

#include "cloister/control.h"
#include "descriptors.h"

enum {
	UNSEALED = 1,     /* the plan file can still be written to */
	NO_EXEC_SEAL = 2, /* what a kernel with vm.memfd_noexec adds */
	OTHER_FILE = 4,   /* /dev/null in its place */
	OTHER_SIZE = 8,   /* of the message */
	OTHER_MAGIC = 16,
	RAW = 32,    /* the file is as in the input; else with a footer that is right */
	FILTER = 64, /* its last 8 bytes are a filter */
};

struct message {
	uint32_t magic, n_sources;
	uint16_t rows[CLOISTER_SOURCES_MAX];
};

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

static int plan_file(const struct fuzz_input *input, unsigned flags)
{
	uint32_t filter = (flags & FILTER) && input->left >= 8 ? 1 : 0;
	const uint32_t footer[2] = {(uint32_t)input->left - 8 * filter, filter};
	int fd = flags & OTHER_FILE ? open("/dev/null", O_RDWR | O_CLOEXEC)
	                            : memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	if (fd < 0 || write(fd, input->at, input->left) != (ssize_t)input->left ||
	    (!(flags & RAW) && write(fd, footer, sizeof(footer)) != (ssize_t)sizeof(footer)))
		abort();
	if (flags & NO_EXEC_SEAL)
		seals |= F_SEAL_EXEC;
	/* Before Linux 6.3 there is no such seal. */
	if (!(flags & (UNSEALED | OTHER_FILE)) && fcntl(fd, F_ADD_SEALS, seals) < 0 &&
	    fcntl(fd, F_ADD_SEALS, seals & ~F_SEAL_EXEC) < 0)
		abort();
	return fd;
}

static void close_start(struct cloister_start *start)
{
	for (size_t i = 0; i < start->plan->n_rows; i++) {
		if (start->sources[i] >= 0)
			FUZZ_REQUIRE(close(start->sources[i]) == 0);
	}
	FUZZ_REQUIRE(close(start->plan_file) == 0);
}

/* Whether a message of which nothing else is wrong brings this plan. */
static bool is_good(const struct fuzz_input *input, unsigned flags)
{
	struct cloister_plan *plan = NULL;
	size_t filter = (flags & FILTER) && input->left >= 8 ? 8 : 0;
	bool good = cloister_plan_decode(input->at, input->left - filter, &plan) == 0;

	cloister_plan_free(plan);
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	unsigned flags = fuzz_byte(&input);
	size_t n_fds = fuzz_byte(&input) % 8, before = count_descriptors();
	struct message message = {.magic = flags & OTHER_MAGIC ? 1 : 0x434c5332U};
	struct cloister_start start = {.plan_file = -1};
	int pair[2], fds[8];

	message.n_sources = fuzz_byte(&input);
	/* As a number that wraps, too. */
	message.n_sources = message.n_sources == 255 ? UINT32_MAX : message.n_sources;
	for (size_t i = 0; i < message.n_sources && i < 16; i++)
		message.rows[i] = fuzz_byte(&input);
	fds[0] = plan_file(&input, flags);
	for (size_t i = 1; i < 8; i++)
		fds[i] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	socket_pair(pair);
	send_with(pair[0], &message, sizeof(message) - (flags & OTHER_SIZE ? 2 : 0), fds, n_fds);
	for (size_t i = 0; i < 8; i++)
		close(fds[i]);
	close(pair[0]);

	int r = cloister_control_receive(pair[1], &start);
	FUZZ_REQUIRE(r <= 0);
	if (r == 0)
		close_start(&start);
	else if (n_fds == 1 && message.n_sources == 0 && (flags & ~(unsigned)(FILTER | NO_EXEC_SEAL)) == 0)
		FUZZ_REQUIRE(!is_good(&input, flags));
	cloister_start_clear(&start);
	close(pair[1]);
	FUZZ_REQUIRE(count_descriptors() == before);
	return 0;
}
