# SPDX-License-Identifier: BSD-2-Clause
"""Profiles programs that know where their time goes, and compares: shares, call chains, whole
stacks.

A share has to lie within harness.share_bound() of the target's own account (4.5 standard errors of
as many independent samples as the bursts of the target allow, plus half a percent for the clock
calls between bursts). Call chains are compared one by one, with nothing allowed to be wrong.
"""

import ast
import os
import re
import subprocess
import unittest

import harness
from harness import (
    Target,
    assert_shares,
    ends_with,
    function_of,
    need_ebpf,
    path_of,
    python_frames,
    record,
)

WHOLE = 0.99  # of the user stacks have to reach the entry point


class Truth(unittest.TestCase):
    def assert_whole(self, recording, executable, roots=0):
        self.assertGreater(recording.samples, 0, "no samples")
        whole = recording.count(lambda frames: harness.reaches_entry(frames, executable, roots))
        broken = recording.only(lambda frames: not harness.reaches_entry(frames, executable, roots))
        self.assertGreaterEqual(
            whole / recording.samples,
            WHOLE,
            f"of {recording.samples} stacks {whole} are whole\n" + broken.describe(),
        )

    def assert_all(self, recording, condition, why, allowed=0.0):
        wrong = recording.only(lambda frames: not condition(frames))
        self.assertLessEqual(
            wrong.samples,
            allowed * recording.samples,
            f"{wrong.samples} of {recording.samples}: {why}\n" + wrong.describe(),
        )

    def assert_rate(self, recording):
        """As many samples as the target's CPU time asks for, less what ran before and after."""
        expected = recording.rate * recording.cpu_s
        self.assertGreater(recording.samples, 0.75 * expected, f"of {expected:.0f} samples")
        self.assertLess(recording.samples, 1.1 * expected, f"of {expected:.0f} samples")

    def having(self, recording, name):
        part = recording.only(lambda frames: name in path_of(frames))
        self.assertGreater(part.samples, 0, f"{name} is in no stack\n" + recording.describe())
        return part


