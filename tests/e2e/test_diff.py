# SPDX-License-Identifier: BSD-2-Clause
"""profd diff: two profile files, spans of a store and running processes that differ in a known way."""

import csv
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import harness
from daemons import Daemon
from harness import PROFD, Target, need_ebpf, share_bound, wait_until
from test_daemon_users import ALICE, BOB
from test_daemon_users import Case as UsersCase

RATE = 499
SECONDS = 10
SHARES = (20, 40)  # percent that mix_grown takes


def diff(*args, timeout=120, **more):
    return subprocess.run(
        [str(PROFD), "diff", *map(str, args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        **more,
    )


def record_files(folder, targets, seconds, names):
    """A profile file of each process, all recorded at the same time."""
    running = []
    for target, name in zip(targets, names):
        argv = ["-p", target.pid, "-d", seconds, "-r", RATE, "-f", "profd", "-q"]
        argv += ["-o", os.path.join(folder, name), "--socket", "none"]
        running.append(subprocess.Popen([str(PROFD), "record", *map(str, argv)]))
    for process in running:
        if process.wait(seconds + 60):
            raise AssertionError(f"profd record ended with {process.returncode}")


class Case(unittest.TestCase):
    def ok(self, *args, status=0, **more):
        done = diff(*args, **more)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def compared(self, *args, **more):
        return json.loads(self.ok("--json", *args, **more).stdout)

    def row(self, compared, name):
        found = [row for row in compared["rows"] if row["name"] == name]
        self.assertEqual(len(found), 1, [row["name"] for row in compared["rows"]])
        return found[0]

    def refused(self, text, *args, status=1, **more):
        done = diff(*args, **more)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        self.assertIn(text, done.stderr)
        return done

    def assert_found(self, compared):
        """mix_grown took 20 % before and 40 % after: its growth is found, and as large as it is."""
        self.assertEqual(compared["verdict"], "changed")
        grown = self.row(compared, "mix_grown")["total"]
        self.assertTrue(grown["significant"], grown)
        self.assertGreater(grown["low"], 0)
        self.assertLess(grown["p"], 0.05)
        for side, percent in zip(("before", "after"), SHARES):
            samples = compared[side]["samples"]
            # What the clock calls between the parts take is no part's.
            bound = share_bound(percent / 100, samples, 1 / RATE, 1e-4, 3e-4) + 0.02
            self.assertLessEqual(abs(grown[side] - percent / 100), bound, grown)
        self.assertFalse(self.row(compared, "main")["total"]["significant"])


@need_ebpf
class Files(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="profd-diff-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        with Target("mix", SHARES[0]) as one, Target("mix", SHARES[1]) as two:
            record_files(cls.folder, (one, two), SECONDS, ("a.profd", "b.profd"))
            record_files(cls.folder, (one,), 2, ("short.profd",))
        cls.a, cls.b, cls.short = (
            os.path.join(cls.folder, name) for name in ("a.profd", "b.profd", "short.profd")
        )

    def test_a_known_change_is_found(self):
        compared = self.compared(self.a, self.b)
        self.assert_found(compared)
        self.assertEqual(compared["before"]["windows"], SECONDS)
        self.assertGreater(compared["detectable"], 0)
        back = self.compared(self.b, self.a)
        self.assertTrue(self.row(back, "mix_grown")["total"]["significant"])
        self.assertAlmostEqual(
            self.row(back, "mix_grown")["total"]["change"],
            -self.row(compared, "mix_grown")["total"]["change"],
        )

    def test_it_is_said(self):
        done = self.ok(self.a, self.b)
        self.assertRegex(done.stdout, r"(?m)^ *[12]\d\.\d% +[34]\d\.\d% +\+\d.* \* +mix_grown ")
        self.assertRegex(done.stdout, r"\n\d+ functions? changed: \d+ grew, \d+ shrank\n$")
        self.assertRegex(done.stderr, r"(?m)^profd: before .*a\.profd: .* samples, 0 lost; windows")
        self.assertRegex(done.stderr, r"(?m)^profd: after .*b\.profd: ")
        self.assertRegex(done.stderr, r"mix_grown grew most, by \d+\.\d points of total share\n")
        self.assertEqual(self.ok("-q", self.a, self.b).stderr, "")

    def test_a_file_and_itself_are_the_same(self):
        compared = self.compared(self.a, self.a)
        self.assertEqual((compared["verdict"], compared["significant"]), ("same", 0))
        self.assertTrue(all(row["total"]["change"] == 0 for row in compared["rows"]))
        done = self.ok(self.a, self.a, "--fail-above", 0)
        self.assertIn("nothing changed that can be told from chance", done.stderr)
        self.assertRegex(done.stderr, r"changes below \d.* points of share .* may stay hidden")

    def test_too_little_is_no_verdict(self):
        compared = self.compared(self.short, self.b)
        self.assertEqual(compared["verdict"], "not enough data")
        self.assertTrue(compared["why"])
        self.assertFalse(any(row["total"]["significant"] for row in compared["rows"]))
        done = self.ok(self.short, self.b, "--fail-above", 1)
        self.assertIn("not enough data: ", done.stdout)
        self.assertIn("not enough data: ", done.stderr)
        self.assertRegex(done.stderr, r"next: compare about \d+ s of each side")
        self.assertIn("--fail-above 1 finds nothing without enough data", done.stderr)

    def test_growth_above_a_bound_fails(self):
        done = self.ok(self.a, self.b, "--fail-above", 5, "-q", status=1)
        self.assertRegex(
            done.stderr,
            r"^profd: mix_grown grew by \d+\.\d points of total share, more than --fail-above 5\n$",
        )
        self.assertIn("mix_grown", done.stdout)  # the answer is there all the same
        self.assertEqual(self.ok(self.a, self.b, "--fail-above", 60, "-q").stderr, "")

    def test_by_line_module_and_self(self):
        by_line = self.compared(self.a, self.b, "--by", "line")
        self.assertEqual(by_line["by"], "line")
        self.assertEqual(by_line["verdict"], "changed")
        by_module = self.compared(self.a, self.b, "--by", "module", "--no-kernel")
        names = {row["name"] for row in by_module["rows"]}
        self.assertIn("mix", names)
        self.assertNotIn("kernel", names)
        by_self = self.compared(self.a, self.b, "--sort", "self")
        self.assertEqual(by_self["rows"][0]["name"], "mix_grown")
        self.assertTrue(by_self["rows"][0]["self"]["significant"])
        self.assertEqual(len(self.compared(self.a, self.b, "--limit", 2)["rows"]), 2)

    def test_every_format(self):
        path = os.path.join(self.folder, "out.")
        for name in ("svg", "csv", "json", "txt"):
            done = self.ok(self.a, self.b, "-o", path + name)
            self.assertEqual(done.stdout, "")
            self.assertRegex(done.stderr, rf"wrote .*/out\.{name} \(")
        text = pathlib.Path(path + "svg").read_text(encoding="utf-8")
        picture = xml.etree.ElementTree.fromstring(text)
        self.assertIn(" \u2192 ", picture.find("{http://www.w3.org/2000/svg}title").text)
        self.assertRegex(text, r"mix_grown[^<]*: after [34]\d\.\d\d % [^<]*, before [12]\d\.\d\d %")
        rows = list(csv.DictReader(io.StringIO(pathlib.Path(path + "csv").read_text(), newline="")))
        compared = json.loads(pathlib.Path(path + "json").read_text())
        self.assertEqual([r["name"] for r in rows], [r["name"] for r in compared["rows"]])
        self.assertAlmostEqual(
            float(rows[0]["total_change"]), compared["rows"][0]["total"]["change"], places=6
        )
        self.assertIn("functions by change of total share", pathlib.Path(path + "txt").read_text())
        self.assertEqual(self.ok(self.a, self.b, "-f", "flamegraph").stdout, text)

    def test_filters_choose_within_files(self):
        whole = self.compared(self.a, self.b)
        part = self.compared(self.a + ",comm=mix", self.b, "--user", 0, "--comm", "mix")
        self.assertEqual(part["before"]["samples"], whole["before"]["samples"])
        none = self.compared(self.a, self.b + ",comm=nobody")
        self.assertEqual((none["verdict"], none["after"]["samples"]), ("not enough data", 0))
        self.assertEqual(none["before"]["samples"], whole["before"]["samples"])

    def test_spans_of_a_file(self):
        whole = self.compared(self.a, self.a)["before"]
        middle = whole["start_unix_s"] + SECONDS / 2
        # Windows that overlap a span belong to it, so the one in the middle may be in both.
        halves = self.compared("--store", self.a, f"..@{middle}", f"@{middle}..")
        total = halves["before"]["samples"] + halves["after"]["samples"]
        self.assertGreaterEqual(total, whole["samples"])
        self.assertLess(halves["before"]["samples"], whole["samples"])
        self.assertLess(halves["after"]["samples"], whole["samples"])
        one = self.compared("--store", self.a, "..", self.b)
        self.assertEqual(one["before"]["samples"], whole["samples"])

    def test_what_is_no_profile_is_refused(self):
        foreign, damaged = (os.path.join(self.folder, n) for n in ("foreign", "damaged.profd"))
        pathlib.Path(foreign).write_text("<svg>no profile</svg>\n" * 100)
        data = bytearray(pathlib.Path(self.b).read_bytes())
        pathlib.Path(damaged).write_bytes(data[: len(data) // 3])
        out = os.path.join(self.folder, "never.svg")
        for path in (foreign, damaged, self.folder + "/missing.profd"):
            for sides in ((path, self.a), (self.a, path)):
                done = self.refused(os.path.basename(path), *sides, "-o", out)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertFalse(os.path.exists(out))

    def test_who_reads_may_stop(self):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as closed:
            done = subprocess.run(
                [PROFD, "diff", self.a, self.b, "-q"],
                stdin=subprocess.DEVNULL,
                stdout=closed,
                stderr=subprocess.PIPE,
                timeout=60,
            )
        self.assertEqual((done.returncode, done.stderr), (128 + signal.SIGPIPE, b""))

    def test_wrong_usage(self):
        for text, args in (
            ("too few words: profd diff BEFORE AFTER", [self.a]),
            ("one word too many", [self.a, self.b, self.a]),
            ("name the store of the span with --store FILE", [self.a, "1h.."]),
            ("is one time; a span has two", ["1h", "2h..1h"]),
            ("no process ID", [self.a, "nothing-of-that-name"]),
            ("there are function, line, module", [self.a, self.b, "--by", "thread"]),
            ("there are table, json, csv, flamegraph", [self.a, self.b, "-f", "collapsed"]),
            ("not a number of points", [self.a, self.b, "--fail-above", "much"]),
            ("for processes to record", [self.a, self.b, "--rate", 99]),
        ):
            done = self.refused(text, *args, status=2)
            self.assertIn("`profd help diff` shows how it is used", done.stderr)


@need_ebpf
class Processes(Case):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="profd-diff-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.env = dict(os.environ, TMPDIR=self.folder, PROFD_SOCKET="none")

    def tearDown(self):
        self.assertEqual(os.listdir(self.folder), [], "recordings were left behind")

    def test_two_processes_at_once(self):
        with Target("mix", SHARES[0]) as one, Target("mix", SHARES[1]) as two:
            done = self.ok(
                *(one.pid, f"pid:{two.pid}", "--json", "-d", SECONDS, "-r", RATE), env=self.env
            )
        compared = json.loads(done.stdout)
        self.assert_found(compared)
        starts = [compared[side]["start_unix_s"] for side in ("before", "after")]
        self.assertLess(abs(starts[0] - starts[1]), 5)
        self.assertIn(f"sampling {one.pid} and pid:{two.pid} at {RATE} Hz for 10.0 s", done.stderr)

    def test_a_process_and_a_file(self):
        path = os.path.join(self.folder, "one.profd")
        with Target("mix", SHARES[0]) as one:
            record_files(self.folder, (one,), 6, ("one.profd",))
        with Target("mix", SHARES[1]) as two:
            compared = self.compared(path, two.pid, "-d", 6, "-r", RATE, env=self.env)
        os.unlink(path)
        self.assert_found(compared)

    def test_what_is_not_there_is_named(self):
        with Target("mix") as one:
            ended = subprocess.Popen(["true"])
            ended.wait()
            done = self.refused(str(ended.pid), one.pid, ended.pid, "-d", 30, env=self.env)
            self.assertNotIn("sampling", done.stderr)

    def start(self, *pids):
        """profd diff of processes, once it samples."""
        process = subprocess.Popen(
            [PROFD, "diff", *map(str, pids), "-d", "600", "-r", str(RATE)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env,
            start_new_session=True,
            preexec_fn=harness.die_with_parent,
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.assertIn("profd: sampling ", process.stderr.readline())
        return process

    def test_one_signal_compares_what_there_is(self):
        with Target("mix") as one, Target("mix") as two:
            process = self.start(one.pid, two.pid)
            process.stderr.readline()  # progress: there are samples
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, errors)
        self.assertIn("functions by change of total share", out)
        self.assertIn("profd: after ", errors)

    def test_two_signals_give_up(self):
        with Target("mix") as one, Target("mix") as two:
            process = self.start(one.pid, two.pid)
            # Stopped, both wait at once, so that it cannot end in between.
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
            out, _ = process.communicate(timeout=60)
        self.assertIn(process.returncode, (128 + signal.SIGINT, 128 + signal.SIGTERM))
        self.assertEqual(out, "")
        self.assertTrue(wait_until(lambda: not harness.profd_processes(), 10))


@need_ebpf
class ThroughTheDaemon(UsersCase):
    def setUp(self):
        super().setUp()
        self.target = shutil.copy(harness.TARGETS / "mix", f"{self.folder}/mix")

    def mixes(self, uid):
        return [
            self.start(uid, argv=[self.target, "120", str(percent)]).pid for percent in SHARES
        ]

    def compared(self, daemon, uid, *args):
        done = self.client(daemon, uid, "diff", "--json", *args)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_a_user_compares_their_own(self):
        with Daemon("--rate", RATE, window=1) as daemon:
            one, two = self.mixes(ALICE)
            theirs = self.mixes(BOB)
            daemon.wait_windows(SECONDS)
            compared = self.compared(daemon, ALICE, f"..,pid={one}", f"..,pid={two}")
            Case.assert_found(self, compared)
            for uid in (BOB, 0):
                seen = self.compared(daemon, uid, f"..,pid={one}", f"..,pid={two}")
                self.assertEqual(seen["before"]["samples"] > 0, uid == 0)
            done = self.client(
                daemon, ALICE, "diff", "..,comm=nobody", "..,comm=nobody", "--fail-above", 1
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("not enough data", done.stderr)
            # Processes are recorded by the daemon, too, and only one's own.
            done = self.client(daemon, ALICE, "diff", one, two, "-d", 2, "-v")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"sampling with the daemon at {daemon.socket}", done.stderr)
            done = self.client(daemon, ALICE, "diff", one, theirs[0], "-d", 2)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(str(theirs[0]), done.stderr)

    def row(self, compared, name):
        return Case.row(self, compared, name)

    def test_a_time_that_is_not_there(self):
        with Daemon("--rate", RATE, window=1) as daemon:
            daemon.wait_windows(2)
            done = daemon.run("diff", "2001-01-01..2001-01-02", "1m..")
            self.assertIn("before: the store has no windows of that time", done.stderr)
            self.assertIn("next: choose a time and processes that were busy", done.stderr)
            self.assertIn("not enough data", done.stdout)


if __name__ == "__main__":
    unittest.main()
