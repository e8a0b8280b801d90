/* SPDX-License-Identifier: MIT */
/* cloister doctor: sysctls. They are the administrator's, and are never set from here. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloister/cleanup.h"
#include "doctor.h"

static const struct {
	const char *name, *path;
	long least, most;
	const char *why;
} wanted[] = {
	{"dev.tty.legacy_tiocsti", "/proc/sys/dev/tty/legacy_tiocsti", 0, 0,
         "any program can type into its terminal on the host (sessions cannot: their filter refuses it)"},
	{"fs.protected_symlinks", "/proc/sys/fs/protected_symlinks", 1, 1,
         "root's programs follow links that users leave in /tmp"},
	{"fs.protected_hardlinks", "/proc/sys/fs/protected_hardlinks", 1, 1,
         "users can make links to files that are not theirs, such as programs that set the user id"},
	{"fs.protected_fifos", "/proc/sys/fs/protected_fifos", 1, 2,
         "root's programs open FIFOs that users leave in /tmp"},
	{"fs.protected_regular", "/proc/sys/fs/protected_regular", 1, 2,
         "root's programs write to files that users leave in /tmp"},
	{"fs.suid_dumpable", "/proc/sys/fs/suid_dumpable", 0, 0,
         "programs that changed their ids leave core dumps, and can be looked into"},
	{"kernel.kptr_restrict", "/proc/sys/kernel/kptr_restrict", 1, 2,
         "addresses of the kernel can be read on the host (a session's /proc hides the file)"},
	{"kernel.dmesg_restrict", "/proc/sys/kernel/dmesg_restrict", 1, 1, "every user reads the kernel's log"},
	{"kernel.unprivileged_bpf_disabled", "/proc/sys/kernel/unprivileged_bpf_disabled", 1, 2,
         "every user of the host can load BPF programs (sessions cannot: their filter refuses it)"},
	{"kernel.perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", 2, 4,
         "every user of the host can watch the kernel (sessions cannot: their filter refuses it)"},
	{"kernel.yama.ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope", 1, 2,
         "at 0 a user's processes can take each other over, in a session too; at 3 sessions cannot share the memory of "
         "an erofs image"},
};

void doctor_sysctls(struct doctor *doctor)
{
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		char text[32] = "", *end;
		int _cleanup_close_ fd = open(wanted[i].path, O_RDONLY | O_CLOEXEC);

		/* Of another kernel, or not for a user's eyes. */
		if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
			continue;
		long value = strtol(text, &end, 10);
		if (end == text)
			continue;
		if (value >= wanted[i].least && value <= wanted[i].most)
			doctor_say(doctor, DOCTOR_OK, wanted[i].name, "is %ld", value);
		else
			doctor_say(doctor, DOCTOR_WEAKER, wanted[i].name, "is %ld, not %ld: %s", value, wanted[i].least,
			           wanted[i].why);
	}
}
