/* SPDX-License-Identifier: MIT */
/* One member at a time: what is there is taken away, never written to or followed, and the new one is made in its
 * place. */
#include "extract.h"

#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "names.h"
#include "stream.h"
#include "tree.h"

/* Ids above have no place in the sandbox's map, nor in a session's. */
#define ID_MAX 65535
#define NOBODY 65534

/* A member on its way into the tree. */
struct member {
	struct archive *tar;
	struct archive_entry *entry;
	const char *path; /* normalised */
	const char *name; /* its last component */
	int parent;
	uid_t uid;
	gid_t gid;
	mode_t mode;
	struct timespec times[2];
};

static int fail_member(const struct member *member, int code, const char *text, struct cloister_error *err)
{
	return cloister_fail(err, code < 0 ? -code : code, "entry", member->path, "%s", text);
}

static uint32_t known_id(int64_t id, bool *unknown)
{
	if (id >= 0 && id <= ID_MAX)
		return (uint32_t)id;
	*unknown = true;
	return NOBODY;
}

static void read_attributes(struct image_tree *tree, struct member *member)
{
	struct archive_entry *entry = member->entry;
	bool unknown = false;

	member->uid = known_id(archive_entry_uid(entry), &unknown);
	member->gid = known_id(archive_entry_gid(entry), &unknown);
	tree->counts.owners += unknown;
	member->mode = archive_entry_mode(entry) & 07777;
	/* On a directory set-group-ID is no privilege: it says which group new files get. */
	mode_t cleared = archive_entry_filetype(entry) == AE_IFDIR ? S_ISUID : S_ISUID | S_ISGID;
	bool was_set = archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == NULL &&
	               (member->mode & cleared) != 0;
	tree->counts.set_id += was_set;
	member->mode &= ~cleared;
	/* None is kept: trusted.overlay.* would steer a session's overlay, security.capability has no effect in a
	 * session. */
	tree->counts.xattrs += archive_entry_xattr_count(entry) > 0 || archive_entry_acl_types(entry) != 0;
	const struct timespec modified = {.tv_sec = archive_entry_mtime(entry),
	                                  .tv_nsec = archive_entry_mtime_nsec(entry)};
	member->times[0] = member->times[1] = modified;
}

/* What is there under the member's name goes; a directory stays for a directory. 1 when it stays. */
static int make_room(struct image_tree *tree, const struct member *member, bool for_directory,
                     struct cloister_error *err)
{
	struct stat st;

	if (fstatat(member->parent, member->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail_member(member, errno, "cannot stat what is there", err);
	if (S_ISDIR(st.st_mode) && for_directory)
		return 1;
	/* The way to the next member may lead through what is removed. */
	if (!S_ISREG(st.st_mode))
		*tree->parent_path = '\0';
	int r = image_tree_remove(member->parent, member->name);
	return r < 0 ? fail_member(member, r, "cannot remove what is there", err) : 0;
}

static int write_contents(struct image_tree *tree, const struct member *member, int fd, uint64_t size,
                          struct cloister_error *err)
{
	const void *block;
	size_t length;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(member->tar, &block, &length, &offset)) == ARCHIVE_OK) {
		if (offset < 0 || (uint64_t)offset > size || length > size - (uint64_t)offset)
			return fail_member(member, EFBIG, "more contents than its header says", err);
		for (size_t done = 0; done < length;) {
			ssize_t n = pwrite(fd, (const char *)block + done, length - done, offset + (off_t)done);

			if (n < 0 && errno != EINTR)
				return fail_member(member, errno, "cannot write", err);
			done += n > 0 ? (size_t)n : 0;
		}
	}
	if (r != ARCHIVE_EOF)
		return image_archive_fail(member->tar, "entry", member->path, err);
	tree->counts.bytes += size;
	/* A hole at the end. */
	return ftruncate(fd, (off_t)size) < 0 ? fail_member(member, errno, "cannot set its size", err) : 0;
}

