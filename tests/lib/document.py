#!/usr/bin/env python3
"""Runs the fenced blocks of a Markdown document, in their order, on the machine that it is called on: the throw-away host.

usage: document.py [--have NEED]... FILE

What a block is, is seen by the reader as well:
- ```console: a line "# COMMAND" is run by root, "$ COMMAND" by somebody at their own machine; a "\\" at the end goes on in
  the next line. The lines below it are what is printed; where there are none, nothing is, and the command succeeds. One
  with "&" at its end goes on while the next ones run.
- a block whose first line is "# /PATH": a file, which gets this content.
- ```text: no more than text.
- any other one must say above itself why it is not run: <!-- not run: REASON -->

<!-- needs: NEED --> above a block: it is left out where --have NEED is not given.
In what is printed the names of NAMED in angle brackets are what they say, a line "..." is any number of lines, and where
there are two blanks there may be any number.
"""
import os
import re
import subprocess
import sys
import tempfile
import time

NAMED = {"number": "[0-9]+", "id": "[0-9a-f]{8}", "date": "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}", "size": "[0-9.]+[KMG]?",
         "seconds": r"[0-9]+\.[0-9]s"}
LOGINS = "/run/cloister/logins"
TIMEOUT = 60


class Wrong(Exception):
    """A block that is not as the document says."""


def blocks(text):
    """Yields (number of the first line, word behind the fence, lines, comment above)."""
    inside = None
    above = ""
    for number, line in enumerate(text.split("\n"), 1):
        if inside is None:
            if line.startswith("```"):
                inside = (number + 1, line[3:].strip(), [], above)
            elif line.strip():
                above = line
        elif line == "```":
            yield inside
            inside = None
            above = ""
        else:
            inside[2].append(line)
    if inside is not None:
        raise Wrong(f"line {inside[0] - 1}: this block has no end")


def commands(lines):
    """Yields (command, lines of output) of a console block."""
    command = None
    output = []
    goes_on = False
    for line in lines:
        if goes_on:
            command += "\n" + line
        elif line[:2] in ("# ", "$ "):
            if command is not None:
                yield command, output
            command, output = line[2:], []
        elif command is None:
            raise Wrong("a console block begins with a command")
        else:
            output.append(line)
            continue
        goes_on = command.endswith("\\")
    if command is not None:
        yield command, output


def pattern(lines):
    """A regular expression of the output as the document shows it."""
    parts = []
    for line in lines:
        if line == "...":
            parts.append("(?:.*\n)*?")
            continue
        words = re.split(r"<(" + "|".join(NAMED) + ")>", line)
        line = "".join(NAMED[word] if odd % 2 else re.escape(word) for odd, word in enumerate(words))
        parts.append(re.sub(r"(\\ ){2,}", " +", line) + "\n")
    return "".join(parts)


def text_of(file):
    file.seek(0)
    return "".join(line.rstrip() + "\n" for line in file.read().decode(errors="replace").replace("\r", "").splitlines())


def wait_until(condition):
    end = time.monotonic() + TIMEOUT
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)


def logins():
    return len(os.listdir(LOGINS)) if os.path.isdir(LOGINS) else 0


def run(command, shown):
    before = logins()
    # In a file: what stays in the background must not be waited for but until it has printed what is shown.
    with tempfile.TemporaryFile() as file:
        status = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=TIMEOUT,
                                check=False, cwd=os.environ["HOME"]).returncode
        if command.endswith("&"):
            wait_until(lambda: re.fullmatch(pattern(shown), text_of(file)))
        else:
            # sshd closes a login when the client has gone already.
            wait_until(lambda: logins() <= before)
        printed = text_of(file)
    if not re.fullmatch(pattern(shown), printed):
        raise Wrong(f"$ {command}\nis said to print:\n" + "\n".join(shown) + "\nand prints:\n" + printed)
    if not shown and status != 0:
        raise Wrong(f"$ {command}\nfails with status {status}")


def write(path, lines):
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.chmod(path, 0o644)


def main(arguments):
    have = set()
    while arguments[:1] == ["--have"]:
        have.add(arguments[1])
        arguments = arguments[2:]
    file, = arguments
    number = ran = 0
    try:
        with open(file, encoding="utf-8") as document:
            text = document.read()
        for number, word, lines, above in blocks(text):
            need = re.fullmatch("<!-- needs: ([a-z]+) -->", above)
            path = re.fullmatch(r"# (/\S+)", lines[0]) if lines else None
            if need and need[1] not in have:
                print(f"{file}:{number}: left out: needs {need[1]}")
            elif word == "console":
                for command, shown in commands(lines):
                    run(command, shown)
                    ran += 1
            elif path:
                write(path[1], lines)
                ran += 1
            elif word != "text" and not re.fullmatch("<!-- not run: .+ -->", above):
                raise Wrong("neither commands nor a file, and no reason why it is not run")
    except (Wrong, subprocess.TimeoutExpired) as problem:
        print(f"{file}:{number}: {problem}")
        return 1
    print(f"{file}: {ran} commands and files")
    return 0 if ran > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
