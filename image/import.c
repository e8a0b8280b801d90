/* SPDX-License-Identifier: MIT */
/* An import: a hidden directory, a sandbox that fills it, a look at what it made, and one rename. */
#include "import.h"

#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <langinfo.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "cloister/descriptor.h"
#include "cloister/path.h"
#include "cloister/sandbox.h"
#include "names.h"
#include "progress.h"
#include "record.h"
#include "store.h"
#include "unpack.h"

/* What writing another's files as their owner needs, and nothing else. No SETFCAP: file capabilities are left out,
 * since a session has none to gain. */
#define CAPABILITIES                                                                              \
	(UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_FOWNER | \
	 UINT64_C(1) << CAP_FSETID)
/* Seconds of CPU time; bytes of memory, which xz and zstd with large windows need; descriptors, one for each level that
 * is removed at once. */
#define CPU_MAX         7200
#define MEMORY_MAX      (UINT64_C(2) << 30)
#define DESCRIPTORS_MAX 128

struct import {
	const struct image_import_options *options;
	struct image_store store;
	struct image_staging staging;
	struct image_job job;
	int input;  /* a file or a pipe; -1 */
	int layout; /* an OCI directory; -1 */
	struct image_progress progress;
	struct image_message result;
};

static volatile sig_atomic_t interrupted;

static void note_signal(int number)
{
	interrupted = number;
}

/* They come only while it waits for the sandbox: what is begun on this side is brought to its end. */
static void catch_signals(sigset_t *waiting)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = note_signal};
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		sigaddset(&blocked, signals[i]);
		sigaction(signals[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, waiting);
}

/* Everything that would be loaded from files later. Afterwards "/" is the archive's. */
static int load_before(struct cloister_error *err)
{
	/*
	 * In the C locale libarchive leaves names as the bytes that they are; with UTF-8 it would compose their
	 * accents. It tries to convert them all the same, and iconv reads a table of modules when it is used first.
	 */
	setlocale(LC_ALL, "C");
	iconv_t converter = iconv_open(nl_langinfo(CODESET), "UTF-8");
	if (converter != (iconv_t)-1)
		iconv_close(converter);
	return image_stream_prepare() < 0 ? cloister_fail(err, EIO, "import", NULL, "libcrypto cannot begin") : 0;
}

