#!/usr/bin/env python3
# Makes the system calls of a session's set-up fail, one at a time. The list of calls comes from a good run, traced by
# build/probe/faults, so that a call that is new is tried by itself. After each failure one of two things must hold:
#   refused: what the user runs was not executed, the exit status is not 0, and something says why;
#   good:    it was executed, and the session is in every line of build/probe/session_state what a good one is.
# In both nothing is left, nothing takes longer than a watch allows, and nothing crashes.
#
#   faults.py [--all | --only ROLE:CALL:N:ERRNO...] [OPTION...] NAME -- COMMAND...
#
# COMMAND is a login that executes build/probe/session_state; {faults} in it stands for the injector, where not COMMAND
# itself is to be traced. Without --all a sample is taken: each kind of call once,
# with one errno. CLOISTER_FAULTS_SEED is another sample. ROLE says whose child a process is and what it executes, as in
# tests/probe/faults.c; N is a number, +TEXT (the first such call after one that has to do with TEXT; ++TEXT: the
# second) or =TEXT (the first one that has). Besides names of errno there are SHORT, for what writes: a byte is written,
# and no more; and EOF, for what receives: there is nothing.
import argparse
import collections
import errno
import hashlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time

# The checkout stays as it is.
sys.dont_write_bytecode = True

from fault_host import Host  # noqa: E402
from fault_rules import (  # noqa: E402
    BEFORE_MAIN, BY_DESCRIPTOR, HARMLESS, INFALLIBLE, LIBRARY_GAVE_UP, LIMIT, LOGS, MARKER, OWNERS, PROMISED, RESULTS,
    SETTLE, WAITS, Call)


class Result:
    def __init__(self, report, output, error, log):
        self.log_at = 0
        self.output, self.error, self.log = output, error, log
        self.values = collections.defaultdict(list)
        for line in report.splitlines():
            name, _, value = line.partition("=")
            self.values[name].append(value)

    def flag(self, name):
        return self.values[name] == ["1"]


