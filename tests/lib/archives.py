#!/usr/bin/python3
"""Archives for the tests of `cloister image import`: hostile tarballs, and images as docker save and OCI have them.

archives.py hostile KIND FILE
archives.py layout [--tar] [--many] [--corrupt PART] DIRECTORY
archives.py saved [--links] [--corrupt PART] FILE
"""
import gzip
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import tarfile

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def member(name, kind=tarfile.REGTYPE, data=b"", link="", mode=0o644, uid=0, gid=0, pax=None):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.uid, info.gid = kind, link, mode, uid, gid
    info.size, info.mtime = len(data), 1600000000
    info.pax_headers = pax or {}
    return info, data


def directory(name, mode=0o755, **more):
    return member(name, tarfile.DIRTYPE, mode=mode, **more)


def symlink(name, target):
    return member(name, tarfile.SYMTYPE, link=target)


def hardlink(name, target, data=b""):
    # Only in a pax archive is what follows taken for its contents.
    return member(name, tarfile.LNKTYPE, link=target, data=data, pax={"comment": "pax"} if data else None)


def tar(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


# ---- hostile tarballs: each has the ordinary file "good" first ----
def device(name, kind, mode=0o666):
    info, data = member(name, kind, mode=mode)
    info.devmajor, info.devminor = 1, 3
    return info, data


def sparse_header(name, size):
    """A GNU sparse member (PAX format 0.1) of `size` bytes, all hole."""
    return member(name, pax={"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": name,
                             "GNU.sparse.size": str(size), "GNU.sparse.numblocks": "1",
                             "GNU.sparse.map": "%d,0" % size})


def deep(levels):
    return "/".join(["d"] * levels)


def hostile(kind):
    canary = "/tmp/outside"
    kinds = {
        "dotdot": [member("../../../../../../tmp/outside/dotdot", data=b"x")],
        "dotdot-middle": [member("a/b/../../../../../../tmp/outside/middle", data=b"x")],
        "dotdot-directory": [directory("..", mode=0o777)],
        "absolute": [directory("/tmp"), directory(canary), member(canary + "/absolute", data=b"x")],
        "symlink-absolute": [symlink("way", canary), member("way/file", data=b"x")],
        "symlink-relative": [symlink("way", "../../../../../../../.." + canary), member("way/file", data=b"x")],
        "symlink-chain": [symlink("a", "/"), symlink("b", "a/tmp"), symlink("c", "b/outside"),
                          member("c/file", data=b"x")],
        "symlink-there": [directory("tmp"), directory("tmp/outside"), symlink("way", canary),
                          member("way/file", data=b"x")],
        "symlink-last": [symlink("file", canary + "/victim"), member("file", data=b"overwritten")],
        "symlink-directory": [symlink("way", canary), directory("way", mode=0o777, uid=1000)],
        "symlink-proc": [symlink("way", "/proc/1/root/tmp/outside"), member("way/file", data=b"x")],
        "hardlink-out": [hardlink("stolen", canary + "/victim")],
        "hardlink-dotdot": [hardlink("stolen", "../../../../../.." + canary + "/victim")],
        "hardlink-through-symlink": [symlink("way", canary), hardlink("stolen", "way/victim")],
        "hardlink-to-symlink": [symlink("link", canary + "/victim"), hardlink("second", "link")],
        "hardlink-data": [symlink("link", canary + "/victim"), hardlink("second", "link", b"overwritten"),
                          member("second", data=b"overwritten")],
        "hardlink-directory": [directory("d"), hardlink("second", "d")],
        "devices": [device("disk", tarfile.BLKTYPE), device("null", tarfile.CHRTYPE), member("pipe", tarfile.FIFOTYPE),
                    device("whiteout", tarfile.CHRTYPE)],
        "set-id": [member("su", data=b"#!/bin/sh\n", mode=0o4755), member("sg", data=b"x", mode=0o2755),
                   member("both", data=b"x", mode=0o6755), directory("shared", mode=0o2775, gid=50),
                   directory("sticky", mode=0o1777)],
        "xattrs": [member("caps", data=b"x", pax={
            "SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00" + "\x00" * 12,
            "SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.user.overlay.opaque": "y",
            "SCHILY.xattr.user.note": "n"}),
            directory("dir", pax={"SCHILY.xattr.trusted.overlay.opaque": "y"})],
        "control": [member("line\nforged: rootfs = /\x1b[2J", data=b"x")],
        "nul": [member("short", data=b"x", pax={"path": "before\0/../../tmp/outside/nul"})],
        "long-name": [member("n" * 256, data=b"x", pax={"path": "n" * 256})],
        "long-path": [member(("n" * 200 + "/") * 21 + "f", data=b"x")],
        "deep": [directory(deep(2000))],
        "deep-by-symlink": [directory(deep(200)), symlink("hop", deep(200)), directory("hop/" + deep(200)),
                            symlink("hop2", "hop/" + deep(200)), directory("hop2/" + deep(200))],
        "sparse": [sparse_header("huge", 1 << 50)],
        "sparse-small": [sparse_header("hole", 1 << 30)],
        "ids": [member("big", data=b"x", uid=70000, gid=4294967294), member("last", data=b"x", uid=65535, gid=65535)],
        "root-file": [member("./", data=b"x", pax={"path": "."})],
        "root-mode": [directory(".", mode=0o777, uid=1000, gid=1000)],
        "root-link": [symlink(".", canary)],
        "implied": [member("%d/" % i + "d/" * 100 + "f") for i in range(20)],
        "controls-of-8-bits": [hardlink("here\x9b2J\x9d0;forged\x9c", "missing")],
        "many": [member("f%d" % i) for i in range(2000)],
        "replaced": [directory("d"), member("d/below", data=b"x"), member("d", data=b"file now")],
        "magic-link": [symlink("self", "/proc/self/fd/3"), member("self/file", data=b"x")],
    }
    return tar([member("good", data=b"good\n")] + kinds[kind])


def zeros(path, first, size):
    """A tar header and zeros as gzip, which takes one part in a thousand of their size."""
    block = gzip.compress(bytes(1 << 26))
    with open(path, "wb") as out:
        out.write(gzip.compress(first))
        for _ in range(size >> 26):
            out.write(block)


def bomb(kind, path):
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 30
    if kind == "bomb-file":
        zeros(path, info.tobuf(), 1 << 30)
    elif kind == "bomb-skipped":
        # Contents of what has none: read over, never written.
        info.type = tarfile.DIRTYPE
        zeros(path, info.tobuf(), 1 << 30)
    else:
        # After the end of the archive.
        zeros(path, hostile("dotdot")[:1024] + bytes(1024), 1 << 30)


# ---- images ----
def layers():
    lowest = [directory("./"), directory("a"), member("a/kept", data=b"lower"), member("a/gone", data=b"lower"),
              directory("a/gone-dir"), member("a/gone-dir/x", data=b"x"), directory("opq"),
              member("opq/old", data=b"x"), directory("opq/sub"), member("opq/sub/deep", data=b"x"),
              directory("same"), member("same/file", data=b"lower"), directory("usr"), directory("usr/lib"),
              member("usr/lib/x", data=b"x"), symlink("lib", "usr/lib"), member("over", data=b"lower"),
              member("owner", data=b"x", uid=1000, gid=100), hardlink("second", "owner"),
              directory("was-dir"), member("was-dir/x", data=b"x"), member("again", data=b"lower"),
              directory("both"), member("both/low", data=b"x")]
    # Whiteouts before and after what this layer has itself, which they must not touch.
    middle = [member("a/.wh.gone"), member("a/.wh.gone-dir"), directory("opq"), member("opq/new", data=b"new"),
              member("opq/.wh..wh..opq"), member("same/file", data=b"middle"), member("same/.wh.file"),
              member("lib/y", data=b"y"), member("over", data=b"middle"), member("was-dir", data=b"file now"),
              member(".wh.again"), member("a/.wh.never-was"), member(".wh..wh.plnk"), member("none/.wh.x"),
              directory("both"), member("both/high", data=b"x"), member(".wh.both")]
    highest = [member("again", data=b"highest"), member("top", data=b"top", mode=0o4755)]
    return [tar(lowest), tar(middle), tar(highest)]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def config(blobs, architecture=MACHINE):
    return json.dumps({"architecture": architecture, "os": "linux", "config": {},
                       "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(b) for b in blobs]}}).encode()


def flip(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:]


def oci_files(many=False, corrupt=""):
    plain = layers()
    packed = [gzip.compress(plain[0], mtime=0),
              subprocess.run(["zstd", "-q", "-c"], input=plain[1], stdout=subprocess.PIPE, check=True).stdout, plain[2]]
    types = ["tar+gzip", "tar+zstd", "tar"]
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def add(data, kind):
        files["blobs/sha256/" + digest(data)] = data
        return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + digest(data),
                "size": len(data)}

    def manifest(layer_blobs, config_blob):
        return add(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                               "config": config_blob, "layers": layer_blobs}).encode(), "manifest.v1+json")

    blobs = [add(data, "layer.v1." + kind) for data, kind in zip(packed, types)]
    if corrupt == "size":
        blobs[1]["size"] += 1
    if corrupt == "diff":
        plain = [plain[0], plain[0], plain[2]]
    main = manifest(blobs, add(config(plain), "config.v1+json"))
    if corrupt == "layer":
        name = "blobs/sha256/" + blobs[2]["digest"][7:]
        files[name] = flip(files[name])
    if corrupt == "config":
        name = "blobs/sha256/" + json.loads(files["blobs/sha256/" + main["digest"][7:]])["config"]["digest"][7:]
        files[name] = files[name].replace(b'"config": {}', b'"config":  {}')
    if corrupt == "digest-path":
        main["digest"] = "sha256:../../../../../etc/passwd"
    if many:
        foreign = "arm64" if MACHINE != "arm64" else "amd64"
        other = tar([member("wrong-architecture")])
        foreign_blob = manifest([add(other, "layer.v1.tar")], add(config([other], foreign), "config.v1+json"))
        unknown = dict(foreign_blob, platform={"architecture": "unknown", "os": "unknown"})
        index = add(json.dumps({"schemaVersion": 2, "manifests": [
            dict(foreign_blob, platform={"architecture": foreign, "os": "linux"}), unknown,
            dict(main, platform={"architecture": MACHINE, "os": "linux"})]}).encode(), "index.v1+json")
        second = tar([member("second-image", data=b"x")])
        second_blob = manifest([add(second, "layer.v1.tar")], add(config([second]), "config.v1+json"))
        entries = [dict(index, annotations={"org.opencontainers.image.ref.name": "first"}),
                   dict(second_blob, annotations={"org.opencontainers.image.ref.name": "second"})]
    else:
        entries = [main]
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    return files