/* A descriptor that can only read: the sandbox gets it. */
static int read_only(int fd)
{
	char path[40];
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if ((flags & O_ACCMODE) == O_RDONLY)
		return fcntl(fd, F_DUPFD_CLOEXEC, 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_source(struct import *import, struct cloister_error *err)
{
	const char *source = import->options->source;
	struct stat st, marker;
	int _cleanup_close_ opened =
		strcmp(source, "-") == 0 ? dup(STDIN_FILENO) : open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (opened < 0 || fstat(opened, &st) < 0)
		return cloister_fail(err, errno, "import", source, "cannot open");
	if (S_ISDIR(st.st_mode)) {
		if (fstatat(opened, "oci-layout", &marker, AT_SYMLINK_NOFOLLOW) < 0)
			return cloister_fail(err, EINVAL, "import", source,
			                     "a directory that is no OCI layout (oci-layout is missing)");
		import->layout = TAKE_FD(opened);
		return 0;
	}
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
		return cloister_fail(err, EINVAL, "import", source, "neither a file, a pipe nor a directory");
	import->input = read_only(opened);
	if (import->input < 0)
		return cloister_fail(err, errno, "import", source, "cannot open for reading alone");
	import->job.has_input = true;
	import->job.seekable = S_ISREG(st.st_mode);
	import->job.input_size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	return 0;
}

/* blobs/sha256/DIGEST or index.json of the layout: no other file of it, and no link. */
static int answer_blob(const struct import *import, int control, const char *digest)
{
	char path[16 + IMAGE_DIGEST_SIZE] = "index.json", text[8 + IMAGE_DIGEST_SIZE], checked[IMAGE_DIGEST_SIZE];
	struct stat st;

	snprintf(text, sizeof(text), "sha256:%s", digest);
	if (*digest != '\0') {
		if (image_digest_parse(text, checked) < 0)
			return -EBADMSG;
		snprintf(path, sizeof(path), "blobs/sha256/%s", checked);
	}
	int _cleanup_close_ fd = import->layout < 0
	                                 ? -EBADMSG
	                                 : cloister_openat2(import->layout, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0,
	                                                    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return cloister_descriptor_send(control, -1, -fd);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return cloister_descriptor_send(control, -1, EINVAL);
	return cloister_descriptor_send(control, fd, 0);
}

/* 1: the sandbox is done; 0: go on. */
static int handle_message(struct import *import, int control, struct cloister_error *err)
{
	struct image_message message;
	int r = image_message_receive(control, &message);

	if (r <= 0)
		return cloister_fail(err, r < 0 ? -r : ECONNRESET, "import", import->options->source,
		                     "the unpacking process ended without a word (a limit of memory or time?)");
	switch (message.kind) {
	case IMAGE_MESSAGE_PROGRESS:
		image_progress_update(&import->progress, message.done, message.total);
		return 0;
	case IMAGE_MESSAGE_WANT:
		r = answer_blob(import, control, message.digest);
		return r < 0 ? cloister_fail(err, -r, "import", import->options->source, "a wrong request") : 0;
	case IMAGE_MESSAGE_DONE:
		import->result = message;
		return 1;
	case IMAGE_MESSAGE_FAILED:
		return cloister_fail(err, message.error.code, message.error.step, message.error.path, "%s",
		                     message.error.text);
	default:
		return cloister_fail(err, EBADMSG, "import", NULL, "a message of no known kind");
	}
}

static int follow_sandbox(struct import *import, int control, const sigset_t *waiting, struct cloister_error *err)
{
	struct pollfd poller = {.fd = control, .events = POLLIN};
	int r = 0;

	while (r == 0) {
		int n = ppoll(&poller, 1, NULL, waiting);

		if (interrupted)
			return cloister_fail(err, EINTR, "import", NULL, "ended by a signal");
		if (n < 0 && errno != EINTR)
			return cloister_fail(err, errno, "import", NULL, "cannot wait");
		if (n > 0)
			r = handle_message(import, control, err);
	}
	return r < 0 ? r : 0;
}

static int run_sandbox(struct import *import, const sigset_t *waiting, struct cloister_error *err)
{
	const struct cloister_sandbox_limit limits[] = {{RLIMIT_CPU, CPU_MAX},
	                                                {RLIMIT_AS, MEMORY_MAX},
	                                                {RLIMIT_FSIZE, import->options->max_bytes},
	                                                {RLIMIT_NOFILE, DESCRIPTORS_MAX},
	                                                {RLIMIT_NPROC, 0}};
	const struct cloister_sandbox sandbox = {.root = import->staging.rootfs,
	                                         .descriptors = {import->input},
	                                         .n_descriptors = import->input >= 0 ? 1 : 0,
	                                         .capabilities = CAPABILITIES,
	                                         .limits = limits,
	                                         .n_limits = sizeof(limits) / sizeof(*limits),
	                                         .run = image_unpack,
	                                         .context = &import->job};
	struct cloister_sandbox_process process = {.pidfd = -1, .control = -1};

	int r = cloister_sandbox_start(&sandbox, &process, err);
	if (r < 0)
		return r;
	r = follow_sandbox(import, process.control, waiting, err);
	int status = r == 0 ? cloister_sandbox_wait(&process) : 0;
	cloister_sandbox_end(&process);
	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		r = cloister_fail(err, ECONNRESET, "import", import->options->source, "the unpacking process failed");
	return r;
}

static int finish(struct import *import, struct cloister_error *err)
{
	const char *slash = strrchr(import->options->source, '/');
	struct image_record record = {.name = import->options->name,
	                              .source = slash != NULL && slash[1] != '\0' ? slash + 1 : import->options->source,
	                              .result = &import->result};

	int r = image_tree_verify(import->staging.rootfs, &record.sums, err);
	/* Once more: the sandbox could have changed them. */
	if (r == 0 && (fchown(import->staging.rootfs, 0, 0) < 0 || fchmod(import->staging.rootfs, 0755) < 0))
		r = cloister_fail(err, errno, "import", NULL, "cannot set the root's owner and mode");
	if (r == 0)
		r = image_record_write(import->staging.directory, &record, err);
	if (r == 0)
		r = image_store_lock(&import->store, err);
	if (r == 0)
		r = image_store_publish(&import->store, &import->staging, import->options->name,
		                        import->options->replace, err);
	if (r < 0 || import->options->quiet)
		return r;
	char path[IMAGE_PATH_MAX], size[32], left[512];
	image_store_path(import->options->name, path);
	image_record_left_out(&import->result.counts, left, sizeof(left));
	printf("imported %s: %llu files, %s\n", import->options->name, (unsigned long long)record.sums.files,
	       image_size_text(record.sums.bytes, size, sizeof(size)));
	if (*left != '\0')
		printf("left out: %s\n", left);
	printf("rootfs = %s\n", path);
	return 0;
}

/* Refused before the archive is read, where that can be said. */
static int begin(struct import *import, struct cloister_error *err)
{
	struct cloister_error ignored = {0};
	int r = image_store_open(&import->store, true, err);

	if (r == 0)
		r = image_store_lock(&import->store, err);
	if (r < 0)
		return r;
	int _cleanup_close_ old = image_store_find(&import->store, import->options->name, &ignored);
	if (old >= 0 && !import->options->replace)
		return cloister_fail(err, EEXIST, "images", import->options->name,
		                     "there is such an image already (--replace)");
	if (old >= 0)
		r = image_store_refuse_used(import->options->name, old, err);
	if (r == 0)
		r = image_staging_make(&import->store, &import->staging, err);
	image_store_unlock(&import->store);
	return r;
}

int image_import(const struct image_import_options *options, struct cloister_error *err)
{
	struct import import = {.options = options,
	                        .store.directory = -1,
	                        .staging = {.directory = -1, .rootfs = -1},
	                        .input = -1,
	                        .layout = -1};
	struct utsname machine;
	sigset_t waiting;

	uname(&machine);
	import.job.max_bytes = options->max_bytes;
	import.job.max_entries = options->max_entries;
	import.job.choice = (struct image_choice){image_architecture(machine.machine), options->reference};
	int r = open_source(&import, err);
	if (r == 0)
		r = load_before(err);
	if (r == 0) {
		catch_signals(&waiting);
		r = begin(&import, err);
	}
	if (r == 0) {
		image_progress_start(&import.progress, options->name, options->quiet);
		r = run_sandbox(&import, &waiting, err);
		image_progress_end(&import.progress);
	}
	if (r == 0)
		r = finish(&import, err);
	image_staging_end(&import.store, &import.staging);
	image_store_close(&import.store);
	if (import.input >= 0)
		close(import.input);
	if (import.layout >= 0)
		close(import.layout);
	return r;
}
