#!/usr/bin/env python3
# Power is lost in the middle of an operation, at every moment of it.
#
# The operation runs once, under build/probe/faults, with /var/lib/cloister on an ext4 of its own. Before each system
# call that may change a file it stands still, and if the files are not what they were the disk is copied: the block
# device, as it would be found after a boot. What was written and not synced is not on it, while names, modes and sizes
# are, since the journal is committed just before the copy: the worst that ext4 does. The last copy is of the end of
# another run without any such commit: what was reported as done must be on the disk.
#
# Then, for each copy, all processes are killed, and the disk becomes that copy. /run/cloister is empty, as after a boot;
# or it is as it was (a machine that was restored from a snapshot), and there is no process by the pids that are in it, or
# there is another one. In each case what `cloister` says must be true, the next login must work, the operation must work
# once more, and in the end nothing may be left of the first.
#
#   power_loss.py [--all | --sample N] OPERATION
#
# CLOISTER_FAULTS_SEED chooses the sample.
import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

# The checkout stays as it is.
sys.dont_write_bytecode = True

from fault_host import Host  # noqa: E402
from power_loss_operations import OPERATIONS, Wrong  # noqa: E402

BUILD = os.environ["HOST_BUILD"]
VAR, RUN = "/var/lib/cloister", "/run/cloister"
PLACE = "/run/power-loss"
SYNCS = {"74", "75", "306"}  # fsync, fdatasync, syncfs


def run(*words, check=True):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                          check=False, timeout=60)
    if check and done.returncode != 0:
        raise Wrong(f"{' '.join(words)}: status {done.returncode}: {(done.stderr + done.stdout).strip()[:300]}")
    return done


