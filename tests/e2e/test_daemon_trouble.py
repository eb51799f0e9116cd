# SPDX-License-Identifier: BSD-2-Clause
"""The daemon in trouble: killed, disk full, store read-only or damaged, clock set, two at once. Sampling goes on,
nothing that was closed is lost, and status says what is wrong.

PROFD_KILLS sets how often it is killed (20).
"""

import contextlib
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

import harness
from daemons import Daemon
from harness import Target, need_ebpf, wait_until

KILLS = int(os.environ.get("PROFD_KILLS", "20"))
SEED = 20261121
CLOCK_SHIM = harness.TARGETS / "libclock.so"


def integrity(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("pragma integrity_check").fetchall()


@need_ebpf
class Killed(unittest.TestCase):
    def test_kill_at_random_moments_loses_no_closed_window(self):
        chance = random.Random(SEED)
        programs = harness.bpf_programs()
        with tempfile.TemporaryDirectory() as folder, Target("native", seconds=3000) as target:
            os.chmod(folder, 0o755)
            closed = 0
            for number in range(KILLS):
                with Daemon("--rate", 99, window=1, folder=folder, expect=-signal.SIGKILL) as d:
                    # From the first moments of the start to the middle of a second window.
                    until = time.monotonic() + chance.uniform(0, 2.2)
                    wait_until(lambda: time.monotonic() > until)
                    seen = d.windows()
                    self.assertGreaterEqual(seen, closed, f"round {number}")
                    d.stop(signal.SIGKILL)
                    after = d.windows()
                    self.assertGreaterEqual(after, seen, f"round {number}")
                    closed = after
                    self.assertIsNone(target.process.poll(), "the target was harmed")
                self.assertEqual(integrity(d.store), [("ok",)], f"round {number}")
            self.assertGreater(closed, KILLS / 4)
            stat = pathlib.Path(f"/proc/{target.pid}/stat").read_text()
            self.assertNotIn(stat.rpartition(")")[2].split()[0], "tTZX")
            target.stop()
        self.assertTrue(wait_until(lambda: harness.bpf_programs() <= programs))


@contextlib.contextmanager
def small_disk(kilobytes):
    """A file system of its own, so small."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=755", "none", folder],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise unittest.SkipTest(f"a tmpfs cannot be mounted: {done.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


@need_ebpf
class Store(unittest.TestCase):
    def test_disk_full_keeps_windows_until_there_is_room(self):
        with small_disk(4096) as folder, Target("native"):
            with Daemon("--rate", 99, window=1, folder=folder) as daemon:
                daemon.wait_windows(2)
                filler = pathlib.Path(folder, "filler")
                with contextlib.suppress(OSError), filler.open("wb") as f:
                    while True:
                        f.write(b"x" * 4096)
                        f.flush()
                self.assertTrue(
                    wait_until(lambda: daemon.status()["windows"]["waiting"] >= 2, 30),
                    daemon.status(),
                )
                status = daemon.status()
                self.assertIn("no space", status["store"]["error"])
                samples = status["samples"]
                self.assertTrue(wait_until(lambda: daemon.status()["samples"] > samples))
                filler.unlink()
                self.assertTrue(
                    wait_until(lambda: daemon.status()["windows"]["waiting"] == 0, 30),
                    daemon.status(),
                )
                status = daemon.status()
                self.assertIsNone(status["store"]["error"])
                self.assertEqual(status["windows"]["lost"], 0)
                self.assertEqual(daemon.windows(), status["windows"]["closed"])
            self.assertEqual(integrity(daemon.store), [("ok",)])

    def test_read_only_store_is_told_and_tried_again(self):
        with small_disk(8192) as folder, Target("native"):
            with Daemon("--rate", 99, window=1, folder=folder) as daemon:
                daemon.wait_windows(1)
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
            with tempfile.TemporaryDirectory() as other:
                # Socket, configuration and log lie elsewhere.
                os.chmod(other, 0o755)
                with Daemon(
                    "--rate", 99, "--store", f"{folder}/profd.db", window=1, folder=other
                ) as daemon:
                    daemon.store = f"{folder}/profd.db"
                    self.assertTrue(
                        wait_until(lambda: daemon.status()["windows"]["waiting"] >= 2, 30)
                    )
                    self.assertIn("read-only", daemon.status()["store"]["error"].lower())
                    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
                    self.assertTrue(
                        wait_until(lambda: daemon.status()["windows"]["waiting"] == 0, 30)
                    )
                    self.assertIsNone(daemon.status()["store"]["error"])

    def damage(self, path, keep):
        data = bytearray(pathlib.Path(path).read_bytes())
        for at in range(keep, len(data), 37):
            data[at] ^= 0x5A
        pathlib.Path(path).write_bytes(data)

    def test_damaged_store_is_put_aside_and_a_new_one_begun(self):
        for keep in (0, 4096):  # no store at all any more; a store with damaged pages
            with self.subTest(keep=keep), tempfile.TemporaryDirectory() as folder:
                os.chmod(folder, 0o755)
                with Target("native"):
                    with Daemon("--rate", 99, window=1, folder=folder) as daemon:
                        daemon.wait_windows(2)
                    self.damage(daemon.store, keep)
                    with Daemon("--rate", 99, window=1, folder=folder) as daemon:
                        daemon.wait_windows(2)
                        self.assertIsNone(daemon.status()["store"]["error"])
                        self.assertIn("was kept as", daemon.log())
                kept = [n for n in os.listdir(folder) if "damaged" in n and n[-1].isdigit()]
                self.assertEqual(len(kept), 1, os.listdir(folder))
                self.assertEqual(integrity(daemon.store), [("ok",)])

    def spoil(self, daemon):
        """Damages the open store, and makes its writer read it again instead of its own cache."""
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            with contextlib.closing(sqlite3.connect(daemon.store, timeout=1)) as db, db:
                db.execute("insert into meta values ('changed by somebody else', 1)")
            for name in (daemon.store, f"{daemon.store}-wal"):
                self.damage(name, 0)
        except sqlite3.OperationalError:
            return False  # it was stopped in the middle of a transaction
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        return True

    def test_store_damaged_while_the_daemon_runs_is_put_aside(self):
        with Daemon("--rate", 99, window=1) as daemon, Target("native"):
            daemon.wait_windows(2)
            self.assertTrue(wait_until(lambda: self.spoil(daemon), 30))

            def aside():
                return [name for name in os.listdir(daemon.folder) if ".damaged-" in name]

            self.assertTrue(wait_until(aside, 30), daemon.log())
            daemon.wait_windows(2)
            status = daemon.status()
            self.assertIsNone(status["store"]["error"])
            self.assertEqual(status["windows"]["lost"], 0)
            names = {row["name"] for row in daemon.report("--since", "all")["rows"]}
            self.assertIn("share_40", names)

    def test_newer_store_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            with Daemon(window=1, folder=folder) as daemon:
                pass
            with contextlib.closing(sqlite3.connect(daemon.store)) as db:
                db.execute("pragma user_version = 999")
            with self.assertRaisesRegex(AssertionError, "newer"):
                with Daemon(window=1, folder=folder):
                    pass

    def test_two_daemons(self):
        with Daemon(window=1) as first, tempfile.TemporaryDirectory() as other:
            os.chmod(other, 0o755)
            with self.assertRaisesRegex(AssertionError, re.escape(first.store)):
                with Daemon("--store", first.store, window=1, folder=other):
                    pass  # another socket, the same store
            with self.assertRaisesRegex(AssertionError, "another profd daemon listens"):
                with Daemon("--socket", first.socket, window=1, folder=other):
                    pass
            first.wait_windows(1)  # unharmed
            self.assertTrue(first.answers())

    def test_store_stays_below_its_cap(self):
        config = "store_max = 2MiB\n"
        with Daemon("--rate", 499, window=1, config=config) as daemon, Target("native"):
            daemon.wait_windows(3)
            self.assertLessEqual(daemon.status()["store"]["bytes"], 2 << 20)


@need_ebpf
class Clock(unittest.TestCase):
    """The wall clock as the daemon sees it is moved by a library that is preloaded; the machine's own
    stays as it is."""

    def test_clock_jumping_back_and_forth(self):
        with tempfile.TemporaryDirectory() as folder, Target("native"):
            os.chmod(folder, 0o755)
            offset = pathlib.Path(folder, "offset")
            offset.write_text("0\n")
            env = {**os.environ, "LD_PRELOAD": str(CLOCK_SHIM), "CLOCK_OFFSET": str(offset)}
            with Daemon("--rate", 99, window=1, folder=folder, env=env) as daemon:
                daemon.wait_windows(2)
                for seconds in (-86400, 400 * 86400, 0):
                    offset.write_text(f"{seconds}\n")
                    daemon.wait_windows(3)
                # Nothing was deleted although 400 days went by, and the samples are where they were.
                status = daemon.status()
                self.assertEqual(daemon.windows(), status["windows"]["closed"])
                self.assertEqual(status["windows"]["lost"], 0)
                self.assertEqual(daemon.log().count("the clock was set by"), 3, daemon.log())
                now = time.time()
                starts = [s / 1e9 for (s,) in daemon.query("select start_unix_ns from windows")]
                for seconds in (-86400, 400 * 86400, 0):
                    near = [s for s in starts if abs(s - now - seconds) < 600]
                    self.assertGreaterEqual(len(near), 2, (seconds, starts))
                recent = daemon.report("--since", "10m", "--until", f"@{now + 60:.0f}")
                self.assertGreater(recent["samples"], 0)


if __name__ == "__main__":
    unittest.main()