class Sweep:
    def __init__(self, options):
        self.options = options
        self.injector = os.path.join(os.environ["HOST_BUILD"], "probe/faults")
        self.folder = tempfile.mkdtemp(prefix="faults-", dir="/run")
        self.host = Host(options.image)
        self.good = None
        self.before = None
        self.counts = collections.Counter()
        self.failures = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, arguments):
        """One login under the injector."""
        log_at = os.path.getsize("/var/log/syslog")
        injector = [self.injector, "-m", MARKER, "-l", str(LIMIT), "-r", self.path("report"), *arguments, "--"]
        inner = [word.replace("{faults}", shlex.join(injector)) for word in self.options.command]
        with open(self.path("out"), "wb") as out, open(self.path("err"), "wb") as err:
            if inner == self.options.command:
                subprocess.run(injector + inner, stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False)
            else:
                self.run_inside(inner, out, err)
        texts = []
        for name in ("report", "out", "err"):
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
        result = Result(*texts, self.log_since(log_at))
        result.log_at = log_at
        return result

    def run_inside(self, command, out, err):
        """The injector is started by the command, and may end after it."""
        if os.path.exists(self.path("report")):
            os.unlink(self.path("report"))
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False).returncode
        end = time.monotonic() + LIMIT + SETTLE
        while time.monotonic() < end:
            if os.path.exists(self.path("report")):
                with open(self.path("report"), "r+", encoding="utf-8") as report:
                    text = report.read()
                    if "\nstatus=" in text:
                        report.seek(0)
                        report.write(re.sub(r"\nstatus=\d+\n", f"\nstatus={status}\n", text))
                        report.truncate()
                        return
            time.sleep(0.005)
        sys.exit("the injector has not ended")

    def log_since(self, offset):
        with open("/var/log/syslog", "rb") as file:
            file.seek(offset)
            return file.read().decode("utf-8", "replace")

    def plain(self, output):
        """The session's state with what differs from one good session to the next left out."""
        for kind in ("user", "mnt", "pid", "uts", "ipc", "cgroup", "net"):
            host = os.readlink(f"/proc/self/ns/{kind}")
            output = output.replace(f"namespace {host}\n", f"namespace {kind} HOST\n")
        # An unprivileged session of "/" has what others on the machine have mounted meanwhile below this host's /tmp.
        output = re.sub(r"^mount /tmp/.*\n", "", output, flags=re.MULTILINE)
        output = re.sub(r"namespace (\w+):\[\d+\]", r"namespace \1 own", output)
        if not self.options.standing:
            output = re.sub(r"(session=\w+-)[0-9a-f#]+", r"\1#", output)
        return output.replace(self.folder, "DIRECTORY")

    def trace(self):
        """A good run: its calls. Twice, since the first login makes directories that stay."""
        self.run([])
        self.before = self.host.state()
        result = self.run(["-t", self.path("trace")])
        self.good = self.plain(result.output)
        missing = [line for line in PROMISED if line not in self.good
                   and not (self.options.rooted and line.startswith("status self Cap"))]
        if not result.flag("ran") or missing:
            sys.exit(f"void: no good session: not {missing}: {result.error} {result.log} {dict(result.values)}")
        again = self.plain(self.run([]).output)
        if again != self.good:
            sys.exit(f"void: two good sessions differ: {self.difference(again)}")
        calls = []
        with open(self.path("trace"), encoding="utf-8", errors="replace") as file:
            for line in file:
                role, number, n, phase, loader, detail = line.rstrip("\n").split("\t")
                calls.append(Call(role, int(number), int(n), phase, loader == "loader", detail))
        return self.wanted_calls(calls)

    def wanted_calls(self, calls):
        """Without those that cannot fail; from the one that has to do with --from on; of the roles of --role."""
        first = 0
        if self.options.since:
            first = next(i for i, call in enumerate(calls) if self.options.since in call.detail)
        return [call for call in calls[first:]
                if call.name not in INFALLIBLE and re.search(self.options.role, call.role)
                and (self.options.ours or call.name not in WAITS) and self.options.detail in call.detail]

    def difference(self, output, call=None):
        good, now = self.good.splitlines(), output.splitlines()
        lines = [f"-{line}" for line in good if line not in now] + [f"+{line}" for line in now if line not in good]
        if not lines and len(good) != len(now):
            return "a line more or less"
        for name, detail, text in HARMLESS:
            if not call or call.name != name or detail not in call.detail:
                continue
            if text is None:
                good, now = ([OWNERS.sub("", line) for line in side] for side in (good, now))
                lines = [line for line in now if line not in good] + [line for line in good if line not in now]
            else:
                lines = [line for line in lines if not text.fullmatch(line[1:])]
        return "; ".join(lines[:6])

    def kind(self, call):
        """Calls of one kind are one for a sample."""
        if call.loader:
            return (call.role, call.name, "loader", call.phase)
        detail = re.sub(r"-[0-9a-f]{8}\b", "-ID", call.detail)
        number, _, text = detail.partition(" ") if " " in detail else ("", "", detail)
        if call.name in BY_DESCRIPTOR:
            number = ""
        # Dozens of places are hidden by the same code.
        text = re.sub(r"^(/[^/]+/[^/]+)/.*", r"\1", re.sub(r"\d+", "#", text))
        return (call.role, call.name, number, text, call.phase)

    def known(self, kinds):
        """What was tried for another session; what is tried now is known to the next one."""
        if not self.options.known:
            return set()
        known = set()
        if os.path.exists(self.options.known):
            with open(self.options.known, encoding="utf-8") as file:
                known = set(file.read().splitlines())
        with open(self.options.known, "a", encoding="utf-8") as file:
            file.writelines(f"{kind!r}\n" for kind in kinds)
        return known

    def sample(self, calls):
        """One call of each kind, and one of the errnos; or all of them."""
        seed = os.environ.get("CLOISTER_FAULTS_SEED") or "1"
        print(f"# CLOISTER_FAULTS_SEED={seed}")
        kinds = collections.defaultdict(list)
        for call in calls:
            kinds[self.kind(call)].append(call)
        known = self.known(kinds)
        for kind, members in kinds.items():
            if repr(kind) in known:
                continue
            draw = int(hashlib.sha256(repr((seed, kind)).encode()).hexdigest(), 16)
            if draw // 7 % self.options.share:
                continue
            call = members[draw % len(members)]
            codes = call.codes()
            for code in codes if self.options.kinds else [codes[draw // 65536 % len(codes)]]:
                yield call, code

    def find(self, calls, text):
        """The call that --only means."""
        role, name, n, code = text.rsplit(":", 3)
        after = len(n) - len(n.lstrip("+"))
        armed, text_of_n = after == 0, n.lstrip("+=")
        for call in calls:
            if armed and call.role == role and call.name == name:
                after -= 1
                if after == 0 or (n[0] == "=" and text_of_n in call.detail) or n == str(call.n):
                    # The injector looks for it itself, since its number may be another one next time.
                    return call._replace(n=n), code
            armed = armed or text_of_n in call.detail
        sys.exit(f"{text}: a good login makes no such call")

    def wanted(self, calls):
        if self.options.only:
            for text in self.options.only:
                yield self.find(calls, text)
        elif self.options.all:
            for call in calls:
                for code in self.options.errnos.split(",") if self.options.errnos else call.codes():
                    yield call, code
        else:
            yield from self.sample(calls)

    def explained(self, result, call):
        """A line that says why, by whoever has the say: our own, or that of a library or a login program."""
        # What says so may be what has failed.
        if call.name in LOGS:
            return True
        # A session that is ready, and ends since init cannot wait for anything: the command's status says that it was
        # killed.
        if call.role.endswith(":cloister-init") and call.name == "poll" and result.values["status"] == ["137"]:
            return True
        refused = re.search(r"pam_cloister.*: session for .* refused: [^:]+: \S", result.log)
        # The module has told the user, so it has told the log, too.
        if refused or "Your session could not be started" in result.error:
            return bool(refused)
        if re.search(r"pam_cloister.*: entry: the user's process could not enter the session: \S", result.log):
            return True
        if not self.options.ours and re.search(r"sshd\[\d+\]: (error|fatal): \S", result.log):
            return True
        if re.search(r"^cloister(-sh)?: [^:]+: \S", result.error, re.MULTILINE):
            return True
        # What the loader says of its own, or the login program and its other modules.
        return bool(result.error.strip()) and (call.loader or not self.options.ours or call.name == "arch_prctl" or
                                               bool(LIBRARY_GAVE_UP.search(result.error)))

    def explained_soon(self, result, call):
        """The log is written by another process."""
        end = time.monotonic() + SETTLE
        while not self.explained(result, call) and not BEFORE_MAIN.search(" ".join(result.values["crash"])):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
            result.log = self.log_since(result.log_at)
        return True

    def faults_of(self, result, call):
        """What does not hold."""
        values = result.values
        if not result.flag("injected"):
            return
        for name in ("hang", "left"):
            if values[name]:
                yield f"{name}: {', '.join(values[name])}"
        for crash in values["crash"]:
            # Libraries that end the program say so; the loader and a constructor may have no memory to say it.
            if not LIBRARY_GAVE_UP.search(result.error) and not BEFORE_MAIN.search(crash) and not (
                    # sshd(8) and its libraries give up so; the module's code is compiled to say "***" before it does.
                    not self.options.ours and " Aborted " in crash and "***" not in result.error):
                yield f"crash: {crash}"
        if result.flag("ran"):
            output = self.plain(result.output)
            # Who gives up at once ends the session under the user's feet: what could be seen until then is as ever.
            cut = not output.endswith("end\n") and values["status"] != ["0"] and set(
                output.splitlines()[:-1]) <= set(self.good.splitlines())
            difference = "" if cut else self.difference(output, call)
            if difference:
                yield "user code ran, and the session is another one: " + difference
        elif values["status"] == ["0"]:
            yield "refused with exit status 0"
        elif not self.explained_soon(result, call):
            yield f"refused (status {values['status']}) without a word that names a step"

    def changes(self):
        """What is there that was not, and the other way about. A dead process may wait for a moment to be reaped, and a
        loop device goes by itself."""
        end = time.monotonic() + SETTLE
        while True:
            now = self.host.state()
            # What a failed login did not make again is nothing left, nor is the end of what an earlier one was.
            changes = {name for name in now ^ self.before
                       if name in now or not name.startswith(("directory ", "process "))}
            if not changes or time.monotonic() > end or not any(
                    name.startswith(("process ", "loop ")) for name in changes):
                return changes
            time.sleep(0.005)

    def left(self):
        changes = self.changes()
        if not changes:
            return ""
        text = ", ".join(sorted(changes)[:5])
        # An entry of the registry that could not be taken away says nothing to anybody, and goes with the next login.
        self.run([])
        again = self.changes()
        if again:
            self.before = self.host.state()
            return f"left for good: {text}"
        if all(name.startswith("file /run/cloister/") for name in changes):
            self.counts["healed"] += 1
            return ""
        return f"left until the next login: {text}"

    def one(self, call, code):
        number = RESULTS.get(code) if code in RESULTS else getattr(errno, code)
        result = self.run(["-i", f"{call.role}:{call.number}:{call.n}:{number}"])
        faults = list(self.faults_of(result, call))
        left = self.left()
        if left:
            faults.append(left)
        kind = "not reached" if not result.flag("injected") else "ran" if result.flag("ran") else "refused"
        self.counts[kind] += 1
        injection = call.injection(code)
        if self.options.standing and not os.path.exists(f"/proc/{self.options.standing}"):
            sys.exit(f"{injection}: the session that others are in was ended [{result.error.strip()[:300]}]")
        if kind != "refused" and self.options.refused:
            faults.append(f"not refused but {kind}")
        if faults:
            said = (result.error.strip() + " / " + result.log.strip()).replace("\n", " | ")
            self.failures.append(injection)
            print(f"# {injection} ({call.phase} {call.detail.strip()}): {'; '.join(faults)} [{said[:300]}]", flush=True)
        return injection, kind, faults, result

    def remember(self, file, injection, kind, faults, result):
        said = (result.error.strip() or result.log.strip()).replace("\n", " | ")
        file.write(f"{injection}\t{kind}\t{'; '.join(faults)}\t{said[:300]}\n")
        file.flush()

    def all(self):
        done = set()
        if self.options.done and os.path.exists(self.options.done):
            with open(self.options.done, encoding="utf-8") as file:
                done = {line.split("\t")[0] for line in file}
        calls = self.trace()
        kinds = {self.kind(call) for call in calls}
        print(f"# {self.options.name}: a good login makes {len(calls)} system calls that can fail, of {len(kinds)} kinds")
        with open(self.options.done or os.devnull, "a", encoding="utf-8") as file:
            for i, (call, code) in enumerate(self.wanted(calls)):
                if i % self.options.parts == self.options.part and call.injection(code) not in done:
                    self.remember(file, *self.one(call, code))
        counts = ", ".join(f"{kind} {n}" for kind, n in sorted(self.counts.items()))
        total = sum(n for kind, n in self.counts.items() if kind != "healed")
        print(f"# {self.options.name}: {total} failures injected: {counts}; {len(self.failures)} wrong")
        return 1 if self.failures or not (sum(self.counts.values()) or self.options.known) else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true", help="each call, with each errno")
    parser.add_argument("--kinds", action="store_true", help="a call of each kind, with each errno")
    parser.add_argument("--share", type=int, default=1, help="a sample of so many of these kinds: every SHAREth")
    parser.add_argument("--only", action="append", help="this one alone")
    parser.add_argument("--refused", action="store_true", help="each must be refused")
    parser.add_argument("--ours", action="store_true", help="COMMAND is a program of ours: it must say why itself")
    parser.add_argument("--rooted", action="store_true", help="users = root: there are capabilities inside")
    parser.add_argument("--known", help="a file of kinds that need not be tried again; those of this run are added")
    parser.add_argument("--standing", help="the pid of a session's init that must go on, whatever fails; each login joins it")
    parser.add_argument("--image", help="the rootfs' image, whose name no other has")
    parser.add_argument("--since", help="only calls after the first one that has to do with this")
    parser.add_argument("--detail", default="", help="only calls that have to do with this")
    parser.add_argument("--errnos", help="with --all: these alone")
    parser.add_argument("--role", default="", help="only processes whose role matches")
    parser.add_argument("--done", help="a file of what was tried, which is not tried again")
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1, help="of so many parts, try the one of --part")
    parser.add_argument("name")
    parser.add_argument("command", nargs="+")
    sys.exit(Sweep(parser.parse_args()).all())


main()
