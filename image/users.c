/* SPDX-License-Identifier: MIT */
/* Which sessions run on an image. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/cleanup.h"
#include "cloister/path.h"
#include "cloister/registry.h"
#include "store.h"

static int add_user(const struct cloister_registered *session, void *context)
{
	struct image_users *users = context;
	struct cloister_error ignored = {0};
	struct stat st = {0};

	struct image_user *grown = reallocarray(users->users, users->n + 1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	users->users = grown;
	char *rootfs = strdup(session->rootfs);
	if (rootfs == NULL)
		return -ENOMEM;
	/* The configuration may name the image by another path, such as a link of the administrator's. */
	int _cleanup_close_ fd = cloister_path_open_host(rootfs, 0, CLOISTER_PATH_NO_PLANTED_LINKS, &ignored);
	if (fd < 0 || fstat(fd, &st) < 0)
		st = (struct stat){0};
	users->users[users->n++] = (struct image_user){rootfs, st.st_dev, st.st_ino};
	return 0;
}

int image_users_find(struct image_users *users, struct cloister_error *err)
{
	*users = (struct image_users){0};
	int r = cloister_registry_each(NULL, add_user, users, err);
	if (r < 0) {
		image_users_clear(users);
		return err->code != 0 ? r : cloister_fail(err, -r, "registry", NULL, "cannot read");
	}
	return 0;
}

size_t image_users_count(const struct image_users *users, const char *name, int directory)
{
	char path[IMAGE_PATH_MAX];
	struct stat st = {0};
	size_t n = 0;

	image_store_path(name, path);
	bool known = fstatat(directory, IMAGE_ROOTFS, &st, AT_SYMLINK_NOFOLLOW) == 0;
	for (size_t i = 0; i < users->n; i++) {
		const struct image_user *user = &users->users[i];

		n += strcmp(user->rootfs, path) == 0 ||
		     (known && user->inode == st.st_ino && user->device == st.st_dev);
	}
	return n;
}

void image_users_clear(struct image_users *users)
{
	for (size_t i = 0; i < users->n; i++)
		free(users->users[i].rootfs);
	free(users->users);
	*users = (struct image_users){0};
}
