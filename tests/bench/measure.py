"""Measures pairs of the same act by an isolated user and by one who is not; prints medians and their ratio."""
import os
import pty
import select
import statistics
import subprocess
import sys
import time
import tty

PAIRS = int(sys.argv[1])


def report(what, unit, plain, isolated):
    plain, isolated = statistics.median(plain), statistics.median(isolated)
    print(f"{what:40} {plain:10.3f} {isolated:10.3f} {unit:5} ratio {isolated / plain:6.3f}"
          f"  difference {isolated - plain:+.3f}", flush=True)


def timed(*command):
    start = time.monotonic()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return (time.monotonic() - start) * 1000


def timed_on_a_terminal(*command):
    """On a pty of its own, until it is given back."""
    start = time.monotonic()
    pid, master = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    os.waitpid(pid, 0)
    os.close(master)
    return (time.monotonic() - start) * 1000


def pairs(what, command, count=PAIRS, act=timed):
    plain, isolated = [], []
    for user in ("nora", "iris"):
        act(*command(user))
    for _ in range(count):
        plain.append(act(*command("nora")))
        isolated.append(act(*command("iris")))
    report(what, "ms", plain, isolated)


class Terminal:
    """A program on a pty of its own."""

    def __init__(self, *command):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)

    def read_until(self, text):
        got = b""
        while text not in got:
            if not select.select([self.master], [], [], 20)[0]:
                sys.exit(f"no answer; got {got!r}")
            got += os.read(self.master, 65536)
        return got

    def close(self):
        os.close(self.master)
        os.waitpid(self.pid, 0)


def key_times(terminal, count=500):
    """The time from a key to its echo, by a program in raw mode that writes what it reads."""
    times = []
    terminal.read_until(b"ready")
    time.sleep(0.2)
    select.select([terminal.master], [], [], 0)[0] and os.read(terminal.master, 4096)
    for _ in range(count):
        start = time.monotonic()
        os.write(terminal.master, b"x")
        os.read(terminal.master, 16)
        times.append((time.monotonic() - start) * 1000)
        time.sleep(0.002)
    terminal.close()
    return times


ECHO = "stty raw -echo; echo ready; exec cat"


def keys(what, command):
    report(what, "ms", key_times(Terminal(*command("nora"))), key_times(Terminal(*command("iris"))))


def throughput(command, size=200_000_000):
    terminal = Terminal(*command)
    terminal.read_until(b"ready")
    got, start = 0, time.monotonic()
    while got < size - 4096:
        got += len(os.read(terminal.master, 65536))
    seconds = time.monotonic() - start
    terminal.close()
    return size / seconds / 1e6


def su(user, command):
    return ("su", "-l", user, "-c", command)


def join_against_start(rounds=5):
    """What a login to a session that is there costs, against one that starts it (scope = user): above a plain su."""
    plain, start, join = [], [], []
    each = max(2, PAIRS // rounds)
    for _ in range(rounds):
        for _ in range(each):
            plain.append(timed(*su("nora", "true")))
            start.append(timed(*su("ivan", "true")))
        holder = subprocess.Popen(su("ivan", "echo up; exec sleep 600"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        holder.stdout.readline()
        for _ in range(each):
            join.append(timed(*su("ivan", "true")))
        subprocess.run(("pkill", "-u", "ivan", "sleep"), check=True)
        holder.wait()
    without = statistics.median(plain)
    start, join = statistics.median(start) - without, statistics.median(join) - without
    print(f"{'join against start, above a plain su':40} {start:10.3f} {join:10.3f} ms    ratio {join / start:6.3f}", flush=True)


print(f"{'':40} {'plain':>10} {'isolated':>10}")
pairs("ssh host true", lambda user: ("ssh", "-n", f"{user}@testhost", "true"))
pairs("su -l -c true", lambda user: su(user, "true"))
pairs("su -l -c true, on a terminal", lambda user: su(user, "true"), act=timed_on_a_terminal)
keys("a key through su's terminal", lambda user: su(user, ECHO))
keys("a key through ssh", lambda user: ("ssh", "-tt", f"{user}@testhost", ECHO))
FLOOD = "stty raw -echo; echo ready; sleep 0.2; exec head -c 200000000 /dev/zero"
report("su's terminal, output", "MB/s", [throughput(su("nora", FLOOD))], [throughput(su("iris", FLOOD))])
print(f"{'':40} {'start':>10} {'join':>10}")
join_against_start()
