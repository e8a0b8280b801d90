#!/usr/bin/env python3
"""Records a session at a terminal as an SVG: types commands into a real shell on a real pty, each when the prompt is there, and
draws what came. Nothing in it depends on the machine or on how fast it is: the times of the picture are those of a reader.

usage: recording.py COMMANDS >FILE.svg
COMMANDS is a file with a line for each command. The prompts are "# ", and what Debian gives to users.
"""
import html
import os
import pty
import re
import select
import sys
import time

PROMPT = re.compile(r"(?:^|\n)((?:[a-z]+@[a-z]+:[^\n$#]*)?[$#] )$")
TIMEOUT = 30
# Of the picture: sizes in pixels, times in seconds.
LINE, LETTER, EDGE = 19, 8.43, 16
TYPED, READ, PAUSE = 0.05, 0.25, 0.8


class Terminal:
    """A shell on a pty of this process."""

    def __init__(self):
        pid, self.master = pty.fork()
        if pid == 0:
            os.environ.update(TERM="dumb", PS1="# ", LC_ALL="C.UTF-8")
            os.execv("/bin/bash", ["bash", "--norc", "--noprofile", "--noediting"])

    def until_prompt(self):
        """What comes until there is a prompt: (text before it, the prompt)."""
        text = ""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.2)[0]:
                text += os.read(self.master, 65536).decode(errors="replace").replace("\r", "")
                continue
            there = PROMPT.search(text)
            if there:
                return text[:there.start(1)], there[1]
        raise TimeoutError(f"no prompt after: {text}")

    def type(self, command):
        os.write(self.master, command.encode() + b"\n")


def record(commands):
    """Yields (prompt, command, lines of output)."""
    terminal = Terminal()
    prompt = terminal.until_prompt()[1]
    for command in commands:
        terminal.type(command)
        text, following = terminal.until_prompt()
        lines = text.split("\n")
        # The terminal's own echo, and what is left before the prompt.
        if lines[0] != command:
            raise ValueError(f"typed: {command}\nechoed: {lines[0]}")
        yield prompt, command, lines[1:-1]
        prompt = following


def draw(recorded):
    """The SVG. A viewer that knows no animation shows all of it."""
    rows = []
    at = PAUSE
    for prompt, command, lines in recorded:
        rows.append((at, prompt, command))
        at += TYPED * len(command) + PAUSE / 2
        for line in lines:
            rows.append((at, "", line))
        at += READ * len(lines) + PAUSE
    width = round(max(len(prompt + text) for _, prompt, text in rows) * LETTER + 2 * EDGE)
    height = len(rows) * LINE + 2 * EDGE
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    yield "<title>A login in a container, from the administrator's configuration to what is left</title>"
    yield "<style>text { font: 14px monospace; fill: #d8dee9; white-space: pre } .typed { fill: #ffffff; font-weight: bold } .prompt { fill: #88c0d0 }</style>"
    yield '<rect width="100%" height="100%" rx="6" fill="#242933"/>'
    for number, (at, prompt, text) in enumerate(rows):
        y = EDGE + LINE * number + 14
        hidden = f'<set attributeName="visibility" to="hidden" begin="0s" end="{at:.2f}s"/>'
        if prompt:
            spans = f'<tspan class="prompt">{html.escape(prompt)}</tspan><tspan class="typed">{html.escape(text)}</tspan>'
        else:
            spans = html.escape(text)
        yield f'<text x="{EDGE}" y="{y}" xml:space="preserve">{spans}{hidden}</text>'
    yield "</svg>"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        commands = file.read().splitlines()
    print("\n".join(draw(list(record(commands)))))


if __name__ == "__main__":
    main()
