"""Starts the same small program in the same directory by Cloister, by bare system calls (limit), and by what else Debian
has for it, turn by turn. usage: others.py CLOISTER LIMIT DIRECTORY RUNS OUT; DIRECTORY holds "tree" with /bin/limit."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

CLOISTER, LIMIT, DIRECTORY, RUNS, OUT = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), pathlib.Path(sys.argv[5])
TREE = f"{DIRECTORY}/tree"
NOW = ("/bin/limit", "now")
REASONS = {}


def cloister(*program):
    return (CLOISTER, "run", "--user", "iris", "--rootfs", TREE, "--set", "writable = direct", "--") + program


def bundle(program):
    """An OCI bundle as `crun spec` makes it, which has the same namespaces but the user one."""
    path = pathlib.Path(DIRECTORY, "bundle")
    path.mkdir(exist_ok=True)
    if not (path / "config.json").exists():
        subprocess.run((program, "spec"), cwd=path, check=True)
        config = json.loads((path / "config.json").read_text())
        config["process"].update(terminal=False, args=list(NOW))
        config["root"] = {"path": TREE, "readonly": False}
        # The host of the benchmark may be one without CAP_SYS_RESOURCE, or without cgroups to write to.
        config["process"].pop("rlimits", None)
        config["mounts"] = [mount for mount in config["mounts"] if mount["type"] not in ("cgroup", "sysfs")]
        (path / "config.json").write_text(json.dumps(config))
    return str(path)


def firejail(*program):
    return ("firejail", "--quiet", "--noprofile", "--private", "--net=none") + program


def commands():
    uid = subprocess.check_output(("id", "-u", "iris"), text=True).strip()
    yield "limit", LIMIT, (LIMIT, TREE, uid) + NOW
    yield "cloister", CLOISTER, cloister(*NOW)
    yield "unshare", "unshare", ("unshare", "-Urmpniu", "--fork", "--kill-child", f"--root={TREE}", "--mount-proc") + NOW
    yield "bwrap", "bwrap", ("bwrap", "--unshare-all", "--bind", TREE, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs",
                             "/tmp", "--tmpfs", "/run") + NOW
    for program in ("crun", "runc"):
        if shutil.which(program):
            more = ("--cgroup-manager=disabled",) if program == "crun" else ()
            yield program, program, (program, *more, "run", "-b", bundle(program), f"bench-{os.getpid()}")
    # In a container, as the benchmark's host is one, it starts the program without one of its own.
    if shutil.which("firejail") and subprocess.check_output(firejail("readlink", "/proc/self/ns/mnt"), text=True,
                                                            stdin=subprocess.DEVNULL).strip() == \
            os.readlink("/proc/self/ns/mnt"):
        REASONS["firejail"] = "takes the benchmark's host for a sandbox, and makes none of its own there"
    else:
        yield "firejail", "firejail", firejail(LIMIT, "now")
    yield "systemd-nspawn", "systemd-nspawn", ("systemd-nspawn", "-q", "--register=no", "--keep-unit", "--pipe",
                                               "--private-network", "-D", TREE) + NOW
    podman = ("podman", "--cgroup-manager=cgroupfs", f"--root={DIRECTORY}/podman", f"--runroot={DIRECTORY}/podman.run")
    yield "podman run", "podman", podman + ("run", "--rm", "--cgroups=disabled", "--network=none", "--ulimit=host",
                                            "--rootfs", TREE) + NOW
    name = f"bench-{os.getpid()}"
    if shutil.which("podman"):
        subprocess.run(podman + ("run", "-d", "--name", name, "--cgroups=disabled", "--network=none", "--ulimit=host",
                                 "--rootfs", TREE, "/bin/sleep", "99999"), capture_output=True, check=False)
    yield "podman exec", "podman", podman + ("exec", name) + NOW


def once(command):
    """To the first instruction of the program, to the end, the processor's time of what was waited for: in ms."""
    start = time.monotonic_ns()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    end = time.monotonic_ns()
    process.returncode = os.waitstatus_to_exitcode(status)
    with process:
        wrong = process.stderr.read()
    if process.returncode != 0:
        raise RuntimeError(wrong.decode(errors="replace").strip()[-300:])
    return (int(said) - start) / 1e6, (end - start) / 1e6, (usage.ru_utime + usage.ru_stime) * 1000


def peak(command):
    """The most memory that one of its processes had, of those that were waited for, in MiB."""
    wrong = subprocess.run((LIMIT, "peak") + command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60).stderr
    return int(wrong.split()[-1]) / 1024


def calls(command):
    """How many system calls all of its processes make."""
    out = f"{DIRECTORY}/strace"
    subprocess.run(("strace", "-f", "-qq", "-c", "-o", out) + command, capture_output=True, check=False, timeout=120)
    total = [line for line in pathlib.Path(out).read_text().splitlines() if line.endswith(" total")]
    return int(total[0].split()[-3 if len(total[0].split()) > 4 else -2]) if total else 0


