#!/usr/bin/env python3
"""Finds calls that resolve a path, and holds them against tests/lib/path-calls.

usage: path_calls.py OBJECTS LIST FILE.c...

No privileged process may resolve a path that a user can change under its feet. So a path is resolved by openat2(2) with
RESOLVE_*, or one component at a time from a descriptor, and never through a link at its end. What does not look like that
needs a line in LIST that says why it is safe:

    FILE FUNCTION CALL PATH | REASON

FUNCTION is the C function around the call. CALL is the called function, or "*at": any call with a descriptor to start
from, that follows no link at the end of PATH. FUNCTION may be "*"; FILE may be "*" where PATH is a literal. "*" for PATH:
whatever the call is given. A line that no call needs is an error, as is a call without one.

Two looks at the same thing: the symbols that an object file misses (nm -u) say what it can call at all, by whatever macro
or function pointer; the source says with which path. An object file that misses what its source does not call is an error.
"""
import glob
import re
import subprocess
import sys

# Of each function: the arguments that are paths.
PATHS = {
    "open": (0,), "creat": (0,), "fopen": (0,), "freopen": (0,), "stat": (0,), "lstat": (0,), "access": (0,),
    "euidaccess": (0,), "eaccess": (0,), "chown": (0,), "lchown": (0,), "chmod": (0,), "lchmod": (0,), "unlink": (0,),
    "remove": (0,), "rename": (0, 1), "mkdir": (0,), "mkdtemp": (0,), "mkstemp": (0,), "mkostemp": (0,), "mkstemps": (0,),
    "rmdir": (0,), "link": (0, 1), "symlink": (0, 1), "readlink": (0,), "realpath": (0,), "canonicalize_file_name": (0,),
    "truncate": (0,), "utime": (0,), "utimes": (0,), "lutimes": (0,), "mknod": (0,), "mkfifo": (0,), "setxattr": (0,),
    "lsetxattr": (0,), "getxattr": (0,), "lgetxattr": (0,), "listxattr": (0,), "llistxattr": (0,), "removexattr": (0,),
    "lremovexattr": (0,), "opendir": (0,), "scandir": (0,), "ftw": (0,), "nftw": (0,), "fts_open": (0,), "glob": (0,),
    "chdir": (0,), "chroot": (0,), "execv": (0,), "execve": (0,), "execvp": (0,), "execvpe": (0,), "execl": (0,),
    "execle": (0,), "execlp": (0,), "posix_spawn": (1,), "posix_spawnp": (1,), "posix_spawn_file_actions_addopen": (2,),
    "posix_spawn_file_actions_addchdir_np": (1,), "mount": (0, 1), "umount": (0,), "umount2": (0,), "pivot_root": (0, 1),
    "statfs": (0,), "statvfs": (0,), "pathconf": (0,), "dlopen": (0,), "swapon": (0,), "swapoff": (0,), "acct": (0,),
    "quotactl": (1,), "inotify_add_watch": (1,), "fanotify_mark": (4,), "system": (0,), "popen": (0,), "tempnam": (0,),
    "ftok": (0,), "uselib": (0,), "connect": (1,), "bind": (1,), "json_object_from_file": (0,), "json_object_to_file": (0,),
    "archive_read_open_filename": (1,), "archive_read_open_file": (1,), "archive_write_open_filename": (1,),
    "archive_write_disk_new": (0,), "archive_read_disk_open": (1,), "cap_get_file": (0,), "cap_set_file": (0,),
}
# Of each *at function: (descriptor, path) arguments, and the flag by which it follows no link at the end: None where it
# never does.
NOFOLLOW = "AT_SYMLINK_NOFOLLOW"
AT = {
    "openat": ([(0, 1)], "O_NOFOLLOW"), "fstatat": ([(0, 1)], NOFOLLOW), "newfstatat": ([(0, 1)], NOFOLLOW),
    "statx": ([(0, 1)], NOFOLLOW), "faccessat": ([(0, 1)], NOFOLLOW), "faccessat2": ([(0, 1)], NOFOLLOW),
    "fchownat": ([(0, 1)], NOFOLLOW), "fchmodat": ([(0, 1)], NOFOLLOW), "utimensat": ([(0, 1)], NOFOLLOW),
    "futimesat": ([(0, 1)], "-"), "mkdirat": ([(0, 1)], None), "mknodat": ([(0, 1)], None), "mkfifoat": ([(0, 1)], None),
    "unlinkat": ([(0, 1)], None), "readlinkat": ([(0, 1)], None), "symlinkat": ([(1, 2)], None),
    "linkat": ([(0, 1), (2, 3)], None), "renameat": ([(0, 1), (2, 3)], None), "renameat2": ([(0, 1), (2, 3)], None),
    "execveat": ([(0, 1)], NOFOLLOW), "scandirat": ([(0, 1)], "-"), "name_to_handle_at": ([(0, 1)], None),
    "fspick": ([(0, 1)], "FSPICK_SYMLINK_NOFOLLOW"), "open_tree": ([(0, 1)], NOFOLLOW), "mount_setattr": ([(0, 1)], NOFOLLOW),
    "move_mount": ([(0, 1), (2, 3)], None), "openat2": ([(0, 1)], "RESOLVE"), "cloister_openat2": ([(0, 1)], "RESOLVE"),
}
NAMES = PATHS.keys() | AT.keys()
# A name, not a member nor a declaration's.
CALL = re.compile(r"(?<![\w.>*])(syscall|" + "|".join(sorted(NAMES, key=len, reverse=True)) + r")\s*\(")
ATTRIBUTE = re.compile(r"__attribute__\(\(.*?\)\)", re.S)
DEFINITION = re.compile(r"^[a-z_][^;={}()#]*?\b(\w+)\([^;{}]*?\)\n\{", re.M)
MACRO = re.compile(r'^#define (\w+)(?: |\t|\\\n)+("[^"\n]*"(?: (?:"[^"\n]*"))*)', re.M)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def without_comments(text):
    """Comments become blanks, so that lines keep their numbers; strings stay."""
    pattern = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|/\*.*?\*/|//[^\n]*', re.S)
    text = pattern.sub(lambda m: m[0] if m[0][0] in "\"'" else re.sub(r"[^\n]", " ", m[0]), text)
    return ATTRIBUTE.sub(lambda m: " " * len(m[0]), text)


