"""Ten thousand sessions in a row: whether they become slower, and what they leave in the kernel.
usage: in_a_row.py CLOISTER LIMIT TREE SESSIONS. LIMIT (limit.c) is timed between the tenths: the machine ages, too."""
import statistics
import subprocess
import sys
import time

CLOISTER, LIMIT, TREE, SESSIONS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
SESSION = (CLOISTER, "run", "--user", "iris", "--rootfs", TREE, "--set", "writable = direct", "--", "/bin/true")
UID = subprocess.check_output(("id", "-u", "iris"), text=True).strip()


def median_of(number, *command):
    times = []
    for _ in range(number):
        start = time.monotonic()
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        times.append((time.monotonic() - start) * 1000)
    return statistics.median(times)


def kernel():
    """The kernel's memory in KiB, and its mounts and namespaces in objects."""
    with open("/proc/meminfo") as file:
        fields = {line.split(":")[0]: int(line.split()[1]) for line in file}
    objects = {}
    with open("/proc/slabinfo") as file:
        for line in file.read().splitlines()[2:]:
            objects[line.split()[0]] = int(line.split()[1])
    return {"slab that stays, KiB": fields["SUnreclaim"], "per-processor memory, KiB": fields["Percpu"],
            "mounts": objects.get("mnt_cache", 0), "pids": objects.get("pid", 0), "networks": objects.get("net_namespace", 0),
            "user namespaces": objects.get("user_namespace", 0)}


def settled():
    """Namespaces are taken apart by the kernel's own workers: once the numbers stand still."""
    last = None
    for _ in range(60):
        now = kernel()
        if now == last:
            break
        last = now
        time.sleep(1)
    return last


def main():
    median_of(50, *SESSION)
    before = settled()
    sessions, limits = [], []
    for _ in range(10):
        limits.append(median_of(50, LIMIT, TREE, UID, "/bin/true"))
        sessions.append(median_of(SESSIONS // 10, *SESSION))
    after = settled()
    print(f"{SESSIONS} sessions in a row, median ms of each tenth: " + " ".join(f"{value:.2f}" for value in sessions))
    print("limit, between them:" + " " * 35 + " ".join(f"{value:.2f}" for value in limits))
    print(f"the last tenth against the first: {sessions[-1] / sessions[0]:.2f}, limit {limits[-1] / limits[0]:.2f}")
    print("what is left: " + ", ".join(f"{name} {before[name]} -> {after[name]}" for name in before), flush=True)


main()