def at_once(command, number):
    """What each of so many starts at the same time takes of the whole, in ms."""
    start = time.monotonic()
    running = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for _ in range(number)]
    if any(process.wait() != 0 for process in running):
        raise RuntimeError("one of many failed")
    return (time.monotonic() - start) * 1000 / number


def pss(pids):
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def idle_memory():
    """What an idle session holds, in KiB: of init's pages, and of the kernel's (slab, page tables, stacks: the difference
    that fifty sessions make)."""
    def kernel():
        fields = dict(line.split(":") for line in open("/proc/meminfo"))
        return sum(int(fields[key].split()[0]) for key in ("Slab", "PageTables", "KernelStack", "Percpu"))

    subprocess.run(cloister("/bin/true"), check=True)
    before, sessions = kernel(), []
    for _ in range(50):
        session = subprocess.Popen(cloister("/bin/sh", "-c", "echo; exec sleep 99999"), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE)
        session.stdout.read(1)
        sessions.append(session)
    time.sleep(1)
    after = kernel()
    inits = [pid for session in sessions for pid in
             subprocess.check_output(("pgrep", "-P", str(session.pid), "cloister-init"), text=True).split()]
    own = pss(inits) / len(sessions)
    for session in sessions:
        session.kill()
    for session in sessions:
        session.wait()
    return own, (after - before) / len(sessions)


def measure():
    kinds = {}
    for name, program, command in commands():
        if name in REASONS:
            continue
        if not shutil.which(program):
            REASONS[name] = "not installed"
            continue
        try:
            once(command)
            kinds[name] = command
        except (RuntimeError, ValueError, subprocess.TimeoutExpired) as reason:
            REASONS[name] = str(reason)
    found = {name: [] for name in kinds}
    for _ in range(RUNS):
        for name, command in kinds.items():
            found[name].append(once(command))
    return kinds, {name: tuple(statistics.median(column) for column in zip(*rows)) for name, rows in found.items()}


def plot(times, path):
    """A bar a program, to the first instruction and to the end, on a logarithmic scale."""
    import math
    width, row = 640, 34
    top = max(end for _, end, *_ in times.values())

    def x(ms):
        return 150 + (width - 260) * math.log10(max(ms, 1)) / math.log10(top)

    rows = []
    for i, (name, (to_first, to_end, *_)) in enumerate(sorted(times.items(), key=lambda item: item[1][1])):
        y = 30 + i * row
        colour = "#c0392b" if name == "cloister" else "#7f8c8d"
        rows.append(f'<text x="140" y="{y + 15}" text-anchor="end">{name}</text>'
                    f'<rect x="150" y="{y}" width="{x(to_end) - 150:.1f}" height="20" fill="{colour}" opacity="0.45"/>'
                    f'<rect x="150" y="{y}" width="{x(to_first) - 150:.1f}" height="20" fill="{colour}"/>'
                    f'<text x="{x(to_end) + 6:.1f}" y="{y + 15}">{to_first:.1f} / {to_end:.1f} ms</text>')
    height = 40 + row * len(times)
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
                    f'font-size="13"><rect width="100%" height="100%" fill="#fff"/>'
                    f'<text x="10" y="18">To the first instruction (dark) and to the end (light), logarithmic</text>'
                    + "".join(rows) + "</svg>\n")


def main():
    kinds, times = measure()
    if "limit" not in times:
        sys.exit(f"limit: {REASONS}")
    base_first, base = times["limit"][:2]
    lines = [f"{'start of a program in a directory':34} {'first':>9} {'ratio':>7} {'end':>9} {'ratio':>7} {'calls':>6} "
             f"{'processor':>9} {'memory':>9}"]
    for name, (to_first, to_end, used) in sorted(times.items(), key=lambda item: item[1][1]):
        lines.append(f"{name:34} {to_first:6.2f} ms {to_first / base_first:7.2f} {to_end:6.2f} ms {to_end / base:7.2f} "
                     f"{calls(kinds[name]):6} {used:6.1f} ms {peak(kinds[name]):5.1f} MiB")
    lines += [f"{name:34} not measured: {reason}" for name, reason in REASONS.items()]
    lines.append(f"{'so many at once, ms each':34} " + " ".join(f"{number:>9}" for number in (1, 2, 8, 32)))
    for name in ("limit", "cloister", "bwrap"):
        if name in kinds:
            values = (statistics.median(at_once(kinds[name], number) for _ in range(5)) for number in (1, 2, 8, 32))
            lines.append(f"{name:34} " + " ".join(f"{value:9.2f}" for value in values))
    own, kernel = idle_memory()
    lines.append(f"an idle session holds {own:.0f} KiB of init's (PSS), and {kernel:.0f} KiB of the kernel's")
    print("\n".join(lines), flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "others.txt").write_text("\n".join(lines) + "\n")
    plot(times, OUT / "others.svg")


main()