def arguments(text, at):
    """The arguments of the call whose parenthesis ends at `at`."""
    found, begin, depth = [], at, 1
    while depth > 0:
        if text[at] in "\"'":
            end = at + 1
            while text[end] != text[at]:
                end += 2 if text[end] == "\\" else 1
            at = end
        elif text[at] in "([{":
            depth += 1
        elif text[at] in ")]}":
            depth -= 1
        elif text[at] == "," and depth == 1:
            found.append(text[begin:at])
            begin = at + 1
        at += 1
    found.append(text[begin:at - 1])
    return [" ".join(argument.split()) for argument in found]


def calls(text):
    """(line, C function, called, arguments) of each call in a C file that may resolve a path."""
    functions = [(m.start(1), m[1]) for m in DEFINITION.finditer(text)]
    names = {start for start, _ in functions}
    for match in CALL.finditer(STRING.sub(lambda m: "x" * len(m[0]), text)):
        if match.start() in names:
            continue
        around = [name for start, name in functions if start < match.start()]
        called, given = match[1], arguments(text, match.end())
        if called == "syscall":
            number = re.fullmatch(r"(?:SYS|__NR)_(\w+)", given[0])
            if number is not None and number[1] not in NAMES:
                continue
            if number is not None:
                called, given = number[1], given[1:]
        yield text.count("\n", 0, match.start()) + 1, around[-1] if around else "-", called, given


def literal(argument, macros):
    """The text of a path that is a literal or a macro of one, or None."""
    if argument in macros:
        argument = macros[argument]
    match = STRING.fullmatch(argument)
    return match[1] if match else None


