/* SPDX-License-Identifier: MIT */
/*
 * What comes back over a control socket: the answer of a session's init or of a sandbox, an import's messages, the
 * words of a login that leaves, and a descriptor. None of them may be taken for a success that it is not. Input: a byte
 * says which of them, and how many descriptors come with it; then the bytes of the message.
 */
#include "cloister/control.h"
#include "cloister/descriptor.h"
#include "descriptors.h"
#include "image/messages.h"

static void check_error(int r, const struct cloister_error *err)
{
	char line[2048];

	FUZZ_REQUIRE(r < 0 && err->code == -r);
	cloister_error_line(err, line, sizeof(line));
	for (const char *c = line; *c != '\0'; c++)
		FUZZ_REQUIRE((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void check_answer(int control)
{
	struct cloister_error err = {0};
	int r = cloister_control_wait(control, 1000, &err);

	if (r != 0)
		check_error(r, &err);
}

/* As the importing process has it. */
static void check_import(int control)
{
	static struct image_message message;
	char digest[IMAGE_DIGEST_SIZE];
	struct cloister_error err = {0};

	memset(&message, 'x', sizeof(message));
	if (image_message_receive(control, &message) != 1)
		return;
	FUZZ_REQUIRE(strlen(message.digest) < sizeof(message.digest));
	(void)image_digest_parse(message.digest, digest);
	if (message.kind == IMAGE_MESSAGE_FAILED)
		check_error(cloister_fail(&err, message.error.code, message.error.step, message.error.path, "%s",
		                          message.error.text),
		            &err);
}

static void check_descriptor(int control)
{
	int fd = cloister_descriptor_receive(control);

	/* What is no descriptor of ours must not be taken for one: 0 to 2 are there already. */
	FUZZ_REQUIRE(fd < 0 || fd > 2);
	if (fd >= 0)
		FUZZ_REQUIRE(close(fd) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	unsigned kind = fuzz_byte(&input);
	size_t before = count_descriptors(), full = kind % 4 == 0 ? 1080 : sizeof(struct image_message);
	int pair[2], fds[8];
	char *message = calloc(1, input.left > full ? input.left : full);

	if (message == NULL)
		abort();
	memcpy(message, input.at, input.left);
	/* The two that have a size of their own get it, mostly. */
	size_t length = kind % 4 < 2 && !(kind & 128) ? full : input.left;
	socket_pair(pair);
	for (size_t i = 0; i < 8; i++)
		fds[i] = pair[0];
	send_with(pair[0], message, length, fds, kind / 4 % 8);
	free(message);
	close(pair[0]);
	if (kind % 4 == 0)
		check_answer(pair[1]);
	else if (kind % 4 == 1)
		check_import(pair[1]);
	else if (kind % 4 == 2)
		(void)cloister_control_bye(pair[1], pair[1]);
	else
		check_descriptor(pair[1]);
	close(pair[1]);
	FUZZ_REQUIRE(count_descriptors() == before);
	return 0;
}
