# SPDX-License-Identifier: BSD-2-Clause
"""The house's own tools: check-rooms finds breaches, the test runner counts right, the harness
measures right."""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

import harness


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, path, text, mode=0o644):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)


class CheckRooms(Folder):
    def setUp(self):
        super().setUp()
        for top in ("bpf", "daemon", "cli"):
            shutil.copytree(harness.TOP / top, self.folder / top)

    def check(self):
        return subprocess.run(
            [harness.TOP / "tests/check-rooms", self.folder], capture_output=True, text=True
        )

    def assert_breach(self, path, line, says):
        self.write(path, line + "\n")
        done = self.check()
        self.assertNotEqual(done.returncode, 0, f"{line} in {path} passed")
        self.assertIn(f"{path}:1: ", done.stdout)
        self.assertIn(says, done.stdout)

    def test_the_tree_is_in_order(self):
        done = self.check()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("all in order", done.stdout)

    def test_a_room_below(self):
        self.assert_breach(
            "daemon/process/x.c", '#include "render/render.h"', "render/ lies below process/"
        )

    def test_inner_files_of_a_room_above(self):
        self.assert_breach(
            "daemon/aggregate/x.c",
            '#include "symbolize/index.h"',
            "only symbolize/symbolize.h is public",
        )

    def test_the_contract(self):
        self.assert_breach("daemon/symbolize/x.c", '#include "bpf/contract.h"', "contract")

    def test_the_skeleton(self):
        self.assert_breach("daemon/unwind/x.c", '#include "sample.skel.h"', "skeleton")

    def test_pipeline_lies_below_the_rooms(self):
        self.assert_breach("daemon/serve/x.c", '#include "pipeline/pipeline.h"', "pipeline/")

    def test_cli_sees_little(self):
        self.assert_breach("cli/x.c", '\t#  include "collect/collect.h"', "cli/ sees")

    def test_base_knows_nothing(self):
        self.assert_breach("daemon/base/x.c", '#include "flow/sample.h"', "base/")

    def test_pure_rooms_do_no_io(self):
        self.assert_breach("daemon/render/x.c", "#include <fcntl.h>", "pure")
        self.assert_breach("daemon/analyze/x.c", "#include <sys/socket.h>", "pure")

    def test_pure_rooms_open_no_file(self):
        self.assert_breach("daemon/render/x.c", 'void f(void) { fopen("x", "r"); }', "pure")

    def test_a_room_that_is_not_in_the_list(self):
        self.assert_breach("daemon/utils/x.c", "int x;", "no room for this file")


TAP_PASSES = "#!/bin/sh\necho 1..2\necho 'ok 1 - one'\necho 'ok 2 - two'\n"
TAP_SKIPS = "#!/bin/sh\necho 1..1\necho 'no browser here'\necho 'ok 1 # SKIP test_three'\n"
TAP_FAILS = "#!/bin/sh\necho 1..1\necho 'not ok 1 - four'\nexit 1\n"
DIES_EARLY = "#!/bin/sh\necho 1..3\necho 'ok 1 - five'\nkill -SEGV $$\n"
SAYS_NOTHING = "#!/bin/sh\nexit 0\n"
OWN_SUMMARY = "#!/bin/sh\necho 'skip: six: no core dumps'\necho '4 passed, 0 failed, 1 skipped'\n"
BAD_STATUS = "#!/bin/sh\necho '1 passed, 0 failed, 0 skipped'\nexit 9\n"