def saved_files(links=False, corrupt=""):
    blobs = layers()
    if links:
        blobs.append(blobs[2])
    text = config(blobs)
    names = [digest(b"id%d" % i) + "/layer.tar" for i in range(len(blobs))]
    entry = {"Config": digest(text) + ".json", "RepoTags": ["test:latest"], "Layers": names}
    if corrupt == "layer":
        blobs[1] = blobs[1].replace(b"middle", b"muddle")
    if corrupt == "name":
        entry["Layers"] = ["../../../../etc/passwd"] * len(blobs)
    files = {entry["Config"]: text, "manifest.json": json.dumps([entry]).encode()}
    for name, data in zip(names, blobs):
        files[name] = data
    # As old versions write a layer that is there twice.
    linked = {names[3]: "../" + names[2]} if links else {}
    return files, linked


def write_tar(path, files, linked=None):
    members = [symlink(name, target) for name, target in (linked or {}).items()]
    members += [member(name, data=data) for name, data in files.items() if name not in (linked or {})]
    data = tar(members)
    with open(path, "wb") as out:
        out.write(gzip.compress(data) if path.endswith(".gz") else data)


def main(arguments):
    verb, path = arguments[0], arguments[-1]
    corrupt = arguments[arguments.index("--corrupt") + 1] if "--corrupt" in arguments else ""
    if verb == "hostile" and arguments[1].startswith("bomb"):
        bomb(arguments[1], path)
    elif verb == "hostile":
        with open(path, "wb") as out:
            out.write(hostile(arguments[1]))
    elif verb == "layout":
        files = oci_files("--many" in arguments, corrupt)
        if "--tar" in arguments:
            write_tar(path, files)
            return
        for name, data in files.items():
            target = os.path.join(path, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as out:
                out.write(data)
    elif verb == "saved":
        files, linked = saved_files("--links" in arguments, corrupt)
        write_tar(path, files, linked)
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