static int extract_file(struct image_tree *tree, const struct member *member, struct cloister_error *err)
{
	la_int64_t size = archive_entry_size(member->entry);

	/* By what the header says, holes included: a sparse file of a petabyte is not written first. */
	if (size < 0 || (uint64_t)size > tree->max_bytes - tree->counts.bytes)
		return fail_member(member, EFBIG, "the contents are larger than --max-size allows", err);
	int r = make_room(tree, member, false, err);
	if (r < 0)
		return r;
	int _cleanup_close_ fd =
		openat(member->parent, member->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_member(member, errno, "cannot make the file", err);
	r = write_contents(tree, member, fd, (uint64_t)size, err);
	if (r < 0)
		return r;
	if (fchown(fd, member->uid, member->gid) < 0 || fchmod(fd, member->mode) < 0 || futimens(fd, member->times) < 0)
		return fail_member(member, errno, "cannot set its owner, mode and time", err);
	return 0;
}

static int remember_time(struct image_tree *tree, const struct member *member)
{
	if (tree->n_times == tree->times_size) {
		size_t size = tree->times_size == 0 ? 256 : 2 * tree->times_size;
		struct image_time *times = reallocarray(tree->times, size, sizeof(*times));

		if (times == NULL)
			return -ENOMEM;
		tree->times = times;
		tree->times_size = size;
	}
	char *path = strdup(member->path);
	if (path == NULL)
		return -ENOMEM;
	tree->times[tree->n_times++] = (struct image_time){path, member->times[1]};
	return 0;
}

static int extract_directory(struct image_tree *tree, const struct member *member, struct cloister_error *err)
{
	int r = make_room(tree, member, true, err);

	if (r < 0)
		return r;
	if (r == 0 && mkdirat(member->parent, member->name, 0700) < 0)
		return fail_member(member, errno, "cannot make the directory", err);
	int _cleanup_close_ fd = openat(member->parent, member->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_member(member, errno, "cannot open the directory", err);
	if (fchown(fd, member->uid, member->gid) < 0 || fchmod(fd, member->mode) < 0)
		return fail_member(member, errno, "cannot set its owner and mode", err);
	r = remember_time(tree, member);
	return r < 0 ? fail_member(member, r, "no memory", err) : 0;
}

static int extract_symlink(struct image_tree *tree, const struct member *member, struct cloister_error *err)
{
	const char *target = archive_entry_symlink(member->entry);

	if (target == NULL)
		return fail_member(member, EBADMSG, "a symbolic link to nothing", err);
	int r = make_room(tree, member, false, err);
	if (r < 0)
		return r;
	/* What it says is for a session, which has the tree for its "/": it may be anything. */
	if (symlinkat(target, member->parent, member->name) < 0)
		return fail_member(member, errno, "cannot make the symbolic link", err);
	if (fchownat(member->parent, member->name, member->uid, member->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    utimensat(member->parent, member->name, member->times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_member(member, errno, "cannot set its owner and time", err);
	return 0;
}

/* A second name for what an earlier member made. Contents that come with it are not read: they are the first name's. */
static int extract_hardlink(struct image_tree *tree, struct member *member, struct cloister_error *err)
{
	char target[PATH_MAX];
	const char *target_name;
	struct stat st, existing;

	int r = image_path_normalise(archive_entry_hardlink(member->entry), target, sizeof(target));
	if (r < 0 || *target == '\0')
		return fail_member(member, r < 0 ? r : EISDIR,
		                   r < 0 ? "a hard link to what is outside, or no name" : "a hard link to the root",
		                   err);
	int own = fcntl(member->parent, F_DUPFD_CLOEXEC, 3);
	if (own < 0)
		return fail_member(member, errno, "no descriptor", err);
	int _cleanup_close_ parent = own;
	int target_parent = image_tree_parent(tree, target, false, &target_name, err);
	if (target_parent < 0)
		return target_parent;
	if (fstatat(target_parent, target_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_member(member, errno, "a hard link to what is not in the tree", err);
	if (S_ISDIR(st.st_mode))
		return fail_member(member, EISDIR, "a hard link to a directory", err);
	if (fstatat(parent, member->name, &existing, AT_SYMLINK_NOFOLLOW) == 0 && existing.st_ino == st.st_ino)
		return 0;
	member->parent = parent;
	r = make_room(tree, member, false, err);
	if (r < 0)
		return r;
	/* Without AT_SYMLINK_FOLLOW: of a symbolic link this is another name, not one of what it leads to. */
	if (linkat(target_parent, target_name, parent, member->name, 0) < 0)
		return fail_member(member, errno, "cannot make the hard link", err);
	return 0;
}

static int leave_out(struct image_tree *tree, const struct member *member, uint64_t *count, struct cloister_error *err)
{
	(*count)++;
	return make_room(tree, member, false, err);
}

static int extract_member(struct image_tree *tree, struct member *member, struct cloister_error *err)
{
	read_attributes(tree, member);
	if (archive_entry_hardlink(member->entry) != NULL)
		return extract_hardlink(tree, member, err);
	switch (archive_entry_filetype(member->entry)) {
	case AE_IFREG:
		return extract_file(tree, member, err);
	case AE_IFDIR:
		return extract_directory(tree, member, err);
	case AE_IFLNK:
		return extract_symlink(tree, member, err);
	case AE_IFBLK:
	case AE_IFCHR:
		return leave_out(tree, member, &tree->counts.devices, err);
	case AE_IFIFO:
	case AE_IFSOCK:
		return leave_out(tree, member, &tree->counts.specials, err);
	default:
		return fail_member(member, EBADMSG, "a member of no known type", err);
	}
}

/* The next member's normalised path. 1, 0 at the end, or -errno. */
static int next_member(struct image_tree *tree, struct archive *tar, struct archive_entry **entry, char *path,
                       struct cloister_error *err)
{
	int r = archive_read_next_header(tar, entry);

	if (r == ARCHIVE_EOF)
		return 0;
	/* A warning is a name that is not UTF-8, or a detail that is not kept anyway. */
	if (r < ARCHIVE_WARN)
		return image_archive_fail(tar, "archive", NULL, err);
	tree->counts.entries++;
	if (image_tree_check_entries(tree, err) < 0)
		return -EFBIG;
	const char *name = archive_entry_pathname(*entry);
	if (name == NULL || *name == '\0')
		return cloister_fail(err, EBADMSG, "entry", NULL, "a member without a name");
	r = image_path_normalise(name, path, PATH_MAX);
	return r < 0 ? cloister_fail(err, -r, "entry", name, "%s", image_path_problem(r)) : 1;
}

int image_tree_extract(struct image_tree *tree, struct archive *tar, bool layered, struct cloister_error *err)
{
	char path[PATH_MAX];
	struct member member = {.tar = tar, .path = path};
	const char *hidden;
	int r;

	while ((r = next_member(tree, tar, &member.entry, path, err)) == 1) {
		/* The root has its owner and mode from whoever made it. */
		if (*path == '\0' && archive_entry_filetype(member.entry) == AE_IFDIR)
			continue;
		if (*path == '\0')
			return fail_member(&member, ENOTDIR, "the root of the archive is no directory", err);
		member.parent = image_tree_parent(tree, path, true, &member.name, err);
		if (member.parent < 0)
			return member.parent;
		if (layered && image_whiteout_parse(member.name, &hidden) != IMAGE_WHITEOUT_NONE)
			continue;
		r = extract_member(tree, &member, err);
		if (r < 0)
			return r;
	}
	return r;
}

static int apply_whiteout(struct image_tree *tree, const char *path, struct cloister_error *err)
{
	const char *hidden, *name = strrchr(path, '/');
	enum image_whiteout kind = image_whiteout_parse(name != NULL ? name + 1 : path, &hidden);

	if (kind == IMAGE_WHITEOUT_NONE || kind == IMAGE_WHITEOUT_IGNORED)
		return 0;
	if (kind == IMAGE_WHITEOUT_BAD)
		return cloister_fail(err, EBADMSG, "whiteout", path, "it names no file");
	struct cloister_error ignored = {0};
	int parent = image_tree_parent(tree, path, false, &name, &ignored);
	/* What the layers below do not have is gone already. */
	if (parent == -ENOENT || parent == -ENOTDIR)
		return 0;
	if (parent < 0)
		return cloister_fail(err, -parent, "whiteout", path, "%s", ignored.text);
	*tree->parent_path = '\0';
	int r;
	if (kind == IMAGE_WHITEOUT_NAME) {
		r = image_tree_remove(parent, hidden);
	} else {
		int _cleanup_close_ fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -errno : image_tree_empty(fd);
	}
	return r < 0 ? cloister_fail(err, -r, "whiteout", path, "cannot remove") : 0;
}

int image_tree_whiteouts(struct image_tree *tree, struct archive *tar, struct cloister_error *err)
{
	char path[PATH_MAX];
	struct archive_entry *entry;
	uint64_t before = tree->counts.entries;
	int r;

	while ((r = next_member(tree, tar, &entry, path, err)) == 1) {
		r = apply_whiteout(tree, path, err);
		if (r < 0)
			return r;
	}
	/* They are counted when they are unpacked. */
	tree->counts.entries = before;
	return r;
}
