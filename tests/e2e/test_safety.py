# SPDX-License-Identifier: BSD-2-Clause
"""What a target and the machine must not notice: nothing of the target is touched, and nothing of
profd stays behind, also where profd is killed in the middle."""

import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time
import unittest

import harness
from harness import Target, need_ebpf, record, wait_until

SEED = 20260301
ROUNDS = 8
LONGEST_WAIT_S = 1.2  # until the kill: starting up, the first samples, steady sampling


def status_field(pid, name):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return re.search(rf"^{name}:\s*(\S+)", text, re.MULTILINE).group(1)


def cpu_ticks(pid):
    """User time so far, in clock ticks (field 14 of proc(5)'s stat)."""
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def descriptors(pid):
    folder = f"/proc/{pid}/fd"
    return {fd: os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)}


def executable_mappings(pid):
    lines = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
    return [line for line in lines if line.split()[1][2] == "x"]


@need_ebpf
class Untouched(unittest.TestCase):
    def test_descriptors_mappings_and_tracer(self):
        with Target("native") as target:
            before = descriptors(target.pid), executable_mappings(target.pid)
            recorder = subprocess.Popen(
                [
                    harness.PROFD,
                    "record",
                    "-p",
                    str(target.pid),
                    "-d",
                    "1",
                    "-q",
                    "-o",
                    os.devnull,
                    "-f",
                    "collapsed",
                ],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                during = []
                while recorder.poll() is None:
                    during.append((descriptors(target.pid), executable_mappings(target.pid)))
                    self.assertEqual(status_field(target.pid, "TracerPid"), "0")
                    self.assertNotIn(
                        status_field(target.pid, "State"), "tT", "the target was stopped"
                    )
                    time.sleep(0.02)
            finally:
                recorder.kill()
                recorder.wait()
            self.assertGreater(len(during), 10)
            for seen in during:
                self.assertEqual(seen, before)

    def test_output_and_exit_status_of_a_target(self):
        """The target's own words arrive whole and alone, and its status is its own: Target.stop()
        fails otherwise."""
        with Target(
            "shares.py", python=harness.interpreters().get("debian") or "python3"
        ) as target:
            recording = record(target.pid, seconds=1)
            truth = target.stop()
        self.assertGreater(recording.samples, 0)
        self.assertEqual(list(truth), ["TRUTH"])

    def test_a_sleeping_call_is_not_interrupted(self):
        """A signal or a stop would end select() early; the target says how long it slept."""
        code = (
            "import select, time, sys\nprint('READY', flush=True)\nbegin = time.monotonic()\n"
            "select.select([sys.stdin], [], [], 2.5)\nprint(time.monotonic() - begin)"
        )
        reading, writing = os.pipe()
        child = subprocess.Popen(
            ["python3", "-c", code], stdin=reading, stdout=subprocess.PIPE, text=True
        )
        try:
            self.assertEqual(child.stdout.readline(), "READY\n")
            harness.run_record("-p", child.pid, "-d", "1", "-f", "collapsed", "-o", os.devnull)
            self.assertGreaterEqual(float(child.stdout.readline()), 2.49)
            self.assertEqual(child.wait(10), 0)
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
            os.close(reading)
            os.close(writing)


@need_ebpf
class Killed(unittest.TestCase):
    def setUp(self):
        self.programs_before = harness.bpf_programs()
        self.processes_before = harness.profd_processes()

    def engines(self, recorder):
        """Processes of the profd binary that this recording started, but the one that was typed."""
        return harness.profd_processes() - self.processes_before - {recorder.pid}

    def assert_nothing_left(self, when):
        self.assertTrue(
            wait_until(lambda: not harness.profd_processes() - self.processes_before),
            f"profd processes are left after {when}: "
            f"{harness.profd_processes() - self.processes_before}",
        )
        self.assertTrue(
            wait_until(lambda: not harness.bpf_programs() - self.programs_before),
            f"BPF programs are left after {when}: {harness.bpf_programs() - self.programs_before}",
        )

    def start(self, target, folder, *options):
        return subprocess.Popen(
            [
                harness.PROFD,
                "record",
                "-p",
                str(target.pid),
                "-d",
                "30",
                "-r",
                "999",
                "-o",
                os.path.join(folder, "out.svg"),
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def assert_target_runs(self, target):
        self.assertIsNone(target.process.poll(), "the target ended")
        self.assertIn(status_field(target.pid, "State"), "RSD")
        self.assertEqual(status_field(target.pid, "TracerPid"), "0")
        before = cpu_ticks(target.pid)
        self.assertTrue(
            wait_until(lambda: cpu_ticks(target.pid) > before + 2),
            "the target does no work any more",
        )

    def test_kill_at_any_moment(self):
        chance = random.Random(SEED)
        with tempfile.TemporaryDirectory() as folder, Target("native") as target:
            for turn in range(ROUNDS):
                wait_s = chance.random() * LONGEST_WAIT_S
                with self.subTest(turn=turn, wait_s=round(wait_s, 3)):
                    recorder = self.start(target, folder)
                    time.sleep(wait_s)
                    recorder.kill()
                    recorder.communicate()
                    self.assert_nothing_left(f"kill -9 of profd after {wait_s:.3f} s")
                    self.assert_target_runs(target)
            self.assertEqual(list(target.stop()), ["TRUTH"])

    def test_kill_of_the_engine(self):
        chance = random.Random(SEED + 1)
        with tempfile.TemporaryDirectory() as folder, Target("native") as target:
            for turn in range(ROUNDS // 2):
                wait_s = chance.random() * LONGEST_WAIT_S
                with self.subTest(turn=turn, wait_s=round(wait_s, 3)):
                    recorder = self.start(target, folder)
                    self.assertTrue(
                        wait_until(lambda: self.engines(recorder) or recorder.poll() is not None)
                    )
                    engines = self.engines(recorder)
                    self.assertTrue(engines, "no private daemon was seen")
                    time.sleep(wait_s)
                    for pid in engines:
                        os.kill(pid, signal.SIGKILL)
                    said = recorder.communicate(timeout=20)[1]
                    self.assertEqual(recorder.returncode, 1, said)
                    self.assertIn("profd", said)
                    self.assert_nothing_left(f"kill -9 of the engine after {wait_s:.3f} s")
                    self.assert_target_runs(target)

    def test_an_ordinary_end_leaves_nothing(self):
        with Target("native") as target:
            record(target.pid, seconds=1)
            self.assert_nothing_left("an ordinary recording")
            self.assert_target_runs(target)


if __name__ == "__main__":
    unittest.main()
