# What faults.py goes by: which calls can fail, and how; what every session promises; what may differ because a call has
# failed.
import collections
import os
import re

ERRNOS = ["EPERM", "ENOMEM", "ENOSPC", "EMFILE", "EINTR", "EINVAL", "ENOSYS", "EAGAIN"]
MARKER = "session_state"
WRITES = {"write", "writev", "pwrite64", "sendto", "sendmsg"}
READS = {"recvfrom", "recvmsg"}
RESULTS = {"SHORT": -1, "EOF": 0}  # as the errno that a result of 1 or 0 would be
LIMIT = 60
SETTLE = 10

# These cannot fail (their manual pages, ERRORS), or have no result at all.
INFALLIBLE = set("""getpid getppid gettid getuid geteuid getgid getegid umask exit exit_group rt_sigreturn
    restart_syscall set_tid_address""".split())

# The first argument is which descriptor: another one each time, and no other kind of call.
BY_DESCRIPTOR = {"read", "write", "close"}


def call_names():
    names = {}
    for folder in ("/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm"):
        path = os.path.join(folder, "unistd_64.h")
        if os.path.exists(path):
            with open(path, encoding="ascii") as header:
                for match in re.finditer(r"#define __NR_(\w+) (\d+)", header.read()):
                    names[int(match[2])] = match[1]
            break
    return names


NAMES = call_names()
# Crashes that are not ours: what a library says as it ends the program; the files that run before main().
LIBRARY_GAVE_UP = re.compile(r"Assertion .* Aborting\.|The futex facility returned an unexpected error code")
BEFORE_MAIN = re.compile(r"/ld-linux[^/]*$|/ld-[0-9.]*so$|/libselinux\.so[^/]*$")

# What each good session is, whatever its kind.
PROMISED = [f"namespace {kind} own\n" for kind in ("user", "mnt", "pid", "uts", "ipc", "cgroup", "net")] + [
    f"status {who} Cap{kind}:\t{0:016x}\n" for who in ("self", "1") for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")
] + [
    f"status {who} {line}\n" for who in ("self", "1") for line in ("NoNewPrivs:\t1", "Seccomp:\t2")
] + ["core 0 0\n", "end\n", "file /tmp/canary: No such file or directory\n",
     "file /run/canary: No such file or directory\n", "file /root/canary: No such file or directory\n"]

COPIED = re.compile(r"(mount|file) /etc/(resolv\.conf|hosts|localtime)\b.*")

# What may differ in a good session, because the call has failed: (call, part of its detail) and the lines.
HARMLESS = [
    # A file system that cannot be idmapped (EINVAL, EPERM): files of root are shown as nobody's. None: OWNERS alone.
    ("mount_setattr", "", None),
    # A file of the host that may not be read (EPERM) is not copied, as one that is not there.
    ("openat", "", COPIED), ("readlinkat", "", COPIED),
    # A group of the user's for which the name service has no name.
    ("openat", "/etc/group", re.compile(r"file /etc/group \w+:x:#:")),
    # As with login(1): a home that cannot be entered is no reason to keep somebody out.
    ("chdir", "/home/", re.compile(r"root type \S+, .. is /: 1, cwd \S+")),
]
# A login program that does not hear of its child's end says nothing, or waits for ever.
WAITS = {"wait4", "waitid", "rt_sigaction", "rt_sigprocmask"}
LOGS = {"write", "writev", "sendto", "connect", "socket"}

OWNERS = re.compile(r",idmapped|(?<=\d) \d+ \d+$")


class Call(collections.namedtuple("Call", "role number n phase loader detail")):
    @property
    def name(self):
        return NAMES.get(self.number, str(self.number))

    def injection(self, code):
        return f"{self.role}:{self.name}:{self.n}:{code}"

    def codes(self):
        return ERRNOS + ["SHORT"] * (self.name in WRITES) + ["EOF"] * (self.name in READS)