@need_ebpf
class Native(Truth):
    def profile(self, name, *args, rate=999, seconds=3, options=()):
        with Target(name, *args) as target:
            recording = record(target.pid, *options, rate=rate, seconds=seconds)
            truth = target.stop()
        return recording, truth

    def test_shares_without_frame_pointers(self):
        recording, truth = self.profile("native")
        assert_shares(self, recording, truth["TRUTH"])
        self.assert_whole(recording, harness.TARGETS / "native")
        for name in ("share_10", "share_20", "share_30", "share_40"):
            self.assert_all(
                self.having(recording, name),
                lambda f: ends_with(f, "main", "work", name),
                "wrong callers",
            )

    def test_shares_at_4999_hz(self):
        recording, truth = self.profile("native", rate=4999)
        assert_shares(self, recording, truth["TRUTH"])
        self.assert_whole(recording, harness.TARGETS / "native")

    def test_a_stripped_program(self):
        recording, truth = self.profile("stripped")
        self.assert_whole(recording, harness.TARGETS / "stripped")
        table = subprocess.run(
            ["nm", "-S", harness.TARGETS / "native"], capture_output=True, text=True, check=True
        ).stdout
        ranges = {}
        for line in table.splitlines():
            fields = line.split()
            if len(fields) == 4:
                ranges[fields[3]] = (int(fields[0], 16), int(fields[0], 16) + int(fields[1], 16))

        def inside(frame, name):
            match = re.match(r"^\[stripped\+0x([0-9a-f]+)\]$", frame)
            return bool(match) and ranges[name][0] <= int(match.group(1), 16) < ranges[name][1]

        for part, account in truth["TRUTH"]["parts"].items():
            measured = (
                recording.count(lambda frames: any(inside(f, part) for f in frames))
                / recording.samples
            )
            self.assertAlmostEqual(
                measured, account["ns"] / truth["TRUTH"]["cpu_ns"], delta=0.06, msg=part
            )

    def test_cpp_names(self):
        recording, truth = self.profile("mangled")
        assert_shares(self, recording, truth["TRUTH"])
        self.assert_whole(recording, harness.TARGETS / "mangled")

    def test_threads_apart(self):
        recording, truth = self.profile("threads", options=["--threads"], seconds=4)
        self.assert_whole(recording, harness.TARGETS / "threads", roots=1)
        total = sum(t["cpu_ns"] for t in truth.values())
        for color in ("red", "green", "blue"):
            mine = recording.only(lambda frames: re.fullmatch(rf"{color} \(\d+\)", frames[0]))
            foreign = {f"{c}_work" for c in ("red", "green", "blue") if c != color}
            self.assert_all(
                mine,
                lambda frames: not foreign & set(path_of(frames)),
                f"another thread's work in {color}",
            )
            self.assertGreater(mine.share(f"{color}_work"), 0.8, mine.describe())
            self.assertAlmostEqual(
                mine.samples / recording.samples,
                truth[f"TRUTH-{color}"]["cpu_ns"] / total,
                delta=0.06,
                msg=color,
            )

    def test_signal_handler(self):
        recording, truth = self.profile("signals")
        del truth["TRUTH"]["parts"]["interrupted_work"]  # it lies below the handler as well
        assert_shares(self, recording, truth["TRUTH"])
        self.assert_whole(recording, harness.TARGETS / "signals")

        def chain(frames):
            path = path_of(frames)
            at = path.index("on_tick")
            return path[at + 1] == "handler_work" and path[at - 2] in ("interrupted_work", "main")

        self.assert_all(
            self.having(recording, "handler_work"),
            chain,
            "wrong frames below the handler",
            allowed=0.01,
        )

    def test_callback_of_qsort(self):
        recording, truth = self.profile("sorting")
        assert_shares(self, recording, truth["TRUTH"])
        self.assert_whole(recording, harness.TARGETS / "sorting")
        self.assertGreater(recording.share("compare_slowly"), 0.9)

        def called_by_libc(frames):
            path = path_of(frames)
            at = path.index("compare_slowly")
            return {"sort_records", "search_records"} & set(path[: at - 1]) and "main" in path

        self.assert_all(
            self.having(recording, "compare_slowly"), called_by_libc, "wrong callers", allowed=0.001
        )

    def test_deep_recursion(self):
        recording, _ = self.profile("deep", 250)
        self.assert_whole(recording, harness.TARGETS / "deep")
        self.assert_all(
            self.having(recording, "bottom"),
            lambda f: path_of(f).count("descend") == 250,
            "not 250 deep",
        )

    def test_recursion_beyond_the_limit_is_said(self):
        recording, _ = self.profile("deep", 3000, seconds=2)
        bottom = self.having(recording, "bottom")
        self.assert_all(
            bottom, lambda f: path_of(f).count("descend") > 500, "less than 500 frames kept"
        )
        self.assert_all(
            bottom, lambda f: any("truncated" in frame for frame in f), "cut, and not said so"
        )
        self.assertGreaterEqual(recording.summary["truncated"], bottom.samples)

    def test_hard_frames(self):
        recording, truth = self.profile("realign")
        assert_shares(self, recording, truth["TRUTH"])
        self.assert_whole(recording, harness.TARGETS / "realign")
        for caller, leaf in (
            ("with_alloca", "leaf_alloca"),
            ("with_realign", "leaf_realign"),
            ("with_both", "leaf_both"),
            ("with_noreturn", "never_returns"),
        ):
            self.assert_all(
                self.having(recording, leaf),
                lambda f: ends_with(f, "main", "work", caller, leaf) or path_of(f)[-1] != leaf,
                f"wrong callers of {leaf}",
            )

    def test_a_library_loaded_later(self):
        recording, _ = self.profile("late", harness.TARGETS / "liblate.so", seconds=4)
        self.assert_whole(recording, harness.TARGETS / "late")
        late = self.having(recording, "late_work")
        self.assertGreater(late.samples / recording.samples, 0.15)
        self.assert_all(
            late, lambda f: path_of(f)[path_of(f).index("late_work") - 1] == "main", "wrong caller"
        )
        self.assertAlmostEqual(late.share("called_back"), 0.5, delta=0.1)
        self.assert_all(
            recording,
            lambda f: not any("liblate" in frame for frame in f),
            "no symbol",
            allowed=0.001,
        )

    def test_code_made_at_run_time(self):
        recording, truth = self.profile("jit")
        self.assert_whole(recording, harness.TARGETS / "jit")
        shares = {
            part: a["ns"] / truth["TRUTH"]["cpu_ns"] for part, a in truth["TRUTH"]["parts"].items()
        }
        loop = recording.count(lambda f: any(x == "jitted_loop_[j]" for x in f)) / recording.samples
        odd = (
            recording.count(lambda f: any(re.fullmatch(r"jitted.odd name_\[j\]", x) for x in f))
            / recording.samples
        )
        self.assertAlmostEqual(loop, shares["jitted_loop"], delta=0.05, msg=recording.describe())
        self.assertAlmostEqual(odd, shares["odd_name"], delta=0.05, msg=recording.describe())
        self.assert_all(
            self.having(recording, "jitted_loop"),
            lambda f: ends_with(f, "main", "around_jit", "jitted_loop"),
            "wrong callers",
            allowed=0.01,
        )


