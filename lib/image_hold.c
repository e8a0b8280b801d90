/* SPDX-License-Identifier: MIT */
/* An imported image under a session that is only beginning. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "cloister/cleanup.h"
#include "cloister/image.h"
#include "cloister/path.h"

#define TRIES_A_SECOND 100U

/* The directory above the plan's rootfs when that is an image of the store, by whatever path. 0: *image is -1 when it
 * is none; what else is wrong with the rootfs is for the step that opens it to say. */
static int open_image(const struct cloister_plan *plan, int *image, struct cloister_error *err)
{
	struct stat store, above;
	int _cleanup_close_ rootfs =
		cloister_path_open_host(plan->rootfs, O_DIRECTORY, CLOISTER_PATH_NO_PLANTED_LINKS, NULL);

	*image = -1;
	if (rootfs < 0 || stat(CLOISTER_IMAGE_DIRECTORY, &store) < 0 || fstatat(rootfs, "../..", &above, 0) < 0 ||
	    store.st_dev != above.st_dev || store.st_ino != above.st_ino)
		return 0;
	*image = openat(rootfs, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *image < 0 ? cloister_fail(err, errno, "image", plan->rootfs, "cannot open the directory above") : 0;
}

/* Whether the path leads there now: what has waited for a lock may have got that of an image that is gone. */
static int is_there_still(const struct cloister_plan *plan, int image, struct cloister_error *err)
{
	struct stat now, then;
	int _cleanup_close_ again = -1;
	int r = open_image(plan, &again, err);

	if (r < 0 || again < 0)
		return r;
	if (fstat(again, &now) < 0 || fstat(image, &then) < 0)
		return cloister_fail(err, errno, "image", plan->rootfs, "cannot stat");
	return now.st_dev == then.st_dev && now.st_ino == then.st_ino;
}

int cloister_image_hold(const struct cloister_plan *plan, int *hold, struct cloister_error *err)
{
	const struct timespec pause = {.tv_nsec = 1000 * 1000 * 1000 / TRIES_A_SECOND};

	*hold = -1;
	if (strcmp(plan->rootfs, "/") == 0 || cloister_plan_image(plan) != NULL)
		return 0;
	for (unsigned tries = 0; tries <= plan->timeout * TRIES_A_SECOND; tries++) {
		int _cleanup_close_ image = -1;
		int r = open_image(plan, &image, err);

		if (r < 0 || image < 0)
			return r;
		if (flock(image, LOCK_SH | LOCK_NB) == 0) {
			r = is_there_still(plan, image, err);
			if (r < 0)
				return r;
			if (r > 0) {
				*hold = TAKE_FD(image);
				return 0;
			}
		} else if (errno != EWOULDBLOCK && errno != EINTR) {
			return cloister_fail(err, errno, "image", plan->rootfs, "cannot lock");
		} else {
			nanosleep(&pause, NULL);
		}
	}
	return cloister_fail(err, EBUSY, "image", plan->rootfs, "it is being removed or replaced");
}
