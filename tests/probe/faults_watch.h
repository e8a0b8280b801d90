/* SPDX-License-Identifier: MIT */
/* Somebody looks at the disk before each system call that may change a file: tests/lib/power_loss.py. */
#ifndef FAULTS_WATCH_H
#define FAULTS_WATCH_H

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "faults.h"

struct watch {
	FILE *ask;
	int answer; /* -1: nobody looks */
};

/* DIRECTORY/ask and DIRECTORY/answer are FIFOs, opened by the other side in the same order. */
static inline void watch_open(struct watch *watch, const char *directory)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/ask", directory);
	watch->ask = fopen(path, "we");
	snprintf(path, sizeof(path), "%s/answer", directory);
	watch->answer = open(path, O_RDONLY | O_CLOEXEC);
	if (watch->ask == NULL || watch->answer < 0) {
		perror(directory);
		exit(2);
	}
}

static inline bool watch_concerns(long call)
{
	static const long changing[] = {
		SYS_open,
		SYS_openat,
		SYS_openat2,
		SYS_creat,
		SYS_mkdir,
		SYS_mkdirat,
		SYS_rmdir,
		SYS_unlink,
		SYS_unlinkat,
		SYS_rename,
		SYS_renameat,
		SYS_renameat2,
		SYS_link,
		SYS_linkat,
		SYS_symlink,
		SYS_symlinkat,
		SYS_mknod,
		SYS_mknodat,
		SYS_write,
		SYS_writev,
		SYS_pwrite64,
		SYS_truncate,
		SYS_ftruncate,
		SYS_fallocate,
		SYS_chmod,
		SYS_fchmod,
		SYS_fchmodat,
		SYS_chown,
		SYS_fchown,
		SYS_lchown,
		SYS_fchownat,
		SYS_setxattr,
		SYS_lsetxattr,
		SYS_fsetxattr,
		SYS_utimensat,
		SYS_fsync,
		SYS_fdatasync,
		SYS_syncfs,
		SYS_fsmount,
		SYS_fsconfig,
		SYS_ioctl,
		SYS_copy_file_range,
		SYS_sendfile,
		SYS_close,
		SYS_kill,
		SYS_flock,
		SYS_pidfd_send_signal,
		SYS_exit_group,
	};

	for (size_t i = 0; i < sizeof(changing) / sizeof(*changing); i++) {
		if (changing[i] == call)
			return true;
	}
	return false;
}

/* The process stands until the other side has answered. */
static inline void watch_moment(const struct watch *watch, const struct tracee *tracee,
                                const struct __ptrace_syscall_info *info)
{
	char detail[DETAIL_MAX], byte;

	if (watch->answer < 0 || !watch_concerns((long)info->entry.nr))
		return;
	faults_describe(tracee->pid, info, detail);
	fprintf(watch->ask, "%s\t%llu\t%s\n", tracee->role, (unsigned long long)info->entry.nr, detail);
	fflush(watch->ask);
	if (read(watch->answer, &byte, 1) != 1) {
		fprintf(stderr, "faults: nobody answers\n");
		exit(2);
	}
}

#endif
