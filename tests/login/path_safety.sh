#!/bin/bash
# tests/lib/path_safety.sh on this tree, and on small ones with a mistake in it: a lint that finds nothing proves nothing.
# Needs no test host.
set -u
cd -- "$(dirname -- "$0")/../.." || exit 1
. tests/lib/plain_tests.sh

# result NAME STATUS OUTPUT
result() {
	if [ "$2" -eq 0 ]; then
		echo "ok path_safety.$1"
	else
		echo "not ok path_safety.$1"
		printf '%s\n' "$3" | sed 's/^/# /'
	fi
	[ "$2" -eq 0 ]
}

test_every_call_is_explained() {
	local output status=0
	output=$(tests/lib/path_safety.sh "${B:-build}" 2>&1) || status=$?
	result every_call_is_explained "$status" "$output"
}

# look BODY [LINE...]: what the lint says of a file with one function and this body, and a list of these lines.
look() {
	local tree status=0 body=$1
	shift
	tree=$(mktemp -d)
	mkdir -p "$tree/lib" "$tree/obj/lib"
	cat >"$tree/lib/planted.c" <<-END
		#define _GNU_SOURCE
		#include <dirent.h>
		#include <fcntl.h>
		#include <stdio.h>
		#include <sys/mount.h>
		#include <sys/stat.h>
		#include <sys/syscall.h>
		#include <unistd.h>
		/* open("comment") */
		long planted(int fd, const char *name);
		long planted(int fd, const char *name)
		{
			const char *text = "open(2)";

			(void)fd, (void)name, (void)text;
			$body
		}
	END
	printf '%s\n' "$@" >"$tree/list"
	if gcc -O2 -D_FORTIFY_SOURCE=2 -c -o "$tree/obj/lib/planted.o" "$tree/lib/planted.c"; then
		(cd "$tree" && python3 "$OLDPWD/tests/lib/path_calls.py" obj list lib/planted.c) 2>&1 || status=$?
	else
		status=99
	fi
	rm -rf "$tree"
	return "$status"
}

test_a_planted_call_is_found() {
	local body output status problems=''
	while IFS= read -r body; do
		status=0
		output=$(look "$body" '#') || status=$?
		[ "$status" -eq 1 ] && [[ $output == *planted* ]] || problems+="$body: status $status, $output"$'\n'
	done <<-'END'
		return open(name, O_RDONLY);
		return openat(AT_FDCWD, name, O_RDONLY | O_NOFOLLOW);
		return openat(fd, "file", O_RDONLY);
		return openat(fd, "two/components", O_RDONLY | O_NOFOLLOW);
		return openat(fd, name, O_RDONLY | O_NOFOLLOW);
		return openat(fd, "..", O_RDONLY | O_NOFOLLOW);
		return mount(name, "/mnt", NULL, MS_BIND, NULL);
		return umount2("/mnt", MNT_DETACH);
		return chown(name, 1, 1);
		return fchownat(fd, "file", 1, 1, 0);
		return unlink("/run/file");
		return unlinkat(fd, name, 0);
		return linkat(fd, "a", fd, "b", AT_SYMLINK_FOLLOW);
		return rename("a", "b");
		return syscall(SYS_unlink, name);
		return syscall(fd, name);
		return syscall(SYS_openat2, fd, name, name, 0);
		int (*f)(const char *, mode_t) = chmod; return f(name, 0);
		char *t = (char *)name; return readlink(name, t, (size_t)fd);
		return opendir(name) != NULL;
		return fopen(name, "r") != NULL;
	END
	result a_planted_call_is_found "${#problems}" "$problems"
}

test_what_is_safe_needs_no_line() {
	local body output problems=''
	while IFS= read -r body; do
		output=$(look "$body" '#') || problems+="$body: $output"$'\n'
	done <<-'END'
		return openat(fd, "file", O_RDONLY | O_NOFOLLOW);
		return openat(fd, ".", O_RDONLY | O_DIRECTORY);
		return mkdirat(fd, "file", 0700);
		return execveat(fd, "", NULL, NULL, AT_EMPTY_PATH);
		return syscall(SYS_getpid);
	END
	result what_is_safe_needs_no_line "${#problems}" "$problems"
}

test_the_list() {
	local output problems='' line='lib/planted.c planted open name | a reason of some length'
	output=$(look 'return open(name, O_RDONLY);' "$line") || problems+="a line that fits: $output"$'\n'
	output=$(look 'return 0;' "$line") && problems+="a line that nothing needs is taken"$'\n'
	output=$(look 'return open(name, O_RDONLY);' "${line% | *}") && problems+="a line without a reason is taken"$'\n'
	output=$(look 'return open(name, O_RDONLY);' "* planted open name | a reason of some length") &&
		problems+="a line for all files is taken"$'\n'
	output=$(look 'return openat(fd, name, O_RDONLY);' 'lib/planted.c * *at name | a reason of some length') &&
		problems+="*at stands for what follows links"$'\n'
	result the_list "${#problems}" "$problems"
}

run_plain_tests "$@"