def follows(called, given):
    flag = AT[called][1]
    if flag is None:
        return "AT_SYMLINK_FOLLOW" in " ".join(given)
    return flag not in " ".join(given) and not (flag == "RESOLVE" and given[-1] == "resolve")


def is_safe_at(called, given, descriptor, path, macros):
    """One component of a descriptor, not followed: what needs no explanation."""
    start, text = given[descriptor], literal(given[path], macros)
    if text == "":  # the descriptor itself, but AT_FDCWD with no path is nothing
        return True
    if start == "AT_FDCWD":
        return False
    if called in ("openat2", "cloister_openat2"):
        return not follows(called, given)
    if text == "." and called in ("openat", "scandirat"):
        return True
    if follows(called, given):
        return False
    return given[path] == "entry->d_name" or (text is not None and "/" not in text and text != "..")


def findings(name, text, macros):
    """(line, key, at) of each call that needs a line in the list."""
    for line, function, called, given in calls(text):
        if called == "syscall":
            yield line, (name, function, called, given[0]), False
        elif called in PATHS:
            for path in PATHS[called]:
                yield line, (name, function, called, given[path] if path < len(given) else "?"), False
        else:
            for descriptor, path in AT[called][0]:
                if not is_safe_at(called, given, descriptor, path, macros):
                    at = given[descriptor] != "AT_FDCWD" and not follows(called, given)
                    yield line, (name, function, called, given[path]), at


def read_list(path):
    entries = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip() == "" or line.startswith("#"):
                continue
            fields, _, reason = line.rstrip("\n").partition(" | ")
            parts = fields.split(None, 3)
            if len(parts) != 4 or len(reason) < 10:
                sys.exit(f"{path}:{number}: not FILE FUNCTION CALL PATH | REASON")
            if parts[0] == "*" and not parts[3].startswith('"'):
                sys.exit(f"{path}:{number}: for every file only a literal path")
            entries.append((number, parts))
    return entries


def allows(entry, key, at):
    name, function, called, path = entry
    return name in ("*", key[0]) and function in ("*", key[1]) and (called == key[2] or (called == "*at" and at)) and \
        path in ("*", key[3])


def object_calls(paths):
    """By object file: what it misses, by the names of the source: open64, __open_2 and __readlink_chk are open, readlink."""
    output = subprocess.run(["nm", "-A", "-u", *paths], check=True, capture_output=True, text=True).stdout
    found = {path: set() for path in paths}
    for line in output.splitlines():
        path, _, symbol = line.partition(":")
        plain = re.sub(r"^_*(.*?)(?:64)?(?:_2|_chk)?$", r"\1", symbol.split()[-1])
        found[path] |= {symbol.split()[-1], plain} & NAMES
    return found


def main():
    objects, list_path, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    entries, used, problems, count = read_list(list_path), set(), [], 0
    texts, macros = {}, {}
    headers = sorted(glob.glob("include/*/*.h") + [header for name in {f.split("/")[0] for f in files}
                                                   for header in glob.glob(f"{name}/*.h")])
    for name in [*headers, *files]:
        with open(name, encoding="utf-8") as file:
            texts[name] = without_comments(file.read())
    for name in headers:
        macros.update(MACRO.findall(texts[name]))
    missed = object_calls([f"{objects}/{name[:-2]}.o" for name in files])
    for name in files:
        own = macros | dict(MACRO.findall(texts[name]))
        for line, key, at in findings(name, texts[name], own):
            count += 1
            matching = [number for number, entry in entries if allows(entry, key, at)]
            used.update(matching)
            if not matching:
                problems.append(f"{name}:{line}: {' '.join(key[1:])}")
        in_source = {called for _, _, called, _ in calls(texts[name])}
        for called in sorted(missed[f"{objects}/{name[:-2]}.o"] - in_source):
            problems.append(f"{name}: the object file calls {called}, and the source does not say so")
    problems += [f"{list_path}:{number}: no call needs it: {' '.join(parts)}"
                 for number, parts in entries if number not in used]
    print("\n".join(problems) or f"{len(files)} files, {count} calls that need a reason and have one")
    sys.exit(1 if problems or not files else 0)


main()
