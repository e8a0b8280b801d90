"""What the root of a session costs: its start on each kind of rootfs against a plain directory, and 1,000 sessions of one
image. usage: roots.py CLOISTER DISK RUNS SESSIONS; DISK holds a directory "tree", "i.erofs" and "i.squashfs"."""
import os
import statistics
import subprocess
import sys
import time

CLOISTER, DISK, RUNS, SESSIONS = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def command(rootfs, writable, *what):
    return (CLOISTER, "run", "--user", "iris", "--rootfs", rootfs, "--set", f"writable = {writable}", "--") + what


def stay(rootfs, writable, script):
    """A session that stays, and what it took to start, in ms."""
    start = time.monotonic()
    session = subprocess.Popen(command(rootfs, writable, "/bin/sh", "-c", f"echo; {script} exec sleep 99999"),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    session.stdout.read(1)
    return session, (time.monotonic() - start) * 1000


def end(sessions):
    for session in sessions:
        session.kill()
    for session in sessions:
        session.wait()


def start_times(what):
    plain = "a directory, direct"
    kinds = {plain: (f"{DISK}/tree", "direct"), "overlay over /": ("/", "overlay"),
             "overlay over a directory": (f"{DISK}/tree", "overlay"),
             "overlay over an erofs": (f"{DISK}/i.erofs", "overlay"),
             "overlay over a squashfs": (f"{DISK}/i.squashfs", "overlay")}
    times = {kind: [] for kind in kinds}
    # Turn by turn, so that the machine's ups and downs meet all of them.
    for turn in range(RUNS + 1):
        for kind, (rootfs, writable) in kinds.items():
            start = time.monotonic()
            subprocess.run(command(rootfs, writable, "/bin/true"), check=True, stdin=subprocess.DEVNULL)
            if turn > 0:
                times[kind].append((time.monotonic() - start) * 1000)
    base = statistics.median(times[plain])
    for kind, measured in times.items():
        median = statistics.median(measured)
        print(f"{what}: {kind:33} {median:21.3f} ms    ratio {median / base:6.3f}", flush=True)


def memory():
    """Used memory and page cache, in MiB."""
    with open("/proc/meminfo") as file:
        fields = {line.split(":")[0]: int(line.split()[1]) for line in file}
    return (fields["MemTotal"] - fields["MemAvailable"]) / 1024, fields["Cached"] / 1024


def short_sessions(name):
    """What a start and an end take: the median time, and the processor's, in ms, of sessions that do nothing."""
    times, used = [], []
    for _ in range(max(RUNS, 10)):
        start = time.monotonic()
        session = subprocess.Popen(command(f"{DISK}/{name}", "tmpfs", "/bin/true"), stdin=subprocess.DEVNULL)
        usage = os.wait4(session.pid, 0)[2]
        session.returncode = 0
        times.append((time.monotonic() - start) * 1000)
        used.append((usage.ru_utime + usage.ru_stime) * 1000)
    return statistics.median(times), statistics.median(used)


def many(name):
    """Sessions that each read the whole of an 8 MiB file of the image, and stay."""
    sessions, times = [stay(f"{DISK}/{name}", "tmpfs", "cat /big >/dev/null;")[0]], []
    alone, alone_used = short_sessions(name)
    before, cached_before = memory()
    for _ in range(SESSIONS):
        session, took = stay(f"{DISK}/{name}", "tmpfs", "cat /big >/dev/null;")
        sessions.append(session)
        times.append(took)
    time.sleep(2)
    after, cached_after = memory()
    part = max(SESSIONS // 20, 1)
    first, last = statistics.median(times[:part]), statistics.median(times[-part:])
    print(f"{SESSIONS} sessions of one {name:16} {(after - before) / SESSIONS:9.3f} MiB each, page cache "
          f"{cached_after - cached_before:+.0f} MiB; start {first:.1f} ms, the last {last:.1f} ms, "
          f"ratio {last / first:.3f}", flush=True)
    beside, beside_used = short_sessions(name)
    print(f"start and end beside 1 {name:16} {alone:9.3f} ms, beside {SESSIONS} {beside:.3f}, ratio {beside / alone:.3f}; "
          f"processor {alone_used:.1f} ms, {beside_used:.1f}, ratio {beside_used / alone_used:.3f}", flush=True)
    end(sessions)
    os.sync()


# An image's first session mounts it, and reads and unpacks what it needs of it; whoever comes while one is there finds
# all that.
start_times("first")
others = [stay(f"{DISK}/{name}", "tmpfs", "/bin/true;")[0] for name in ("i.erofs", "i.squashfs", "tree")]
start_times("later")
end(others)
many("i.erofs")
many("i.squashfs")
