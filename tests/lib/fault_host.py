# The state of the test host, for faults.py: what must be the same before and after a login.
import os


class Host:
    """What must not have changed: the test host, as its root sees it. image: whose loop devices count; those of others
    on the machine come and go."""

    def __init__(self, image):
        self.image = image

    def processes(self):
        mine = {str(os.getpid())}
        found = {}
        for pid in os.listdir("/proc"):
            if pid.isdigit() and pid not in mine:
                try:
                    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
                        found[pid] = comm.read().strip()
                except OSError:
                    pass
        return {f"process {pid} {comm}" for pid, comm in found.items()}

    def files(self):
        found = set()
        for top in ("/run/cloister", "/sys/fs/cgroup/cloister"):
            for directory, _, files in os.walk(top):
                found.update(f"file {os.path.join(directory, name)}" for name in files)
                if top.startswith("/sys"):
                    found.add(f"cgroup {directory}")
        # The working directories of overlays come and go: three levels are ours.
        for directory, folders, _ in os.walk("/var/lib/cloister"):
            found.update(f"directory {os.path.join(directory, name)}" for name in folders)
            if directory.count("/") > 5:
                folders.clear()
        # A lock is no more than a name.
        return {name for name in found if "/cgroups/" not in name}

    def loops(self):
        found = set()
        for device in os.listdir("/sys/block"):
            try:
                with open(f"/sys/block/{device}/loop/backing_file", encoding="utf-8") as backing:
                    name = backing.read().strip()
            except OSError:
                continue
            if self.image and name.endswith(self.image):
                found.add(f"loop {device} {name}")
        return found

    def state(self):
        # Not those of trees that somebody builds on the machine meanwhile, which are hidden below this host's /tmp.
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            found = {"mount " + line.strip() for line in mounts if " /tmp/" not in line}
        found |= self.processes() | self.files() | self.loops()
        found.update(f"node {name}" for name in os.listdir("/dev") + os.listdir("/dev/pts"))
        return found