class Runner(Folder):
    def run_tests(self, **programs):
        for name, text in programs.items():
            self.write(f"tests/unit/{name}", text, 0o755)
        done = subprocess.run(
            [sys.executable, harness.TOP / "tests/run", "unit"],
            capture_output=True,
            text=True,
            env=dict(os.environ, BUILD=str(self.folder)),
        )
        return done.returncode, done.stdout, done.stdout.splitlines()[-1]

    def test_passes_and_skips(self):
        status, out, last = self.run_tests(a=TAP_PASSES, b=TAP_SKIPS, c=OWN_SUMMARY)
        self.assertEqual((status, last), (0, "6 passed, 0 failed, 2 skipped"), out)
        self.assertIn("test_three: no browser here", out)
        self.assertIn("six: no core dumps", out)

    def test_a_failure(self):
        status, out, last = self.run_tests(a=TAP_PASSES, b=TAP_FAILS)
        self.assertEqual((status, last), (1, "2 passed, 1 failed, 0 skipped"), out)
        self.assertIn("FAILED: four", out)

    def test_a_crash_is_a_failure(self):
        status, out, last = self.run_tests(a=DIES_EARLY)
        self.assertEqual(status, 1)
        self.assertRegex(last, r"^1 passed, [12] failed, 0 skipped$")
        self.assertIn("killed by signal 11", out)

    def test_silence_is_a_failure(self):
        status, _, last = self.run_tests(a=SAYS_NOTHING)
        self.assertEqual((status, last), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_status_that_does_not_fit(self):
        status, _, last = self.run_tests(a=BAD_STATUS)
        self.assertEqual((status, last), (1, "1 passed, 1 failed, 0 skipped"))

    def test_no_tests_at_all_is_a_failure(self):
        status, _, last = self.run_tests()
        self.assertEqual((status, last), (1, "0 passed, 0 failed, 0 skipped"))


class Collapsed(unittest.TestCase):
    def test_frames_and_weights(self):
        text = "main;work 3\nf (a b.py:12);std::map<int, char*>::find(int const&);do_idle_[k] 4\n"
        recording = harness.Recording(text)
        self.assertEqual(recording.samples, 7)
        self.assertEqual(recording.share("f"), 4 / 7)
        self.assertEqual(recording.share("do_idle"), 4 / 7)
        self.assertEqual(harness.python_frames(recording.stacks[1][0]), [("f", "a b.py", 12)])
        self.assertEqual(len(harness.user_frames(recording.stacks[1][0])), 2)

    def test_what_is_not_collapsed(self):
        for bad in ("main;work", "main;;work 1", "main 0", "ma\x01in 3", "main -1"):
            with self.subTest(bad), self.assertRaises(ValueError):
                harness.parse_collapsed(bad + "\n")


class Bound(unittest.TestCase):
    def simulate(self, chance, share, seconds, interval, mean_on):
        """Samples a random telegraph; the measured share."""
        mean_off = mean_on * (1 - share) / share
        on, until, t, hits, samples = chance.random() < share, 0.0, 0.0, 0, 0
        until = chance.expovariate(1 / (mean_on if on else mean_off))
        while t < seconds:
            while until < t:
                on = not on
                until += chance.expovariate(1 / (mean_on if on else mean_off))
            hits += on
            samples += 1
            t += interval
        return hits / samples, samples

    def test_bursts_stay_within_the_bound(self):
        chance = random.Random(3)
        worst = 0.0
        for _ in range(150):
            measured, samples = self.simulate(chance, 0.3, 2.0, 0.001, 0.004)
            bound = harness.share_bound(0.3, samples, 0.001, 0.004, 0.004 * 0.7 / 0.3)
            worst = max(worst, abs(measured - 0.3) / bound)
        self.assertLess(worst, 1.0)
        self.assertGreater(worst, 0.3, "the bound is far too wide to find anything")

    def test_a_wrong_share_is_found(self):
        truth = {"cpu_ns": 10**9, "parts": {"f": {"ns": 3 * 10**8, "bursts": 1000}}}
        good = harness.Recording("main;f 900\nmain 2100\n", rate=999)
        wrong = harness.Recording("main;f 1100\nmain 1900\n", rate=999)
        harness.assert_shares(self, good, truth)
        with self.assertRaises(AssertionError):
            harness.assert_shares(self, wrong, truth)


if __name__ == "__main__":
    unittest.main()
