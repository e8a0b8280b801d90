/* SPDX-License-Identifier: MIT */
/*
 * An archive into a directory, without the sandbox that has it in an import: whiteouts, then members, twice over.
 * Nothing may appear beside the directory. Landlock keeps everything else from what gets out all the same. Owners are
 * not set, since that takes root. Input: a byte of flags, then the archive; checksums of headers are put right.
 */
#include <ftw.h>
#include <linux/landlock.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "descriptors.h"
#include "image/extract.h"
#include "image/names.h"
#include "image/stream.h"
#include "image/tree.h"

#define BLOCK 512
/* What comes out of it at most. */
#define BYTES_MAX   (64U * 1024U)
#define ENTRIES_MAX 64

/* Made and removed by whoever runs this, which itself may not, then: it can write nothing beside it. */
static const char *place;
static int outside = -1, tree_fd = -1;

/* In the place of libc's: the mode and the owner of what is made must not keep the next input from removing it. */
int fchown(int fd, uid_t uid, gid_t gid)
{
	(void)fd;
	(void)uid;
	(void)gid;
	return 0;
}

int fchownat(int fd, const char *path, uid_t uid, gid_t gid, int flags)
{
	(void)fd;
	(void)path;
	(void)uid;
	(void)gid;
	(void)flags;
	return 0;
}

static void allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = access,
	                                             .parent_fd = open(path, O_PATH | O_CLOEXEC)};

	if (beneath.parent_fd >= 0)
		syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	close(beneath.parent_fd);
}

/* Writing is possible below the place and the working directory, where findings and the corpus are written. */
static int confine(void)
{
	const uint64_t write = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
	                       LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
	                       LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
	                       LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
	                       LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
	const uint64_t refer = UINT64_C(1) << 13; /* LANDLOCK_ACCESS_FS_REFER: links between directories */
	struct landlock_ruleset_attr attributes = {.handled_access_fs = write | refer};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);

	if (ruleset < 0)
		return -1;
	allow(ruleset, place, write | refer);
	allow(ruleset, ".", write | refer);
	allow(ruleset, "/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE);
	int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) < 0;
	close(ruleset);
	return r ? -1 : 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	umask(022);
	place = getenv("FUZZ_DIRECTORY");
	if (place == NULL || (outside = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    mkdirat(outside, "tree", 0700) < 0 ||
	    (tree_fd = openat(outside, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    mknodat(outside, "canary", S_IFREG | 0600, 0) < 0 || image_stream_prepare() < 0) {
		fprintf(stderr, "FUZZ_DIRECTORY must be an empty directory\n");
		exit(2);
	}
	if (confine() < 0 && geteuid() == 0) {
		fprintf(stderr, "without Landlock not as root\n");
		exit(77);
	}
	return 0;
}

/* The sum of a header's bytes, its own field taken for blanks, as six octal digits, NUL and blank (tar(5)). */
static void put_checksum(uint8_t *block)
{
	unsigned sum = 0;

	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += block[i];
	for (int i = 5; i >= 0; i--, sum >>= 3)
		block[148 + i] = (uint8_t)('0' + (sum & 7));
	block[154] = '\0';
}

/* A mutated header would hardly ever be read otherwise. */
static void mend(uint8_t *bytes, size_t size)
{
	for (size_t at = 0; at + BLOCK <= size; at += BLOCK) {
		if (memcmp(bytes + at + 257, "ustar", 5) == 0)
			put_checksum(bytes + at);
	}
}

static void extract(int archive, unsigned flags, bool whiteouts)
{
	static struct image_reader reader;
	struct image_tree tree;
	struct cloister_error err = {0};
	char raw[IMAGE_DIGEST_SIZE], plain[IMAGE_DIGEST_SIZE];

	/* Not its buffers: they are large. */
	reader.raw.fd = archive;
	reader.raw.member = NULL;
	reader.raw.limit = flags & 2 ? BYTES_MAX : UINT64_MAX;
	reader.raw.limit_is = "a limit";
	reader.unpacked = reader.tar = NULL;
	reader.raw.digest = reader.plain.digest = NULL;
	if (lseek(archive, 0, SEEK_SET) < 0)
		abort();
	image_tree_open(&tree, tree_fd, BYTES_MAX, ENTRIES_MAX);
	int r = image_reader_open(&reader, 4 * BYTES_MAX, &err);
	if (r == 0)
		r = whiteouts ? image_tree_whiteouts(&tree, reader.tar, &err)
		              : image_tree_extract(&tree, reader.tar, (flags & 1) != 0, &err);
	if (r == 0)
		r = image_reader_finish(&reader, raw, plain, &err);
	if (r == 0)
		image_tree_set_times(&tree);
	FUZZ_REQUIRE(r <= 0 && (r == 0 || err.code == -r));
	FUZZ_REQUIRE(tree.counts.bytes <= BYTES_MAX);
	image_reader_close(&reader);
	image_tree_close(&tree);
}

/* Nothing but the tree and the canary, which is as it was; and in the tree nothing that an import refuses. */
static void check(void)
{
	struct stat st;
	struct image_tree_sums sums = {0};
	struct cloister_error err = {0};

	FUZZ_REQUIRE(fstatat(outside, "canary", &st, AT_SYMLINK_NOFOLLOW) == 0);
	FUZZ_REQUIRE(S_ISREG(st.st_mode) && st.st_size == 0 && st.st_nlink == 1 && (st.st_mode & 07777) == 0600);
	/* The directory itself, and the tree. */
	FUZZ_REQUIRE(fstat(outside, &st) == 0 && st.st_nlink == 3);
	FUZZ_REQUIRE(image_tree_verify(tree_fd, &sums, &err) == 0);
}

static int unlock(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)at;
	if (type == FTW_D || type == FTW_DNR)
		(void)chmod(path, (st->st_mode & 07777) | 0700);
	return 0;
}

/* Directories that nobody may enter are opened again, for who is not root. */
static void clear(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/tree", place);
	if (geteuid() != 0)
		(void)nftw(path, unlock, 16, FTW_PHYS);
	FUZZ_REQUIRE(image_tree_empty(tree_fd) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	unsigned flags = fuzz_byte(&input);
	size_t before = count_descriptors();
	uint8_t *bytes = (uint8_t *)fuzz_copy(input.at, input.left);
	int archive = memfd_create("archive", MFD_CLOEXEC);

	mend(bytes, input.left);
	if (archive < 0 || write(archive, bytes, input.left) != (ssize_t)input.left)
		abort();
	free(bytes);
	extract(archive, flags, false);
	check();
	extract(archive, flags, true);
	extract(archive, flags | 1, false);
	check();
	close(archive);
	clear();
	FUZZ_REQUIRE(count_descriptors() == before);
	return 0;
}