def eventually(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def tree(top):
    """Names, types, modes, owners, sizes and inodes below a directory."""
    found = []
    for directory, folders, files in os.walk(top):
        for name in folders + files:
            try:
                st = os.lstat(os.path.join(directory, name))
            except FileNotFoundError:
                continue
            found.append((directory, name, st.st_mode, st.st_uid, st.st_ino, st.st_nlink,
                          st.st_size, st.st_mtime_ns))
    return sorted(found)


class Disk:
    """An ext4 in a file. /var/lib/cloister is a directory of it."""

    image, mounted = f"{PLACE}/disk.img", f"{PLACE}/disk"

    def make(self):
        os.makedirs(f"{PLACE}/copies")
        os.mkdir(self.mounted)
        with open(self.image, "wb") as file:
            file.truncate(24 << 20)
        # A small journal, since it is copied each time.
        run("mkfs.ext4", "-q", "-F", "-b", "1024", "-J", "size=1", "-E", "lazy_itable_init=0,lazy_journal_init=0",
            self.image)

    def mount(self):
        run("mount", "-o", "loop", self.image, self.mounted)
        os.makedirs(f"{self.mounted}/cloister", mode=0o700, exist_ok=True)
        run("mount", "--bind", f"{self.mounted}/cloister", VAR)

    def unmount(self):
        for place in (VAR, self.mounted):
            if not eventually(lambda at=place: not os.path.ismount(at) or run("umount", at, check=False).returncode == 0,
                              10):
                raise Wrong(f"{place} is in use for good: something is left")

    def commit(self):
        """The journal, and with it every change of a name; not what other files hold."""
        fd = os.open(f"{self.mounted}/other", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, b"x")
        os.fsync(fd)
        os.close(fd)

    def copy(self, to):
        run("cp", "--sparse=always", self.image, to)

    def become(self, copy):
        self.unmount()
        run("cp", "--sparse=always", copy, self.image)
        self.mount()


class Watch:
    """Takes the copies while an operation runs."""

    def __init__(self, disk):
        self.disk, self.copies, self.last, self.syncs, self.moments = disk, [], None, 0, 0

    def save(self, why, commit=True):
        if commit:
            self.disk.commit()
        name = f"{PLACE}/copies/{len(self.copies)}"
        self.disk.copy(name + ".img")
        try:
            shutil.copytree(RUN, name + ".run", symlinks=True)
        except (FileNotFoundError, shutil.Error):
            pass  # a name that another process has taken away since: as it may be found
        self.copies.append((name, why))

    def moment(self, line):
        self.moments += 1
        now = (self.syncs, tree(VAR), tree(RUN))
        if now != self.last:
            self.save(line)
        self.last = now
        # What it synced is on the disk at the next moment.
        self.syncs += line.split("\t")[1] in SYNCS

    def answer(self):
        with open(f"{PLACE}/ask", encoding="utf-8", errors="replace") as ask, open(f"{PLACE}/answer", "wb") as answer:
            for line in ask:
                self.moment(line.strip())
                answer.write(b".")
                answer.flush()

    def follow(self, command):
        for name in ("ask", "answer"):
            os.mkfifo(f"{PLACE}/{name}")
        thread = threading.Thread(target=self.answer)
        thread.start()
        status = subprocess.run([f"{BUILD}/probe/faults", "-l", "90", "-w", PLACE, "--", *command], check=False,
                                stdin=subprocess.DEVNULL).returncode
        thread.join()
        if status != 0:
            sys.exit(f"void: the operation alone ends with {status}")
        self.save("the end")


class PowerLoss:
    def __init__(self, options):
        self.options = options
        self.operation = OPERATIONS[options.operation](run)
        self.disk = Disk()
        self.watch = Watch(self.disk)
        self.decoys = []
        self.mine = set(os.environ["HOST_KEEP"].split()) | self.ancestors()
        self.host = Host(None)
        self.before = None

    @staticmethod
    def ancestors():
        found, pid = set(), os.getpid()
        while pid > 1:
            found.add(str(pid))
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
                pid = int(stat.read().rpartition(")")[2].split()[1])
        return found

    def others(self):
        return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and pid not in self.mine]

    @staticmethod
    def reap():
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            pass

    def kill_all(self):
        def gone():
            for pid in self.others():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.reap()
            return not self.others()

        if not eventually(gone, 10):
            raise Wrong(f"processes that cannot be killed: {self.others()}")
        self.decoys = []

    def pids_registered(self):
        """Every number in the registry that may be a process's."""
        found = set()
        for directory, _, files in os.walk(RUN):
            for name in files:
                found.add(name.rpartition(".")[2])
                with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
                    found.update(line.partition("=")[2].strip() for line in file
                                 if line.startswith(("pid=", "owner=")))
        return {int(pid) for pid in found if pid.isdigit() and 1 < int(pid) < 4000000} - set(map(int, self.mine))

    def reuse_pids(self):
        """Processes of the user's whose pids are those of dead ones."""
        for wanted in sorted(self.pids_registered()):
            for _ in range(50):
                with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as last:
                    last.write(str(wanted - 1))
                decoy = subprocess.Popen(["/bin/sleep", "600"], user="iris", stdin=subprocess.DEVNULL)
                if decoy.pid == wanted:
                    self.decoys.append(decoy)
                    break
                decoy.kill()
                decoy.wait()
            else:
                raise Wrong(f"void: pid {wanted} cannot be had again")

    def restart(self, copy, kind="/run is empty"):
        self.kill_all()
        shutil.rmtree(RUN, ignore_errors=True)
        self.disk.become(copy + ".img")
        if kind != "/run is empty" and os.path.isdir(copy + ".run"):
            shutil.copytree(copy + ".run", RUN, symlinks=True)
        if kind == "others have the pids":
            self.reuse_pids()

    def kept(self):
        """What no operation may change, but for the mounts of the disk."""
        return {name for name in self.host.state() if name.startswith(("mount ", "node ", "cgroup "))
                and PLACE not in name and VAR not in name}

    def left(self):
        """Half-made things, entries, mounts, nodes."""
        found = [os.path.join(directory, name) for directory, folders, files in os.walk(VAR)
                 for name in folders + files if name.startswith((".unfinished-", ".dropped-")) or name == "home.new"]
        living = {str(decoy.pid) for decoy in self.decoys}
        for directory, _, files in os.walk(RUN):
            # A hidden file whose writer seems to live is left alone for ten minutes.
            found += [os.path.join(directory, name) for name in files
                      if "cgroups" not in directory and not (
                          name.startswith(".") and name.rpartition(".")[2] in living)]
        found += [str(pid) for pid in self.others() if str(pid) not in living]
        return found + sorted(self.kept() ^ self.before)

    def say_the_truth(self):
        sessions = json.loads(run(f"{BUILD}/cloister", "ls", "--json").stdout or "[]")
        if sessions:
            raise Wrong(f"cloister ls shows sessions: {sessions}")
        run(f"{BUILD}/cloister", "kill", "iris", check=False)
        self.operation.check_disk()

    def try_copy(self, copy, done, kind):
        self.restart(copy, kind)
        self.say_the_truth()
        if done:
            self.operation.check_done()
        self.operation.check_login()
        self.operation.again()
        self.operation.check_done()
        self.operation.check_login()
        if not eventually(lambda: not self.left()):
            raise Wrong(f"left: {self.left()[:6]}")
        dead = [decoy.pid for decoy in self.decoys if decoy.poll() is not None]
        if dead:
            raise Wrong(f"processes that only have the pids of dead ones were killed: {dead}")

    def sample(self):
        """Every so many, beginning where the seed says; and the end."""
        copies = self.watch.copies
        seed = os.environ.get("CLOISTER_FAULTS_SEED") or "1"
        every = 1 if self.options.all else max(1, len(copies) // self.options.sample)
        first = int(hashlib.sha256((seed + self.options.operation).encode()).hexdigest(), 16) % every
        chosen = set(range(first, len(copies), every)) | {len(copies) - 2, len(copies) - 1}
        return [(i, *copies[i]) for i in sorted(chosen)]

    def kinds(self, turn):
        after_snapshot = ["nobody has the pids", "others have the pids"]
        return ["/run is empty"] + (after_snapshot if self.options.all else [after_snapshot[turn % 2]])

    def all(self):
        self.disk.make()
        wrong = tried = 0
        try:
            # The first session makes the cgroup's directories.
            self.operation.check_login()
            self.kill_all()
            self.before = self.kept()
            self.disk.mount()
            self.operation.prepare()
            self.watch.follow(self.operation.command)
            if self.operation.is_durable:
                self.restart(self.watch.copies[0][0])
                run(*self.operation.command)
                self.watch.save("the end, and nobody else syncs", commit=False)
            for turn, (number, copy, why) in enumerate(self.sample()):
                for kind in self.kinds(turn):
                    tried += 1
                    try:
                        self.try_copy(copy, why.startswith("the end"), kind)
                    except Wrong as error:
                        wrong += 1
                        print(f"# {self.options.operation}, copy {number} ({why}), {kind}: {error}", flush=True)
        finally:
            self.kill_all()
            shutil.rmtree(RUN, ignore_errors=True)
            self.disk.unmount()
            shutil.rmtree(PLACE)
        print(f"# {self.options.operation}: {self.watch.moments} moments, {len(self.watch.copies)} different disks, "
              f"{tried} restarts, {wrong} wrong")
        return 1 if wrong or len(self.watch.copies) < 4 else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true", help="every copy")
    parser.add_argument("--sample", type=int, default=6, help="about so many, and the end")
    parser.add_argument("operation", choices=sorted(OPERATIONS))
    sys.exit(PowerLoss(parser.parse_args()).all())


main()
