# SPDX-License-Identifier: BSD-2-Clause
"""A daemon of a test's own: with its own store, socket and configuration in a folder that goes with it.

with Daemon("--rate", "199", window=1) as daemon:
    daemon.wait_windows(3)
    daemon.status()["store"]["windows"]
    daemon.report("--by", "process")["rows"]
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile

import harness
from harness import PROFD, wait_until

START_S = 20


class Daemon:
    """Entering waits until it answers; leaving ends it and fails the test where it had crashed."""

    def __init__(self, *options, window=1, folder=None, config="", env=None, expect=0):
        self.given = folder
        self.folder = folder
        self.options = [str(o) for o in options]
        self.window = window
        self.config = config
        self.env = env
        self.expect = expect  # exit status
        self.process = None

    def __enter__(self):
        if not self.given:
            self.folder = tempfile.mkdtemp(prefix="profd-test-")
            os.chmod(self.folder, 0o755)  # other users' clients have to reach the socket
        self.store = os.path.join(self.folder, "profd.db")
        self.socket = os.path.join(self.folder, "profd.sock")
        self.config_path = os.path.join(self.folder, "profd.conf")
        self.log_path = os.path.join(self.folder, "log")
        pathlib.Path(self.config_path).write_text(self.config)
        self.start()
        return self

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [
                    PROFD,
                    "daemon",
                    *["--config", self.config_path, "--store", self.store],
                    *["--socket", self.socket, "--window", str(self.window)],
                    *["--max-cpu", "0"],  # machines of tests are busy; a test may say otherwise
                    *self.options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
                preexec_fn=harness.die_with_parent,
            )
        if not wait_until(lambda: self.answers() or self.process.poll() is not None, START_S):
            raise AssertionError(f"the daemon does not answer:\n{self.log()}")
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended at its start:\n{self.log()}")

    def answers(self):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
            try:
                s.connect(self.socket)
            except OSError:
                return False
            return True

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return pathlib.Path(self.log_path).read_text(errors="replace")

    def stop(self, number=signal.SIGTERM):
        """Ends it and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)

    def __exit__(self, kind, *_):
        status = self.stop()
        log = self.log()
        if not self.given:
            shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None and status != self.expect:
            raise AssertionError(f"the daemon ended with {status}:\n{log}")

    # ---- what a client asks ----

    def run(self, command, *args, check=True, timeout=60, **more):
        done = subprocess.run(
            [str(PROFD), command, "--socket", self.socket, *map(str, args)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            **more,
        )
        if check and done.returncode:
            raise AssertionError(
                f"profd {command} ended with {done.returncode}: {done.stdout}\n{done.stderr}\n"
                + self.log()
            )
        return done

    def status(self):
        return json.loads(self.run("status", "--json").stdout)

    def ps(self, **more):
        return json.loads(self.run("ps", "--json", **more).stdout)

    def report(self, *args, **more):
        return json.loads(self.run("report", "--format", "json", *args, **more).stdout)

    # ---- what is in the store ----

    def query(self, sql, *args):
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as db:
            return db.execute(sql, args).fetchall()

    def windows(self):
        try:
            return self.query("select count(*) from windows")[0][0]
        except sqlite3.OperationalError:
            return 0

    def wait_windows(self, more, seconds=60):
        """Until so many further windows are in the store."""
        wanted = self.windows() + more
        if not wait_until(lambda: self.windows() >= wanted, seconds):
            raise AssertionError(
                f"{self.windows()} windows instead of {wanted} in the store:\n{self.log()}"
            )
