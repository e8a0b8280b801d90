/* SPDX-License-Identifier: MIT */
/* What faults.c knows of a process that it follows, and how a system call is told in words. */
#ifndef FAULTS_H
#define FAULTS_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>

#define CALLS_MAX    600
#define TRACEES_MAX  64
#define ROLE_MAX     160
#define DETAIL_MAX   160
#define LOADER_SIZE  0x40000U /* of ld.so in memory, about */
#define FIRST_STRING 80

struct tracee {
	pid_t pid;
	char role[ROLE_MAX];
	int counts[CALLS_MAX];
	int children;
	uint64_t loader; /* where its dynamic loader begins; 0: it has none */
	bool named;      /* its role is known */
	bool stopped;    /* it waits for that */
	bool is_user;    /* it is, or comes of, what the user runs */
	bool fails;      /* the call that it is in is to fail */
	bool keeps_result;
	unsigned long long argument, length; /* of that call, the first and the third argument */
};

static inline uint64_t faults_loader_base(pid_t pid)
{
	char path[64];
	Elf64_auxv_t entry;
	uint64_t base = 0;

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fread(&entry, sizeof(entry), 1, file) == 1) {
		if (entry.a_type == AT_BASE)
			base = entry.a_un.a_val;
	}
	fclose(file);
	return base;
}

/* The file that the instruction is in. */
static inline void where_it_is(pid_t pid, unsigned long long address, char file[256])
{
	unsigned long long from, to;
	char path[64], line[512];

	file[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *maps = fopen(path, "re");
	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%llx-%llx %*s %*s %*s %*s %255s", &from, &to, file) >= 2 && address >= from &&
		    address < to)
			break;
		file[0] = '\0';
	}
	if (maps != NULL)
		fclose(maps);
}

/* Which argument is a path or a name, and which one a number that tells calls of one kind apart; -1: none. */
struct call_words {
	long call;
	int string, number;
};

static const struct call_words call_words[] = {
	{SYS_open, 0, -1},           {SYS_stat, 0, -1},          {SYS_lstat, 0, -1},      {SYS_access, 0, -1},
	{SYS_readlink, 0, -1},       {SYS_execve, 0, -1},        {SYS_chdir, 0, -1},      {SYS_chroot, 0, -1},
	{SYS_mkdir, 0, -1},          {SYS_rmdir, 0, -1},         {SYS_unlink, 0, -1},     {SYS_symlink, 1, -1},
	{SYS_rename, 1, -1},         {SYS_chmod, 0, -1},         {SYS_chown, 0, -1},      {SYS_statfs, 0, -1},
	{SYS_mount, 1, -1},          {SYS_umount2, 0, -1},       {SYS_pivot_root, 0, -1}, {SYS_sethostname, 0, -1},
	{SYS_memfd_create, 0, -1},   {SYS_openat, 1, -1},        {SYS_openat2, 1, -1},    {SYS_newfstatat, 1, -1},
	{SYS_statx, 1, -1},          {SYS_faccessat, 1, -1},     {SYS_faccessat2, 1, -1}, {SYS_unlinkat, 1, -1},
	{SYS_mkdirat, 1, -1},        {SYS_symlinkat, 2, -1},     {SYS_readlinkat, 1, -1}, {SYS_fchownat, 1, -1},
	{SYS_fchmodat, 1, -1},       {SYS_mknodat, 1, -1},       {SYS_linkat, 3, -1},     {SYS_renameat2, 3, -1},
	{SYS_execveat, 1, -1},       {SYS_open_tree, 1, -1},     {SYS_move_mount, 3, -1}, {SYS_fsopen, 0, -1},
	{SYS_fsconfig, 2, 1},        {SYS_mount_setattr, 1, -1}, {SYS_write, 1, 0},       {SYS_prctl, -1, 0},
	{SYS_keyctl, -1, 0},         {SYS_seccomp, -1, 0},       {SYS_socket, -1, 0},     {SYS_setrlimit, -1, 0},
	{SYS_prlimit64, -1, 1},      {SYS_fcntl, -1, 1},         {SYS_ioctl, -1, 1},      {SYS_rt_sigaction, -1, 0},
	{SYS_rt_sigprocmask, -1, 0}, {SYS_unshare, -1, 0},       {SYS_setns, -1, 1},      {SYS_read, -1, 0},
	{SYS_close, -1, 0},          {SYS_dup3, -1, 1},          {SYS_dup2, -1, 1},       {SYS_capset, -1, -1},
};

static inline void faults_string(pid_t pid, uint64_t address, char text[FIRST_STRING])
{
	struct iovec local = {.iov_base = text, .iov_len = FIRST_STRING - 1};
	struct iovec remote = {.iov_base = (void *)address, .iov_len = FIRST_STRING - 1};
	/* A text at the end of a page: less of it, then. */
	size_t page_left = 4096 - address % 4096;

	if (remote.iov_len > page_left)
		remote.iov_len = page_left;
	ssize_t n = address == 0 ? 0 : process_vm_readv(pid, &local, 1, &remote, 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	for (char *at = text; *at != '\0'; at++) {
		if (*at < ' ' || *at > '~') {
			*at = '\0';
			break;
		}
	}
}

/* In words, so that calls that mean something else can be told apart, and named in a message. */
static inline void faults_describe(pid_t pid, const struct __ptrace_syscall_info *info, char detail[DETAIL_MAX])
{
	char text[FIRST_STRING] = "";

	detail[0] = '\0';
	for (size_t i = 0; i < sizeof(call_words) / sizeof(*call_words); i++) {
		const struct call_words *words = &call_words[i];

		if (words->call != (long)info->entry.nr)
			continue;
		if (words->string >= 0)
			faults_string(pid, info->entry.args[words->string], text);
		if (words->number >= 0)
			snprintf(detail, DETAIL_MAX, "%llu %s", (unsigned long long)info->entry.args[words->number],
			         text);
		else
			snprintf(detail, DETAIL_MAX, "%s", text);
		return;
	}
}

#endif
