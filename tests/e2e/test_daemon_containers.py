# SPDX-License-Identifier: BSD-2-Clause
"""Containers as the daemon tells them apart: by the control group of a process, named as container engines
name theirs. (Processes inside images of their own are another matter, and another test's.)
"""

import contextlib
import json
import os
import pathlib
import unittest

import harness
from daemons import Daemon
from harness import Target, need_ebpf, wait_until

RATE = 199


def unified():
    """Where control groups of version 2 are mounted, or None."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2" and "rw" in options.split(","):
            return pathlib.Path(where)
    return None


@contextlib.contextmanager
def control_group(name):
    root = unified()
    if not root:
        raise unittest.SkipTest("no control groups of version 2 are mounted here")
    folder = root / name
    try:
        folder.mkdir()
    except OSError as e:
        raise unittest.SkipTest(f"a control group cannot be made here: {e}")
    try:
        yield folder
    finally:
        wait_until(lambda: not (folder / "cgroup.procs").read_text())
        folder.rmdir()


@contextlib.contextmanager
def contained(engine_name, *target):
    """A target that runs in a control group of that name."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(control_group(engine_name))
        running = stack.enter_context(Target(*target))
        (folder / "cgroup.procs").write_text(str(running.pid))
        yield running


WEB, OTHER = (os.urandom(32).hex() for _ in range(2))


@need_ebpf
class Containers(unittest.TestCase):
    def test_reports_by_container(self):
        with contextlib.ExitStack() as stack:
            web = stack.enter_context(contained(f"docker-{WEB}.scope", "native"))
            stack.enter_context(contained(f"cri-containerd-{OTHER}.scope", "threads"))
            outside = stack.enter_context(Target("mangled"))
            daemon = stack.enter_context(Daemon("--rate", RATE, window=1))
            daemon.wait_windows(4)
            listed = {p["pid"]: p["container"] for p in daemon.ps()}
            self.assertEqual(listed[web.pid], WEB[:12])
            self.assertIsNone(listed[outside.pid])
            rows = {r["name"]: r for r in daemon.report("--by", "container")["rows"]}
            self.assertLessEqual({WEB[:12], OTHER[:12], "(host)"}, set(rows))
            self.assertGreater(rows[WEB[:12]]["self"], 0.05)
            for chosen, process in ((WEB[:12], "native"), (WEB[:6], "native"), (OTHER[:8], "threads")):
                report = daemon.report("--container", chosen, "--by", "process")
                self.assertEqual({r["name"].split(" (")[0] for r in report["rows"]}, {process})
            report = daemon.report("--container", "host", "--by", "process", "--limit", "0")
            names = {r["name"].split(" (")[0] for r in report["rows"]}
            self.assertIn("mangled", names)
            self.assertFalse(names & {"native", "threads"}, names)
            self.assertFalse(daemon.report("--container", "0" * 12)["rows"])
            # profd ps chooses by the same rule.
            chosen = json.loads(daemon.run("ps", "--json", "--container", WEB[:6]).stdout)
            self.assertEqual([p["pid"] for p in chosen], [web.pid])

    def test_daemon_of_one_container(self):
        with contextlib.ExitStack() as stack:
            web = stack.enter_context(contained(f"docker-{WEB}.scope", "native"))
            stack.enter_context(Target("threads"))
            daemon = stack.enter_context(
                Daemon("--rate", RATE, window=1, config=f"container = {WEB[:12]}\n")
            )
            daemon.wait_windows(3)
            report = daemon.report("--by", "process")
            self.assertEqual({r["name"] for r in report["rows"]}, {f"native ({web.pid})"})
            self.assertIn(WEB[:12], daemon.status()["selection"])


if __name__ == "__main__":
    unittest.main()