@need_ebpf
class Processes(Truth):
    WORK = ("parent_work", "first_child_work", "second_child_work", "short_child_work")

    def test_subprocesses_have_roots(self):
        with Target("forking") as target:
            recording = record(target.pid, "--subprocesses", seconds=4)
            target.stop()
        self.assert_whole(recording, harness.TARGETS / "forking", roots=1)
        seen = {}
        for frames, n in recording.stacks:
            self.assertRegex(frames[0], r"^forking \(\d+\)$")
            for work in set(self.WORK) & set(path_of(frames)):
                seen.setdefault(frames[0], {}).setdefault(work, 0)
                seen[frames[0]][work] += n
        for root, work in seen.items():
            self.assertEqual(len(work), 1, f"{root} ran the work of two processes: {work}")
        by_work = {
            w: sum(n for s in seen.values() for x, n in s.items() if x == w) for w in self.WORK
        }
        self.assertEqual(seen[f"forking ({target.pid})"].keys(), {"parent_work"})
        # 200 : 400 : 600 units a turn, with equal pauses: the order holds, whatever the machine
        # does beside.
        self.assertGreater(by_work["second_child_work"], by_work["first_child_work"])
        self.assertGreater(by_work["first_child_work"], by_work["parent_work"])
        shorts = [root for root, work in seen.items() if "short_child_work" in work]
        self.assertGreaterEqual(len(shorts), 10, "children of 20 ms were missed")

    def test_the_parent_alone(self):
        with Target("forking") as target:
            recording = record(target.pid, seconds=2)
            target.stop()
        self.assert_whole(recording, harness.TARGETS / "forking")
        self.having(recording, "parent_work")
        for work in self.WORK[1:]:
            self.assertEqual(
                recording.share(work), 0, f"{work} belongs to a child\n" + recording.describe()
            )

    def test_several_pids(self):
        with Target("native") as one, Target("deep", 20) as two:
            recording = record(f"{one.pid},{two.pid}", seconds=2)
        roots = {frames[0] for frames, _ in recording.stacks}
        self.assertEqual(roots, {f"native ({one.pid})", f"deep ({two.pid})"})
        self.assert_all(
            recording, lambda f: ("descend" in path_of(f)) <= f[0].startswith("deep "), "mixed up"
        )


# Who may call whom in chains.py. Stop.__bool__ is what `while not stop` calls.
CALLERS = {"main": "<module>", "Stop.__bool__": "main"}
for _chain in (
    ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"],
    ["b1", "b2"],
    ["c1", "c2", "c3", "c4"],
    ["d1", "d_generator", "d3"],
    ["e1", "e_key", "e3"],
    ["Walker.f1", "Walker.f2", "Walker.f3"],
):
    for _caller, _callee in zip(["main"] + _chain, _chain):
        CALLERS[_callee] = _caller


