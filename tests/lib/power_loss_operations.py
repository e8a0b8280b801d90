# What power_loss.py interrupts: each operation, what must be true of the disk at any moment, and when it was reported as
# done.
import filecmp
import json
import os
import pwd
import subprocess

BUILD = os.environ["HOST_BUILD"]
VAR = "/var/lib/cloister"
IMAGES = f"{VAR}/images"
LOGIN = "test \"$(id -un)\" = iris && cat /srv/file"


class Wrong(Exception):
    pass


class Operation:
    """run: runs a program, and raises Wrong where that fails."""

    def __init__(self, run):
        self.run = run
        self.uid = pwd.getpwnam("iris").pw_uid

    command = []
    # Once it is reported as done power loss must not undo it.
    is_durable = False

    def prepare(self):
        """Before the operation, with the disk in place."""

    @staticmethod
    def require(condition, text):
        if not condition:
            raise Wrong(text)

    def changes(self):
        text = self.run(f"{BUILD}/cloister", "diff", "--json", "iris").stdout
        return {change["path"] for change in json.loads(text or "[]")}

    def state(self):
        """The directory with the layers of iris; None."""
        top = f"{VAR}/users/{self.uid}"
        found = [os.path.join(top, name) for name in os.listdir(top) if name.startswith("-")] \
            if os.path.isdir(top) else []
        return found[0] if found else None

    def srv_file(self):
        """What a session must read in /srv/file."""
        upper = os.path.join(self.state() or "/nowhere", "upper/srv/file")
        path = upper if os.path.exists(upper) else os.environ["POWER_LOSS_ROOT"] + "/srv/file"
        with open(path, encoding="utf-8") as file:
            return path == upper, file.read()

    def check_disk(self):
        """What the disk must be at any moment, and that the verbs say what it is."""
        changed = self.srv_file()[0]
        self.require(("/srv/file" in self.changes()) == changed, f"cloister diff is wrong: changed is {changed}")

    def check_done(self):
        """What must be so when the operation has ended."""

    def check_login(self):
        got = self.run("su", "iris", "-c", LOGIN).stdout
        self.require(got == self.srv_file()[1], f"the session reads {got!r}, the disk has {self.srv_file()!r}")

    def again(self):
        self.run(*self.command)


class Login(Operation):
    """A session from its start to its end, and what the user writes in it."""

    command = ["su", "iris", "-c", "echo changed >/srv/file; mkdir -p /srv/new"]


class Join(Operation):
    """The second login of scope = user."""

    command = ["su", "iris", "-c", "echo changed >/srv/file"]
    first = None

    def prepare(self):
        # Killed with all the others.
        self.first = subprocess.Popen(["su", "iris", "-c", "echo up; exec sleep 600"], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE)
        self.require(self.first.stdout.readline() == b"up\n", "void: no first login")


class Burst(Operation):
    """Six logins at once."""

    command = ["sh", "-c", "for i in 1 2 3 4 5 6; do su iris -c \"echo changed >/srv/file\" & done; wait"]


class Home(Operation):
    """The first login makes a private home."""

    is_durable = True

    command = ["su", "iris", "-c", "true"]

    def home(self):
        return f"{VAR}/users/{self.uid}/home"

    def check_home(self):
        for directory, folders, files in os.walk("/etc/skel"):
            here = os.path.join(self.home(), os.path.relpath(directory, "/etc/skel"))
            for name in folders + files:
                path = os.path.join(here, name)
                self.require(os.path.lexists(path) and os.lstat(path).st_uid == self.uid,
                             f"the home lacks {path}, or it is another's")
                if os.path.isfile(path) and not os.path.islink(path):
                    self.require(filecmp.cmp(os.path.join(directory, name), path, shallow=False),
                                 f"{path} is not what the skeleton has")

    def check_disk(self):
        super().check_disk()
        if os.path.exists(self.home()):
            self.check_home()

    def check_done(self):
        self.check_home()


class Reset(Operation):
    is_durable = True
    command = [f"{BUILD}/cloister", "reset", "iris"]

    def prepare(self):
        self.run("su", "iris", "-c", "echo changed >/srv/file; for i in 1 2 3 4 5 6 7 8; do "
                                     "mkdir /srv/d$i; echo $i >/srv/d$i/f; done")
        self.run("sync", "-f", VAR)

    def check_disk(self):
        super().check_disk()
        names = {f"/srv/d{i}" for i in range(1, 9)} | {"/srv/file"}
        self.require(len(self.changes() & names) in (0, 9), f"a part of the layer is gone: {self.changes()}")

    def check_done(self):
        self.require("/srv/file" not in self.changes(), "what was reset is there again")


class Image(Operation):
    """Of the image "one": absent, or whole, as one of the archives has it."""

    is_durable = True

    versions = ("old", "new")

    def archive(self, version):
        """A tar archive of a dozen files, and the tree that it is made of."""
        top = f"/run/archives/{version}"
        if not os.path.exists(top):
            for i in range(12):
                os.makedirs(f"{top}/d{i % 3}", exist_ok=True)
                with open(f"{top}/d{i % 3}/f{i}", "w", encoding="ascii") as file:
                    file.write(f"{version} {i}\n" * 300)
            self.run("tar", "-cf", f"{top}.tar", "-C", top, ".")
        return f"{top}.tar"

    def image_import(self, version, *options):
        self.run(f"{BUILD}/cloister", "image", "import", "--quiet", *options, self.archive(version), "one")

    def listed(self):
        text = self.run(f"{BUILD}/cloister", "image", "ls", "--json").stdout
        return {image["name"]: image for image in json.loads(text or "[]")}

    def whole(self, image, version):
        top = self.archive(version)[:-4]
        for i in range(12):
            name = f"d{i % 3}/f{i}"
            path = os.path.join(image["path"], name)
            if not os.path.exists(path) or not filecmp.cmp(os.path.join(top, name), path, shallow=False):
                return False
        return image.get("files") == 12 and image.get("source") == f"{version}.tar"

    def check_disk(self):
        super().check_disk()
        on_disk = {name for name in os.listdir(IMAGES) if not name.startswith(".")} if os.path.isdir(IMAGES) else set()
        listed = self.listed()
        self.require(set(listed) == on_disk, f"image ls says {set(listed)}, there are {on_disk}")
        for image in listed.values():
            self.require(any(self.whole(image, version) for version in self.versions),
                         f"an image that is neither the old one nor the new one: {image}")

    def version(self):
        image = self.listed().get("one")
        return next((version for version in self.versions if image and self.whole(image, version)), None)


class Import(Image):
    def prepare(self):
        self.command = [f"{BUILD}/cloister", "image", "import", "--quiet", self.archive("new"), "one"]

    def check_done(self):
        self.require(self.version() == "new", "the image that was imported is not there")

    def again(self):
        self.image_import("new", "--replace")


class Replace(Import):
    def prepare(self):
        self.image_import("old")
        self.command = [f"{BUILD}/cloister", "image", "import", "--quiet", "--replace", self.archive("new"), "one"]

    def check_disk(self):
        super().check_disk()
        self.require(self.version() is not None, "neither the old image nor the new one is there")


class Remove(Image):
    command = [f"{BUILD}/cloister", "image", "rm", "one"]

    def prepare(self):
        self.image_import("old")

    def check_done(self):
        self.require(not self.listed(), "the image that was removed is there again")

    def again(self):
        if self.listed():
            self.run(*self.command)


OPERATIONS = {"login": Login, "join": Join, "burst": Burst, "home": Home, "reset": Reset, "import": Import,
              "replace": Replace, "remove": Remove}
