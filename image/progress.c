/* SPDX-License-Identifier: MIT */
/* The progress bar. */
#include "progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 80
#define BAR_MAX         50
/* Bytes between two pictures when there is no total to divide. */
#define STEP_UNKNOWN (4U << 20)

const char *image_size_text(uint64_t bytes, char *text, size_t size)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;
	uint64_t whole = bytes, rest = 0;

	for (; whole >= 1024 && unit + 1 < sizeof(units) / sizeof(*units); unit++) {
		rest = whole % 1024;
		whole /= 1024;
	}
	if (unit == 0 || whole >= 100)
		snprintf(text, size, "%llu %s", (unsigned long long)whole, units[unit]);
	else
		snprintf(text, size, "%llu.%llu %s", (unsigned long long)whole, (unsigned long long)(rest * 10 / 1024),
		         units[unit]);
	return text;
}

void image_progress_start(struct image_progress *progress, const char *what, bool quiet)
{
	*progress =
		(struct image_progress){.what = what, .shown = !quiet && isatty(STDERR_FILENO) == 1, .permille = -1};
}

static int columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : COLUMNS_DEFAULT;
}

static void draw_bar(const struct image_progress *progress, uint64_t done)
{
	static const char full[BAR_MAX + 1] = "##################################################";
	static const char none[BAR_MAX + 1] = "..................................................";
	char size[32];
	/* What, two spaces and brackets, " 100%", and a size. */
	int width = columns() - (int)(sizeof(size) + 20);

	width = width < 10 ? 10 : width > BAR_MAX ? BAR_MAX : width;
	int filled = progress->permille * width / 1000;
	fprintf(stderr, "\r%s [%.*s%.*s] %3d%% %s\033[K", progress->what, filled, full, width - filled, none,
	        progress->permille / 10, image_size_text(done, size, sizeof(size)));
}

void image_progress_update(struct image_progress *progress, uint64_t done, uint64_t total)
{
	char size[32];

	if (!progress->shown)
		return;
	if (total == 0) {
		if (progress->drawn != 0 && done - progress->drawn < STEP_UNKNOWN)
			return;
		progress->drawn = done;
		fprintf(stderr, "\r%s: %s read\033[K", progress->what, image_size_text(done, size, sizeof(size)));
	} else {
		int permille = done >= total ? 1000 : (int)((double)done * 1000 / (double)total);
		if (permille == progress->permille)
			return;
		progress->permille = permille;
		draw_bar(progress, done);
	}
	fflush(stderr);
}

void image_progress_end(struct image_progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