def call_lines(path):
    """{function: (its first line, its last line, {name called in it: lines of these calls})} by
    the source."""
    found = {}

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                visit(child, prefix + child.name + ".")
            elif isinstance(child, ast.FunctionDef):
                calls = {}
                for call in ast.walk(child):
                    if isinstance(call, ast.Call):
                        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
                        calls.setdefault(name, set()).add(call.lineno)
                found[prefix + child.name] = (child.lineno, child.end_lineno, calls)
                visit(child, prefix + child.name + ".")

    with open(path, encoding="utf-8") as f:
        visit(ast.parse(f.read()), "")
    return found


@need_ebpf
class PythonBase(Truth):
    """The tests of every interpreter; a class below for each of them."""

    version = None

    def setUp(self):
        if self.version is None:
            raise unittest.SkipTest("the tests of this class run in its heirs")
        self.python = harness.need_python(self.version)

    def profile(self, script, *args, rate=999, seconds=3, options=()):
        with Target(script, *args, python=self.python) as target:
            recording = record(target.pid, *options, rate=rate, seconds=seconds)
            truth = target.stop()
        return recording, truth

    def assert_merged(self, recording):
        """No eval-loop frame is left beside the Python frames that it stands for. One alone may be
        left: the innermost, where a sample hits the loop between entering it and linking the
        Python frame, or between unlinking the frame and leaving the loop (some nanoseconds for
        each call from C, here below 3 % of the samples)."""

        def is_loop(frame):
            return function_of(frame).startswith("_PyEval_EvalFrame")

        def innermost_alone(frames):
            loops = [i for i, f in enumerate(frames) if is_loop(f)]
            return not loops or (
                len(loops) == 1 and not any(harness.is_python(f) for f in frames[loops[0] :])
            )

        self.assert_all(
            recording, innermost_alone, "an eval-loop frame is left beside its Python frames"
        )
        self.assert_all(
            recording,
            lambda frames: not any(map(is_loop, frames)),
            "eval-loop frames are left",
            allowed=0.03,
        )

    def assert_possible(self, recording):
        lines = call_lines(harness.SCRIPTS / "chains.py")

        def possible(frames):
            python = python_frames(frames)
            names = [name for name, _, _ in python]
            if names[:2] != ["<module>", "main"]:
                return False
            return all(CALLERS.get(name) == caller for caller, name in zip(names, names[1:]))

        def on_right_line(frames):
            python = [
                p for p in python_frames(frames) if p[0] in lines and p[1].endswith("chains.py")
            ]
            for at, (name, _, line) in enumerate(python):
                first, last, calls = lines[name]
                callee = python[at + 1][0].split(".")[-1] if at + 1 < len(python) else None
                if not first <= line <= last:
                    return False
                if callee in calls and line != first and line not in calls[callee]:
                    return False
            return True

        self.assert_all(recording, possible, "impossible Python stacks")
        self.assert_all(recording, on_right_line, "frames on lines that do not call the next one")

    def test_shares(self):
        recording, truth = self.profile("shares.py", seconds=4)
        parts = truth["TRUTH"]["parts"]
        comprehension = parts.pop("comprehension")
        assert_shares(self, recording, truth["TRUTH"])
        self.assertAlmostEqual(
            recording.share("comprehension"),
            comprehension["ns"] / truth["TRUTH"]["cpu_ns"],
            delta=0.05,
        )
        self.assert_whole(recording, self.python)
        self.assert_merged(recording)
        chains = {
            "generator": ["main", "consume_generator", "generator"],
            "make_closure.<locals>.closure.<locals>.inner": [
                "main",
                "make_closure.<locals>.closure",
                "make_closure.<locals>.closure.<locals>.inner",
            ],
            "key_function": ["main", "sort_with_key", "key_function"],
            "reducer": ["main", "reduce_with", "reducer"],
            "Worker.method": ["main", "Worker.method"],
        }
        for name, chain in chains.items():
            self.assert_all(
                self.having(recording, name),
                lambda f: [n for n, _, _ in python_frames(f)] == ["<module>"] + chain,
                f"wrong callers of {name}",
            )

    def test_chains_at_999_hz(self):
        recording, _ = self.profile("chains.py")
        self.assert_rate(recording)
        self.assert_possible(recording)
        self.assert_whole(recording, self.python)
        self.assert_merged(recording)

    def test_chains_at_4999_hz(self):
        recording, _ = self.profile("chains.py", rate=4999)
        self.assert_rate(recording)
        self.assert_possible(recording)
        self.assert_whole(recording, self.python)
        self.assert_merged(recording)

    def test_threads_apart(self):
        recording, truth = self.profile("pythreads.py", options=["--threads"], seconds=4)
        self.assert_whole(recording, self.python, roots=1)
        work = {"red_work", "green_work", "blue_work"}
        owner = {}
        for frames, _ in recording.stacks:
            self.assertRegex(frames[0], r" \(\d+\)$")
            for name in work & set(path_of(frames)):
                self.assertEqual(
                    owner.setdefault(frames[0], name),
                    name,
                    f"{frames[0]} ran the work of two threads",
                )
        self.assertEqual(set(owner.values()), work)
        total = sum(t["cpu_ns"] for t in truth.values())
        for root, name in owner.items():
            mine = recording.count(lambda f: f[0] == root) / recording.samples
            self.assertAlmostEqual(
                mine, truth[f"TRUTH-{name.split('_')[0]}"]["cpu_ns"] / total, delta=0.07, msg=name
            )

    def test_native_work_below_python(self):
        recording, truth = self.profile("pynative.py", harness.TARGETS / "libburn.so", seconds=4)
        assert_shares(self, recording, truth["TRUTH"])
        self.assert_whole(recording, self.python)
        self.assert_merged(recording)

        def between(frames, caller, callee):
            path = path_of(frames)
            return caller in path[: path.index(callee)]

        self.assert_all(
            self.having(recording, "burn_native"),
            lambda f: between(f, "call_native", "burn_native"),
            "not above its Python caller",
        )
        callback = self.having(recording, "python_callback")
        self.assert_all(
            callback,
            lambda f: between(f, "call_through", "burn_through")
            and between(f, "burn_through", "python_callback"),
            "not above the native caller",
        )
        hashing = self.having(recording, "hash_block")
        native = hashing.count(
            lambda f: "libcrypto" in f[-1] or not harness.is_python(harness.user_frames(f)[-1])
        )
        self.assertGreater(
            native / hashing.samples,
            0.9,
            "no native frames above hash_block\n" + hashing.describe(),
        )

    def test_forked_workers(self):
        recording, truth = self.profile("pyfork.py", options=["--subprocesses"])
        self.assert_whole(recording, self.python, roots=1)
        for work in ("first_work", "second_work"):
            part = self.having(recording, work)
            self.assertEqual(len({f[0] for f, _ in part.stacks}), 1, f"{work} ran in two processes")
        first, second = (truth[f"TRUTH-{x}"]["cpu_ns"] for x in ("first", "second"))
        measured = recording.share("first_work") / (
            recording.share("first_work") + recording.share("second_work")
        )
        self.assertAlmostEqual(measured, first / (first + second), delta=0.07)

    def test_python_frames_alone(self):
        recording, _ = self.profile("chains.py", options=["--no-native", "--no-kernel"], seconds=2)
        self.assert_all(
            recording, lambda f: all(harness.is_python(x) for x in f), "other frames are there"
        )
        self.assert_possible(recording)


class Python311(PythonBase):
    version = "3.11"


class Python312(PythonBase):
    version = "3.12"


class Python313(PythonBase):
    version = "3.13"


class PythonDebian(PythonBase):
    """/usr/bin/python3: static, stripped, no frame pointers."""

    version = "debian"

    def setUp(self):
        super().setUp()
        sections = subprocess.run(
            ["readelf", "-SW", self.python], capture_output=True, text=True
        ).stdout
        if os.path.basename(self.python).startswith("python") and ".symtab" in sections:
            raise unittest.SkipTest(f"{self.python} is not stripped")


def load_tests(loader, tests, pattern):
    """Without PythonBase itself, which has no interpreter."""
    suite = unittest.TestSuite()
    for case in (Native, Processes, Python311, Python312, Python313, PythonDebian):
        suite.addTests(loader.loadTestsFromTestCase(case))
    return suite


if __name__ == "__main__":
    unittest.main()
