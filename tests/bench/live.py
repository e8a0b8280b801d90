"""How long a start takes beside sessions that are there already, against limit in turns.
usage: live.py CLOISTER LIMIT TREE RUNS [NUMBER...]: with NUMBER live sessions (1, 10, 100, 1000)."""
import statistics
import subprocess
import sys
import time

CLOISTER, LIMIT, TREE, RUNS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
NUMBERS = [int(number) for number in sys.argv[5:]] or [1, 10, 100, 1000]
SESSION = (CLOISTER, "run", "--user", "iris", "--rootfs", TREE, "--set", "writable = direct", "--")
UID = subprocess.check_output(("id", "-u", "iris"), text=True).strip()
COMMANDS = {"limit": (LIMIT, TREE, UID, "/bin/true"), "cloister": SESSION + ("/bin/true",)}


def milliseconds(command):
    start = time.monotonic()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return (time.monotonic() - start) * 1000


def stay():
    session = subprocess.Popen(SESSION + ("/bin/sh", "-c", "echo; exec sleep 99999"), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)
    session.stdout.read(1)
    return session


def main():
    live, lines = [], {name: [] for name in COMMANDS}
    try:
        for number in NUMBERS:
            while len(live) < number:
                live.append(stay())
            times = {name: [] for name in COMMANDS}
            for _ in range(RUNS):
                for name, command in COMMANDS.items():
                    times[name].append(milliseconds(command))
            for name, measured in times.items():
                lines[name].append(statistics.median(measured))
    finally:
        for session in live:
            session.kill()
        for session in live:
            session.wait()
    print(f"{'a start beside live sessions, ms':34} " + " ".join(f"{number:>9}" for number in NUMBERS))
    for name, values in lines.items():
        print(f"{name:34} " + " ".join(f"{value:9.2f}" for value in values))
    print(f"{'of limit':34} " + " ".join(f"{own / base:9.2f}" for own, base in zip(lines["cloister"], lines["limit"])),
          flush=True)


main()
