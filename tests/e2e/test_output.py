# SPDX-License-Identifier: BSD-2-Clause
"""What comes out: SVG and collapsed stacks of targets with hostile names, and recordings of a
command."""

import os
import re
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

import harness
from harness import Target, function_of, need_ebpf, record, run_record

SVG = "{http://www.w3.org/2000/svg}"


def any_python():
    for version in ("debian",) + harness.PYTHON_VERSIONS:
        if version in harness.interpreters():
            return harness.interpreters()[version]
    raise unittest.SkipTest(f"no CPython of {', '.join(harness.PYTHON_VERSIONS)} is here")


def record_svg(pid, folder, *options, rate=999, seconds=2):
    path = os.path.join(folder, "out.svg")
    done = run_record("-p", pid, "-d", seconds, "-r", rate, "-o", path, *options)
    if done.returncode:
        raise AssertionError(f"profd record ended with {done.returncode}: {done.stderr}")
    with open(path, encoding="utf-8") as f:
        return f.read()


@need_ebpf
class Svg(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_well_formed_and_self_contained(self):
        with Target("native") as target:
            text = record_svg(target.pid, self.folder)
        root = ElementTree.fromstring(text)
        self.assertEqual(root.tag, SVG + "svg")
        for element in root.iter():
            for name, value in element.attrib.items():
                if name.endswith("href") or name == "src":
                    self.assertTrue(
                        value.startswith(("#", "data:")), f"{name}={value} leaves the file"
                    )
        self.assertNotRegex(text, r"(?:@import|url\()\s*['\"]?https?:")
        self.assertIn("share_40", text)
        # The first view is drawn without script.
        drawn = [e for e in root.iter(SVG + "rect")]
        self.assertGreater(len(drawn), 5)

    def test_hostile_names(self):
        with Target("native") as target:
            plain = ElementTree.fromstring(record_svg(target.pid, self.folder))
        with Target("hostile.py", python=any_python()) as target:
            text = record_svg(target.pid, self.folder, "-f", "flamegraph")
        root = ElementTree.fromstring(text)
        self.assertEqual(
            len(list(root.iter(SVG + "script"))),
            len(list(plain.iter(SVG + "script"))),
            "a name became a script of its own",
        )
        self.assertEqual(len(list(root.iter(SVG + "svg"))), len(list(plain.iter(SVG + "svg"))))
        words = "".join(root.itertext()) + "".join(
            v for e in root.iter() for v in e.attrib.values()
        )
        for name in ("alert(1)", "]]>", "ünïcödé_関数"):
            self.assertIn(name, words, "a name is not shown")
        self.assertNotIn("\x1b", text)
        self.assertNotIn("<script>alert", text)
        self.assertNotIn("<b>", text)


@need_ebpf
class Collapsed(unittest.TestCase):
    def test_hostile_names_keep_the_grammar(self):
        with Target("hostile.py", python=any_python()) as target:
            recording = record(target.pid, seconds=2)  # parse_collapsed is strict
        names = {function_of(f) for frames, _ in recording.stacks for f in frames}
        for expected in (
            "<script>alert(1)</script>",
            "]]>",
            "ünïcödé_関数",
            "ends with a number 17",
            '"quoted" & <b>',
        ):
            self.assertIn(expected, names)
        self.assertTrue(any(re.fullmatch(r"a.b", n) for n in names), "a;b is missing")
        self.assertTrue(
            any(re.fullmatch(r"line.break", n) for n in names), "line\\nbreak is missing"
        )
        self.assertTrue(any(n.startswith("xxxxxxxxxx") for n in names))
        for frames, _ in recording.stacks:
            self.assertEqual(
                [function_of(f) for f in frames if harness.is_python(f)][:2], ["<module>", "main"]
            )

    def test_summary(self):
        with Target("native") as target:
            recording = record(target.pid, seconds=2)
        summary = recording.summary
        self.assertEqual(summary["samples"], recording.samples)
        self.assertEqual(summary["source"], "ebpf")
        self.assertEqual(summary["rate_hz"]["requested"], 999)
        self.assertAlmostEqual(summary["rate_hz"]["achieved"], 999, delta=150)
        self.assertAlmostEqual(summary["duration_s"], 2, delta=0.5)
        self.assertEqual(summary["lost"], 0)
        self.assertEqual(summary["truncated"], 0)
        self.assertGreater(summary["profiler"]["rss_bytes"], 1 << 20)
        self.assertGreater(summary["profiler"]["cpu_s"], 0)
        self.assertEqual(len(summary["top"]), 5)
        hottest = max(summary["top"], key=lambda f: f["self"])
        self.assertEqual(hottest["function"], "share_40")
        self.assertEqual(hottest["kind"], "native")
        self.assertAlmostEqual(hottest["self"], 0.4, delta=0.06)


@need_ebpf
class Command(unittest.TestCase):
    def run_command(self, *command, options=()):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.collapsed")
            done = run_record(
                "-r", 999, "-f", "collapsed", "-o", path, "-q", *options, "--", *command
            )
            text = ""
            if os.path.exists(path):
                with open(path, encoding="utf-8") as f:
                    text = f.read()
        return done, harness.Recording(text, rate=999)

    def test_a_script_of_100_ms_from_its_first_instruction(self):
        done, recording = self.run_command(any_python(), harness.SCRIPTS / "short.py")
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertEqual(done.stdout, "short.py is done\n")
        brief = recording.count(lambda frames: any(function_of(f) == "brief_work" for f in frames))
        self.assertGreater(brief, 60, "of some 100 samples\n" + recording.describe())
        before = recording.samples - brief
        self.assertGreater(before, 0, "nothing was seen of the interpreter's own start")

    def test_a_command_that_is_killed(self):
        done, _ = self.run_command(
            "sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; kill -TERM $$"
        )
        self.assertEqual(done.returncode, 128 + 15, done.stderr)

    def test_the_native_program_is_whole_from_its_start(self):
        done, recording = self.run_command(harness.TARGETS / "native", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("TRUTH", done.stdout)
        in_main = recording.only(lambda frames: any(function_of(f) == "main" for f in frames))
        self.assertGreater(in_main.samples, 700, recording.describe())
        whole = in_main.count(
            lambda frames: harness.reaches_entry(frames, harness.TARGETS / "native")
        )
        self.assertGreaterEqual(whole / in_main.samples, 0.99, in_main.describe())


if __name__ == "__main__":
    unittest.main()
