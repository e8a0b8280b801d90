/* SPDX-License-Identifier: MIT */
/* Messages between the login process and init. */
#include "cloister/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cloister/cleanup.h"
#include "cloister/clock.h"

#define START_MAGIC   0x434c5332U
#define PLAN_SIZE_MAX (8U * 1024U * 1024U)
#define FILTER_SIZE   8U /* sizeof(struct sock_filter) */
#define FILTER_MAX    4096U
#define ANSWER_MAGIC  0x434c5333U

#define SEALS         (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* A plan file is the plan, the filter, and this. */
struct plan_footer {
	uint32_t plan_size;
	uint32_t seccomp_length;
};

struct start_message {
	uint32_t magic;
	uint32_t n_sources;
	uint16_t rows[CLOISTER_SOURCES_MAX]; /* the row that each source is for */
};

struct answer_message {
	uint32_t magic;
	int32_t code;
	char step[CLOISTER_ERROR_STEP_MAX];
	char path[CLOISTER_ERROR_PATH_MAX];
	char text[CLOISTER_ERROR_TEXT_MAX];
};

static int write_whole(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* A sealed memfd: init can rely on what it read, and the size of a plan is not bound to a socket buffer. */
static int plan_file(const struct cloister_plan *plan, const void *seccomp, uint16_t seccomp_length)
{
	void _cleanup_free_ *bytes = NULL;
	size_t size = 0;
	int r = cloister_plan_encode(plan, &bytes, &size);

	if (r < 0)
		return r;
	if (size > PLAN_SIZE_MAX)
		return -E2BIG;
	const struct plan_footer footer = {.plan_size = (uint32_t)size, .seccomp_length = seccomp_length};
	int _cleanup_close_ fd = memfd_create("cloister-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	r = write_whole(fd, bytes, size);
	if (r == 0)
		r = write_whole(fd, seccomp, (size_t)seccomp_length * FILTER_SIZE);
	if (r == 0)
		r = write_whole(fd, &footer, sizeof(footer));
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* At most CLOISTER_SOURCES_MAX + 1 of them. As sendmsg(2), which such a socket carries out whole or not at all. */
static ssize_t send_with_descriptors(int control, const void *bytes, size_t size, const int *fds, size_t n_fds)
{
	union {
		char bytes[CMSG_SPACE((CLOISTER_SOURCES_MAX + 1) * sizeof(int))];
		struct cmsghdr align;
	} ancillary;
	struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr header = {.msg_iov = &vector,
	                        .msg_iovlen = 1,
	                        .msg_control = ancillary.bytes,
	                        .msg_controllen = CMSG_SPACE(n_fds * sizeof(int))};
	ssize_t n;

	memset(&ancillary, 0, sizeof(ancillary));
	struct cmsghdr *cmsg = &ancillary.align;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
	do {
		n = sendmsg(control, &header, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n;
}

int cloister_control_send(int control, const struct cloister_plan *plan, const int *sources, const void *seccomp,
                          uint16_t seccomp_length, struct cloister_error *err)
{
	struct start_message message = {.magic = START_MAGIC};
	int fds[CLOISTER_SOURCES_MAX + 1];

	for (size_t i = 0; i < plan->n_rows; i++) {
		if (sources[i] < 0)
			continue;
		if (message.n_sources == CLOISTER_SOURCES_MAX)
			return cloister_fail(err, E2BIG, "plan", NULL, "more than %d mounts come from the host",
			                     CLOISTER_SOURCES_MAX);
		message.rows[message.n_sources] = (uint16_t)i;
		fds[++message.n_sources] = sources[i];
	}
	int _cleanup_close_ file = plan_file(plan, seccomp, seccomp_length);
	if (file < 0)
		return cloister_fail(err, -file, "plan", NULL, "cannot write the plan for init");
	fds[0] = file;

	ssize_t n = send_with_descriptors(control, &message, sizeof(message), fds, message.n_sources + 1);
	if (n != (ssize_t)sizeof(message))
		return cloister_fail(err, n < 0 ? errno : EIO, "init", NULL, "cannot send the plan to init");
	return 0;
}

void cloister_control_leave(int control, const int *fds, size_t n)
{
	const char word = CLOISTER_WORD_LEAVE;

	(void)send_with_descriptors(control, &word, 1, fds, n);
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

/* Receives the message and its descriptors; fds has room for CLOISTER_SOURCES_MAX + 2. Returns their number or -errno.
 */
static int receive_message(int control, struct start_message *message, int *fds)
{
	union {
		char bytes[CMSG_SPACE((CLOISTER_SOURCES_MAX + 1) * sizeof(int))];
		struct cmsghdr align;
	} ancillary;
	struct iovec vector = {.iov_base = message, .iov_len = sizeof(*message)};
	struct msghdr header = {.msg_iov = &vector,
	                        .msg_iovlen = 1,
	                        .msg_control = ancillary.bytes,
	                        .msg_controllen = sizeof(ancillary.bytes)};
	ssize_t n;

	do {
		n = recvmsg(control, &header, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
	size_t count = 0;
	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cmsg), count * sizeof(int));
	}
	if (n == sizeof(*message) && !(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && count > 0)
		return (int)count;
	close_all(fds, count);
	return n == 0 ? -ECONNRESET : -EBADMSG;
}

int cloister_plan_file_read(int file, struct cloister_plan **plan, void **seccomp, uint16_t *seccomp_length)
{
	struct plan_footer footer;
	struct stat st;

	int seals = fcntl(file, F_GET_SEALS);

	/* Sealed, it is what the login process wrote, and neither a wait nor a signal when it is read. The kernel adds
	 * F_SEAL_EXEC by itself where vm.memfd_noexec is set. */
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(file, &st) < 0 || st.st_size < (off_t)sizeof(footer))
		return -EBADMSG;
	size_t size = (size_t)st.st_size;
	char *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	memcpy(&footer, bytes + size - sizeof(footer), sizeof(footer));
	/* Before memory is asked for: a length of 32 bits would be one of gigabytes. */
	size_t filter_size = (size_t)footer.seccomp_length * FILTER_SIZE;
	bool fits = footer.plan_size <= PLAN_SIZE_MAX && footer.seccomp_length <= FILTER_MAX &&
	            size == footer.plan_size + filter_size + sizeof(footer);
	void _cleanup_free_ *filter = fits && filter_size > 0 ? malloc(filter_size) : NULL;
	int r = !fits ? -EBADMSG : filter_size > 0 && filter == NULL ? -ENOMEM : 0;
	if (r == 0)
		r = cloister_plan_decode(bytes, footer.plan_size, plan);
	if (r == 0 && filter_size > 0)
		memcpy(filter, bytes + footer.plan_size, filter_size);
	munmap(bytes, size);
	if (r < 0)
		return r;
	*seccomp = TAKE_PTR(filter);
	*seccomp_length = (uint16_t)footer.seccomp_length;
	return 0;
}

/* The row that each source is for. Two for one row: one of them would be lost, open. */
static int place_sources(const struct start_message *message, const int *fds, struct cloister_start *start)
{
	start->sources = calloc(start->plan->n_rows + 1, sizeof(int));
	if (start->sources == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < start->plan->n_rows; i++)
		start->sources[i] = -1;
	for (uint32_t i = 0; i < message->n_sources; i++) {
		if (message->rows[i] >= start->plan->n_rows || start->sources[message->rows[i]] >= 0)
			return -EBADMSG;
		start->sources[message->rows[i]] = fds[i + 1];
	}
	return 0;
}

int cloister_control_receive(int control, struct cloister_start *start)
{
	struct start_message message = {0};
	/* One more than is sent: the padding of the ancillary data has room for it. */
	int fds[CLOISTER_SOURCES_MAX + 2] = {-1};
	int n = receive_message(control, &message, fds);

	if (n < 0)
		return n;
	int r = message.magic == START_MAGIC && (uint32_t)n == message.n_sources + 1 ? 0 : -EBADMSG;
	if (r == 0)
		r = cloister_plan_file_read(fds[0], &start->plan, &start->seccomp, &start->seccomp_length);
	if (r == 0)
		r = place_sources(&message, fds, start);
	if (r < 0) {
		close_all(fds, (size_t)n);
		cloister_start_clear(start);
		return r;
	}
	start->plan_file = fds[0];
	return 0;
}

void cloister_start_clear(struct cloister_start *start)
{
	cloister_plan_free(start->plan);
	free(start->sources);
	free(start->seccomp);
	*start = (struct cloister_start){.plan_file = -1};
}

int cloister_control_answer(int control, const struct cloister_error *err)
{
	struct answer_message answer = {.magic = ANSWER_MAGIC, .code = err->code};

	memcpy(answer.step, err->step, sizeof(answer.step));
	memcpy(answer.path, err->path, sizeof(answer.path));
	memcpy(answer.text, err->text, sizeof(answer.text));
	ssize_t n = send(control, &answer, sizeof(answer), MSG_NOSIGNAL);
	return n < 0 ? -errno : n == (ssize_t)sizeof(answer) ? 0 : -EIO;
}

/* Where init has ended without reading what it was sent, the socket says so once (ECONNRESET), and then what init said
 * before. */
static ssize_t receive_answer(int control, struct answer_message *answer)
{
	bool reset = false;

	for (;;) {
		ssize_t n = recv(control, answer, sizeof(*answer), 0);

		if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || reset)))
			return n;
		reset = reset || errno == ECONNRESET;
	}
}

int cloister_control_wait(int control, int timeout, struct cloister_error *err)
{
	struct answer_message answer = {0};
	int64_t end = cloister_clock_milliseconds(CLOCK_MONOTONIC) + timeout;

	for (;;) {
		int64_t left = end - cloister_clock_milliseconds(CLOCK_MONOTONIC);
		struct pollfd poller = {.fd = control, .events = POLLIN};
		int n = poll(&poller, 1, left > 0 ? (int)left : 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cloister_fail(err, errno, "init", NULL, "cannot wait for init");
		if (n == 0)
			return cloister_fail(err, ETIMEDOUT, "init", NULL, "the session was not ready after %d s",
			                     timeout / 1000);
		break;
	}
	ssize_t n = receive_answer(control, &answer);
	if (n != sizeof(answer) || answer.magic != ANSWER_MAGIC)
		return cloister_fail(err, n < 0 ? errno : ECONNRESET, "init", NULL,
		                     "init ended before the session was ready");
	if (answer.code == 0)
		return 0;
	answer.step[sizeof(answer.step) - 1] = '\0';
	answer.path[sizeof(answer.path) - 1] = '\0';
	answer.text[sizeof(answer.text) - 1] = '\0';
	return cloister_fail(err, answer.code, answer.step, answer.path, "%s", answer.text);
}
