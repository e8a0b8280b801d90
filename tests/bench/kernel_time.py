"""What the kernel does in its time, by the system call that a sample of perf(1) is in.
usage: perf script -F comm,ip,sym | kernel_time.py NAME STARTS COMM...; the figures are samples a start, so those of two
programs that were sampled at one rate can be set against each other."""
import collections
import re
import sys

NAME, STARTS, COMMS = sys.argv[1], int(sys.argv[2]), set(sys.argv[3:])
KINDS = {
    "processes and their memory": "execve execveat clone clone3 vfork fork exit exit_group wait4 waitid mmap_pgoff mmap mprotect munmap brk",
    "namespaces": "unshare setns sethostname ioctl",
    "mounts": "mount umount pivot_root fsopen fsconfig fsmount open_tree move_mount mount_setattr",
    "files": "openat openat2 close newfstatat fstat statx fstatfs readlink readlinkat getdents64 mkdirat symlinkat unlinkat "
             "renameat fchmod read write pread64 lseek access fcntl memfd_create getxattr name_to_handle_at statmount",
    "rights and filters": "prctl capget capset seccomp landlock_create_ruleset landlock_restrict_self setresuid setresgid "
                          "setuid setgid setgroups keyctl",
}
KIND_OF = {call: kind for kind, calls in KINDS.items() for call in calls.split()}
# Whatever call they are in: clone3(2) makes namespaces, and closing a descriptor may end a mount.
ANYWHERE = {"copy_net_ns": "namespaces", "create_user_ns": "namespaces", "copy_mnt_ns": "namespaces",
            "create_new_namespaces": "namespaces", "cleanup_mnt": "mounts"}
# In no call at all: faults, and the end by a signal.
WITHOUT_A_CALL = ("exc_page_fault", "do_group_exit")
CALL = re.compile(r"(?:__x64_sys_|__do_sys_|__se_sys_|ksys_)(\w+?)(?:\.\w+)*$")


def kind_of(frames):
    """frames: the innermost first."""
    for name, kind in ANYWHERE.items():
        if any(frame.startswith(name) for frame in frames):
            return kind
    for frame in reversed(frames):
        match = CALL.match(frame)
        if match and match.group(1) in KIND_OF:
            return KIND_OF[match.group(1)]
    if any(name in frame for name in WITHOUT_A_CALL for frame in frames):
        return "processes and their memory"
    if any("syscall" in frame.lower() for frame in frames):
        return "the way into the kernel, and other calls"
    return "the programs themselves"


def samples(stream):
    comm, frames = None, []
    for line in stream:
        if not line.strip():
            if comm is not None:
                yield comm, frames
            comm, frames = None, []
        elif comm is None:
            comm = line.strip()
        else:
            frames.append(line.split()[1] if len(line.split()) > 1 else "")


def main():
    count = collections.Counter(kind_of(frames) for comm, frames in samples(sys.stdin) if comm in COMMS)
    print(f"where the time of {NAME} is, in samples a start:", ", ".join(
        f"{kind} {number / STARTS:.1f}" for kind, number in count.most_common()), f"(all {count.total() / STARTS:.1f})")


main()
