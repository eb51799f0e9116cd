# SPDX-License-Identifier: BSD-2-Clause
"""A real terminal for a program: tmux, on a server of its own, without anybody's configuration.

with Terminal("top", "--pid", pid, columns=80, lines=24) as terminal:
    terminal.wait("[Functions]")
    terminal.press("Tab", "Down")
    terminal.type("text")
    assert terminal.end("q") == 0        # the exit status
"""

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import PROFD

WAIT_S = 30

# What the program found and what it left, around it; the pane stays until it is killed.
SCRIPT = """
trap : INT
stty -g > {folder}/before
echo BEFORE-IT
{command}
echo $? > {folder}/status.new
stty -g > {folder}/after
echo AFTER-IT
mv {folder}/status.new {folder}/status
exec cat
"""


def need_tmux(test):
    return unittest.skipUnless(shutil.which("tmux"), "tmux is missing")(test)


class Terminal:
    """Runs `profd WORDS` (or, with `shell`, that text) on a screen of that size."""

    def __init__(
        self, *words, columns=80, lines=24, term="tmux-256color", env=None, unset=(), shell=None,
        cwd=None,
    ):  # fmt: skip
        self.size = columns, lines
        self.env = {"LC_ALL": "C.UTF-8", "TERM": term, **(env or {})}
        self.unset = ("NO_COLOR", "LANG", "LINES", "COLUMNS", *unset)
        self.command = shell or shlex.join([str(PROFD), *map(str, words)])
        self.cwd = cwd

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="profd-terminal-")
        inner = ["env", *(f"-u{name}" for name in self.unset)]
        inner += [f"{name}={value}" for name, value in self.env.items()]
        script = pathlib.Path(self.folder, "script")
        script.write_text(SCRIPT.format(folder=self.folder, command=self.command))
        columns, lines = self.size
        self.tmux(
            *["-u", "-f", "/dev/null", "new-session", "-d", "-s", "main"],
            *["-x", str(columns), "-y", str(lines), "-c", self.cwd or self.folder],
            *inner,
            *["sh", str(script)],
        )
        return self

    def __exit__(self, *_):
        with contextlib.suppress(AssertionError):  # it may have gone by itself
            self.tmux("kill-server")
        shutil.rmtree(self.folder, ignore_errors=True)

    def tmux(self, *words):
        done = subprocess.run(
            ["tmux", "-S", os.path.join(self.folder, "tmux"), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"},
            timeout=30,
        )
        if done.returncode:
            raise AssertionError(f"tmux {words} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    # ---- what is on it ----

    def screen(self, escapes=False):
        """Its lines as text; with the escape sequences of styles where asked for."""
        return self.tmux("capture-pane", "-p", *(["-e"] if escapes else []), "-t", "main")

    def wait(self, wanted, seconds=WAIT_S):
        """Until the screen has the text, or the function of its text is true; returns the text."""
        holds = wanted if callable(wanted) else lambda text: wanted in text
        until = time.monotonic() + seconds
        while True:
            text = self.screen()
            if holds(text):
                return text
            if time.monotonic() > until:
                raise AssertionError(f"{wanted} does not come to the screen:\n{text}")
            time.sleep(0.03)

    def wait_match(self, pattern, seconds=WAIT_S):
        """The same for a regular expression; returns its match."""
        return re.search(
            pattern, self.wait(lambda text: re.search(pattern, text, re.M), seconds), re.M
        )

    def wait_gone(self, text, seconds=WAIT_S):
        return self.wait(lambda screen: text not in screen, seconds)

    # ---- what is done with it ----

    def press(self, *keys):
        """Keys by their names in tmux: Enter, Up, F1, C-c, a, ..."""
        self.tmux("send-keys", "-t", "main", *keys)

    def type(self, text):
        self.tmux("send-keys", "-t", "main", "-l", text)

    def resize(self, columns, lines):
        self.tmux("resize-window", "-t", "main", "-x", str(columns), "-y", str(lines))

    def status(self, seconds=WAIT_S):
        """The exit status, once it has ended."""
        path = pathlib.Path(self.folder, "status")
        until = time.monotonic() + seconds
        while not path.exists():
            if time.monotonic() > until:
                raise AssertionError(f"it has not ended:\n{self.screen()}")
            time.sleep(0.03)
        return int(path.read_text())

    def end(self, *keys, restores=True):
        """Presses these keys, waits for the end, and makes sure that the terminal is as it was
        before (a terminal without a second screen, `restores` false, at least empty). The exit
        status."""
        if keys:
            self.press(*keys)
        status = self.status()
        screen = self.wait("AFTER-IT")
        before, after = (
            pathlib.Path(self.folder, name).read_text() for name in ("before", "after")
        )
        if before != after:
            raise AssertionError(f"the terminal's modes were {before!r} and are {after!r}")
        if not restores and screen.split() != ["AFTER-IT"]:
            raise AssertionError(f"something was left on the screen:\n{screen}")
        if restores and "BEFORE-IT" not in screen:
            raise AssertionError(f"what was on the screen is gone:\n{screen}")
        cursor = self.tmux("display-message", "-p", "-t", "main", "#{cursor_flag} #{alternate_on}")
        if cursor.split() != ["1", "0"]:
            raise AssertionError(f"cursor and alternate screen: {cursor!r}")
        return status
