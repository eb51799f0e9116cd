# SPDX-License-Identifier: BSD-2-Clause
"""Who may see what: real users, real groups, real PID namespaces."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

import harness
from daemons import Daemon
from harness import TARGETS, need_ebpf, wait_until

ALICE, BOB = 12345, 12346  # numbers that need no entry in any file
RATE = 199


def is_client(name):
    """The user's own `profd ps` and the like are processes of theirs as well, if they are met."""
    return name.startswith("profd")


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="profd-users-")
        os.chmod(self.folder, 0o777)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        # The users of the test may not be allowed to go where the build lies.
        self.profd = shutil.copy(harness.PROFD, f"{self.folder}/profd")
        self.target = shutil.copy(TARGETS / "native", f"{self.folder}/native")

    def start(self, uid, *prefix, argv=None):
        process = subprocess.Popen(
            [*prefix, *(argv or [self.target, "60"])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            user=uid,
            group=uid,
            extra_groups=[],
            start_new_session=True,
            preexec_fn=harness.die_with_parent,
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(os.killpg, process.pid, signal.SIGKILL)
        if not argv:
            self.assertTrue(process.stdout.readline().startswith("READY "))
        return process

    def client(self, daemon, uid, *args, groups=(), **more):
        return subprocess.run(
            [self.profd, *map(str, args), "--socket", daemon.socket],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            user=uid,
            group=uid,
            extra_groups=list(groups),
            cwd=self.folder,
            **more,
        )

    def names(self, daemon, uid, **more):
        done = self.client(daemon, uid, "report", "--by", "process", "--format", "json", **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {row["name"] for row in json.loads(done.stdout)["rows"] if not is_client(row["name"])}


@need_ebpf
class Users(Case):
    def test_a_user_sees_and_records_their_own_only(self):
        with Daemon("--rate", RATE, window=1) as daemon:
            mine, theirs = self.start(ALICE), self.start(BOB)
            daemon.wait_windows(3)
            listed = json.loads(self.client(daemon, ALICE, "ps", "--json").stdout)
            self.assertEqual({p["pid"] for p in listed if not is_client(p["comm"])}, {mine.pid})
            self.assertEqual({p["uid"] for p in listed}, {ALICE})
            self.assertEqual(self.names(daemon, ALICE), {f"native ({mine.pid})"})
            self.assertEqual(self.names(daemon, BOB), {f"native ({theirs.pid})"})
            self.assertIn(f"native ({theirs.pid})", self.names(daemon, 0))
            # A recording of their own.
            argv = ["record", "-d", "2", "-r", "499", "-f", "collapsed", "-o", "a.txt", "--json"]
            done = self.client(daemon, ALICE, *argv, "-p", mine.pid)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertGreater(json.loads(done.stdout)["samples"], 400)
            path = pathlib.Path(self.folder, "a.txt")
            self.assertIn("share_40", path.read_text())
            self.assertEqual(path.stat().st_uid, ALICE)
            # Not of another's, and nothing is left of the attempt.
            path.unlink()
            for pid in (theirs.pid, os.getpid(), 1, daemon.pid):
                done = self.client(daemon, ALICE, *argv, "-p", pid)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(f"process {pid}", done.stderr)
                self.assertFalse(path.exists())
            # A filter opens no door.
            rows = self.client(daemon, ALICE, "report", "--by", "process", "--format", "json",
                               "--pid", theirs.pid)
            self.assertEqual(json.loads(rows.stdout)["rows"], [])
            # Nor may they stop profiling, which root may.
            done = self.client(daemon, ALICE, "pause")
            self.assertEqual(done.returncode, 1)
            self.assertIn("root", done.stderr)
            self.assertFalse(daemon.status()["paused"])

    def test_members_of_the_group_see_all(self):
        with Daemon("--rate", RATE, window=1, config="group = daemon\n") as daemon:
            import grp

            group = grp.getgrnam("daemon").gr_gid
            theirs = self.start(BOB)
            daemon.wait_windows(2)
            self.assertIn(f"native ({theirs.pid})", self.names(daemon, ALICE, groups=[group]))
            self.assertEqual(self.names(daemon, ALICE), set())
            self.assertEqual(
                self.client(daemon, ALICE, "pause", groups=[group]).returncode, 0
            )
            self.assertEqual(
                self.client(daemon, ALICE, "resume", groups=[group]).returncode, 0
            )

    def test_a_program_with_other_rights_below_ones_own_is_not_shown(self):
        """As sudo: a set-uid program that a user starts is not theirs to look into."""
        with Daemon("--rate", RATE, window=1) as daemon:
            secret = f"{self.folder}/secret"
            shutil.copy(TARGETS / "native", secret)
            os.chown(secret, BOB, BOB)
            os.chmod(secret, 0o4755)
            script = f"{secret} 30 & while :; do :; done"
            outer = self.start(ALICE, argv=["/bin/sh", "-c", script])
            self.assertTrue(outer.stdout.readline().startswith("READY "))
            done = self.client(daemon, ALICE, "record", "-p", outer.pid, "--subprocesses", "-d", "2",
                               "-f", "collapsed", "-o", "b.txt")
            self.assertEqual(done.returncode, 0, done.stderr)
            text = pathlib.Path(self.folder, "b.txt").read_text()
            self.assertIn(f"sh ({outer.pid})", text)
            self.assertNotIn("share_", text)
            self.assertNotIn("secret", text)
            self.assertIn("other rights", done.stderr)

    def test_a_user_without_a_daemon_is_told_what_to_do(self):
        with Daemon(window=1) as daemon:
            daemon.stop()
            done = self.client(daemon, ALICE, "ps")
            self.assertEqual(done.returncode, 1)
            self.assertIn("profd daemon", done.stderr)


@need_ebpf
class Namespaces(Case):
    def setUp(self):
        super().setUp()
        probe = subprocess.run(
            ["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, text=True
        )
        if probe.returncode:  # in a plain chroot the root is no mount point
            self.skipTest(f"no PID namespace with a /proc of its own: {probe.stderr.strip()}")

    def unshared(self, *argv, uid=0):
        """A process that is 1 in a PID namespace of its own, with a /proc of its own."""
        return self.start(uid, "unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *argv)

    def inner_pid(self, process):
        """PID here of the process that is 1 there."""
        children = f"/proc/{process.pid}/task/{process.pid}/children"
        wait_until(lambda: pathlib.Path(children).read_text().split())
        return int(pathlib.Path(children).read_text().split()[0])

    def inside(self, pid, *argv):
        return subprocess.run(
            ["nsenter", "-t", str(pid), "-p", "-m", "--", *map(str, argv)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
        )

    def test_a_client_in_a_container_speaks_of_its_own_pids(self):
        with Daemon("--rate", RATE, window=1) as daemon:
            outside = self.start(0)
            inner = self.inner_pid(self.unshared())
            daemon.wait_windows(2)
            done = self.inside(inner, self.profd, "record", "--socket", daemon.socket, "-p", 1,
                               "-d", 2, "-r", 499, "-f", "collapsed", "-o", f"{self.folder}/c.txt")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("share_40", pathlib.Path(self.folder, "c.txt").read_text())
            self.assertIn("native (1)", done.stderr)
            listed = self.inside(inner, self.profd, "ps", "--json", "--socket", daemon.socket)
            pids = {p["pid"]: p["comm"] for p in json.loads(listed.stdout)}
            self.assertEqual(pids.get(1), "native", pids)
            self.assertNotIn(outside.pid, pids)
            refused = self.inside(inner, self.profd, "record", "--socket", daemon.socket,
                                  "-p", outside.pid, "-d", 1, "-o", f"{self.folder}/d.svg")
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn("there is no process", refused.stderr)
            paused = self.inside(inner, self.profd, "pause", "--socket", daemon.socket)
            self.assertEqual(paused.returncode, 1, "root of a container is not root of the host")
            report = self.inside(inner, self.profd, "report", "--socket", daemon.socket, "--pid", 1,
                                 "--format", "json")
            self.assertEqual(report.returncode, 0, report.stderr)
            self.assertIn("share_40", {row["name"] for row in json.loads(report.stdout)["rows"]})
            everything = self.inside(inner, self.profd, "report", "--socket", daemon.socket)
            self.assertEqual(everything.returncode, 1)

    def test_a_daemon_in_a_namespace_sees_that_namespace(self):
        outside = self.start(0)
        script = f"{self.target} 60 >/dev/null & exec {self.profd} daemon --store {self.folder}/n.db \
--socket {self.folder}/n.sock --window 1 --rate {RATE}"
        holder = self.start(0, "unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
                            argv=["/bin/sh", "-c", script])
        socket_path = pathlib.Path(self.folder, "n.sock")
        self.assertTrue(wait_until(socket_path.exists, 20))
        inner = self.inner_pid(holder)

        def rows():
            done = self.inside(inner, self.profd, "report", "--socket", socket_path, "--by",
                               "process", "--format", "json")
            with contextlib.suppress(ValueError):
                return {row["name"] for row in json.loads(done.stdout)["rows"]}
            return set()

        self.assertTrue(wait_until(lambda: any(n.startswith("native") for n in rows()), 20))
        self.assertNotIn(f"native ({outside.pid})", rows())


if __name__ == "__main__":
    unittest.main()
