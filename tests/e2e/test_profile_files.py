# SPDX-License-Identifier: BSD-2-Clause
"""Profile files: what `record -f profd` writes, and what is made of it afterwards, is what a direct recording would have said."""

import contextlib
import json
import os
import pathlib
import pty
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

import harness
from daemons import Daemon
from harness import PROFD, TARGETS, Target, assert_shares, need_ebpf, path_of, wait_until
from test_daemon_users import ALICE, BOB
from test_daemon_users import Case as UsersCase

RATE = 499
QUALITY = re.compile(r'"quality":(\[[^\]]*\])')


def run(command, *args, timeout=90, **more):
    more.setdefault("stdin", subprocess.DEVNULL)
    if "stdout" not in more:
        more.setdefault("capture_output", True)
    return subprocess.run([PROFD, command, *map(str, args)], text=True, timeout=timeout, **more)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name="x.profd"):
        return os.path.join(self.folder, name)

    def keep(self, *args, path=None, rate=RATE, socket="none"):
        """Records into a profile file; what --json said."""
        done = run("record", "--socket", socket, "-r", rate, "-o", path or self.path(), "-f",
                   "profd", "--json", *args)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        summary = json.loads(done.stdout)
        self.assertEqual(summary["format"], "profd")
        self.assertEqual(summary["output_bytes"], os.path.getsize(path or self.path()))
        return summary

    def report(self, *args, path=None):
        done = run("report", "--store", path or self.path(), *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def rows(self, *args, path=None):
        return json.loads(self.report("--format", "json", *args, path=path))

    def stacks(self, *args, path=None, rate=RATE):
        return harness.Recording(self.report("--format", "collapsed", *args, path=path), rate=rate)

    def query(self, sql, path=None):
        with contextlib.closing(
            sqlite3.connect(f"file:{path or self.path()}?mode=ro", uri=True)
        ) as db:
            return db.execute(sql).fetchall()


# ---- what is in a file ---------------------------------------------------------------------------


@need_ebpf
class Contents(Case):
    def test_shares_are_true(self):
        with Target("native") as target:
            summary = self.keep("-p", target.pid, "-d", 4, rate=999)
            truth = target.stop()["TRUTH"]
        stacks = self.stacks(rate=999)
        assert_shares(self, stacks, truth)
        self.assertEqual(stacks.samples, summary["samples"])
        self.assertEqual(self.query("select sum(samples) from windows")[0][0], summary["samples"])
        rows = {row["name"]: row for row in self.rows("--no-kernel")["rows"]}
        for name in ("share_10", "share_20", "share_30", "share_40"):
            self.assertAlmostEqual(rows[name]["total"], stacks.share(name), delta=0.0001)
        # The five rows of the summary are the first of the report.
        first = [row["name"] for row in self.rows("--limit", 5)["rows"]]
        self.assertEqual([row["function"] for row in summary["top"]], first)

    def test_python_functions(self):
        python = harness.interpreters().get("debian") or sys.executable
        with Target("shares.py", python=python) as target:
            self.keep("-p", target.pid, "-d", 4, rate=999)
            truth = target.stop()["TRUTH"]
        truth["parts"].pop("comprehension")
        assert_shares(self, self.stacks(rate=999), truth)
        version = self.query("select python from processes")[0][0]
        self.assertRegex(version, r"^3\.\d+\.\d+")

    def test_it_says_what_it_is(self):
        with Target("native") as target:
            summary = self.keep("-p", target.pid, "-d", 3)
        meta = dict(self.query("select name, value from meta"))
        version = subprocess.run([PROFD, "--version"], capture_output=True, text=True).stdout
        self.assertEqual(meta["kind"], "recording")
        self.assertEqual(meta["title"], f"native ({target.pid})")
        self.assertIn(meta["profd"], version)
        self.assertEqual(meta["source"], "ebpf")
        self.assertEqual(self.query("pragma integrity_check")[0][0], "ok")
        # Windows of about a second follow one another without a gap.
        windows = self.query("select start_unix_ns, duration_ns from windows order by id")
        self.assertGreater(len(windows), 1)
        self.assertLess(len(windows), 5)
        for (start, duration), (following, _) in zip(windows, windows[1:]):
            self.assertAlmostEqual(start + duration, following, delta=20e6)
        self.assertAlmostEqual(
            sum(d for _, d in windows) / 1e9, summary["duration_s"], delta=0.001
        )

    def test_threads_and_processes(self):
        with Target("threads") as target:
            direct = harness.record(target.pid, "--threads", "--socket", "none", seconds=2)
            self.keep("-p", target.pid, "-d", 2, "--threads")
            self.keep("-p", target.pid, "-d", 1, path=self.path("plain.profd"))
        roots = {frames[0] for frames, _ in direct.stacks}
        stacks = self.stacks()
        self.assertEqual({frames[0] for frames, _ in stacks.stacks} - roots, set())
        for color in ("red", "green", "blue"):
            mine = stacks.only(lambda f: re.fullmatch(rf"{color} \(\d+\)", f[0]))
            self.assertGreater(mine.share(f"{color}_work"), 0.5, stacks.describe())
            for foreign in {"red", "green", "blue"} - {color}:
                self.assertEqual(mine.share(f"{foreign}_work"), 0, mine.describe())
        # They are told apart in any file, also where the picture does not.
        plain = self.path("plain.profd")
        self.assertFalse(roots & {f[0] for f, _ in self.stacks(path=plain).stacks})
        threads = {row["name"].split()[0] for row in self.rows("--by", "thread", path=plain)["rows"]}
        self.assertLessEqual({"red", "green", "blue"}, threads)
        processes = self.rows("--by", "process", path=plain)["rows"]
        self.assertEqual([row["name"] for row in processes], [f"threads ({target.pid})"])
        self.assertAlmostEqual(processes[0]["total"], 1)
        red = self.stacks("--thread", "red", path=plain)
        self.assertGreater(red.share("red_work"), 0.5, red.describe())
        self.assertEqual(red.share("blue_work"), 0, red.describe())

    def test_subprocesses_have_roots(self):
        with Target("forking") as target:
            self.keep("-p", target.pid, "-d", 3, "--subprocesses")
        stacks = self.stacks()
        for frames, _ in stacks.stacks:
            self.assertRegex(frames[0], r"^forking \(\d+\)$")
        parent = stacks.only(lambda f: f[0] == f"forking ({target.pid})")
        self.assertGreater(parent.samples, 0)
        for work in ("first_child_work", "second_child_work", "short_child_work"):
            self.assertGreater(stacks.share(work), 0, work)
            self.assertEqual(parent.share(work), 0, work)
        alone = self.stacks("--pid", target.pid)
        self.assertEqual(alone.samples, parent.samples)

    def test_the_parent_alone(self):
        with Target("forking") as target:
            self.keep("-p", target.pid, "-d", 2)
        stacks = self.stacks()
        self.assertGreater(stacks.share("parent_work"), 0.5)
        self.assertEqual(stacks.share("first_child_work"), 0)
        self.assertNotIn("(", stacks.stacks[0][0][0].split(";")[0])

    def test_frames_that_were_left_out(self):
        with Target("chains.py", python=sys.executable) as target:
            self.keep("-p", target.pid, "-d", 1, "--no-native", "--no-kernel")
        stacks = self.stacks()
        self.assertGreater(stacks.samples, 0)
        self.assertEqual(stacks.count(lambda f: not all(map(harness.is_python, f))), 0,
                         stacks.describe())

    def test_the_picture_is_that_of_a_direct_recording(self):
        """Title and every line of its quality say the same, but for the figures of another second."""
        with Target("native") as target:
            self.keep("-p", target.pid, "-d", 2)
            direct = run("record", "--socket", "none", "-q", "-p", target.pid, "-d", 2, "-r", RATE,
                         "-o", self.path("direct.svg"))
        self.assertEqual(direct.returncode, 0, direct.stderr)
        self.report("-o", self.path("kept.svg"))
        lines = []
        for name in ("direct.svg", "kept.svg"):
            text = pathlib.Path(self.path(name)).read_text()
            self.assertIn(f"<title>native ({target.pid})</title>", text)
            quality = json.loads(QUALITY.search(text).group(1))
            lines.append([re.sub(r"[\d.,]+", "#", line).replace("<# %", "# %") for line in quality])
            rate = next(line for line in quality if "Hz per running thread" in line)
            achieved, asked = re.match(r"([\d.]+) of (\d+) Hz", rate).groups()
            self.assertEqual(int(asked), RATE)
            self.assertGreater(float(achieved), 0.5 * RATE, rate)
            self.assertLess(float(achieved), 1.2 * RATE, rate)
        self.assertEqual(lines[0], lines[1])

    def test_played_it_is_the_same(self):
        with Target("threads") as target:
            self.keep("-p", target.pid, "-d", 3)
        done = run("top", "--replay", self.path(), "--once", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        played, report = json.loads(done.stdout), self.rows()
        self.assertEqual(played["samples"], report["samples"])
        totals = {row["name"]: row["total"] for row in report["rows"]}
        for row in played["rows"]:
            self.assertAlmostEqual(row["total"], totals[row["function"]], delta=0.001, msg=row)
            self.assertEqual(row["process"], f"threads ({target.pid})")
        self.assertLessEqual({"red_work", "green_work", "blue_work"}, {row["function"] for row in played["rows"]})

    def test_compared_with_itself_nothing_has_changed(self):
        with Target("native") as target:
            self.keep("-p", target.pid, "-d", 6)
        done = run("diff", self.path(), self.path(), "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["verdict"], "same")
        self.assertIn("in both sides", done.stderr)

    def test_a_part_of_it(self):
        with Target("native") as target:
            self.keep("-p", target.pid, "-d", 4)
        windows = self.query("select start_unix_ns, duration_ns, samples from windows order by id")
        start, duration, samples = windows[1]
        middle = (start + duration / 2) / 1e9
        span = ["--since", f"@{middle - 0.01:.3f}", "--until", f"@{middle + 0.01:.3f}"]
        self.assertEqual(self.rows(*span)["samples"], samples)
        svg = self.report(*span, "--format", "flamegraph")
        # A daemon of the test has no zone of its own, nor has this process: the machine's counts.
        self.assertRegex(svg, rf"<title>native \({target.pid}\), \d{{4}}-\d\d-\d\d [\d:]{{8}} to "
                              r"\d{4}-\d\d-\d\d [\d:]{8} [A-Z+-][A-Z0-9+-]+</title>")


# ---- how a recording ends ----------------------------------------------------------------------------


@need_ebpf
class Ends(Case):
    def test_the_process_ends_midway(self):
        script = "import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass"
        with subprocess.Popen([sys.executable, "-c", script]) as process:
            summary = self.keep("-p", process.pid)
        self.assertEqual(summary["ended"], "exited")
        self.assertEqual(self.rows()["samples"], summary["samples"])
        self.assertGreater(summary["samples"], 0)

    def test_stopped_by_a_signal(self):
        with Target("native") as target:
            process = subprocess.Popen(
                [PROFD, "record", "--socket", "none", "-p", str(target.pid), "-o", self.path(), "--json"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assertIn("sampling", process.stderr.readline())
            before = harness.on_cpu_s(target.pid)
            self.assertTrue(wait_until(lambda: harness.on_cpu_s(target.pid) > before + 0.5))
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, errors)
        summary = json.loads(out)
        self.assertEqual((summary["ended"], summary["format"]), ("stopped", "profd"))
        self.assertGreater(summary["samples"], 10)
        self.assertEqual(self.rows()["samples"], summary["samples"])

    def test_nothing_was_sampled(self):
        with subprocess.Popen(["sleep", "60"]) as process:
            try:
                summary = self.keep("-p", process.pid, "-d", 0.5)
            finally:
                process.kill()
        self.assertEqual(summary["samples"], 0)
        self.assertIn("idle", " ".join(summary["notes"]))
        self.assertEqual(self.rows()["rows"], [])
        self.assertEqual(self.report("--format", "collapsed"), "")
        self.assertIn("<svg", self.report("--format", "flamegraph"))
        done = run("report", "--store", self.path())
        self.assertEqual(done.returncode, 0)
        self.assertIn("no sample", done.stderr)

    def test_a_command_from_its_first_instruction(self):
        script = "import time\ndef work():\n while time.process_time() < 0.7: pass\nwork()"
        done = run("record", "--socket", "none", "-r", RATE, "-o", self.path(), "--", sys.executable, "-c", script)
        self.assertEqual(done.returncode, 0, done.stderr)
        stacks = self.stacks()
        self.assertGreater(stacks.share("work"), 0.5, stacks.describe())
        # The interpreter's own start is there, and nothing of the profd that held the command back.
        self.assertLess(stacks.share("work"), 1)
        processes = self.query("select distinct comm, exe from processes")
        self.assertEqual(len(processes), 1, processes)
        self.assertIn("python", processes[0][1])

    def test_status_of_a_command(self):
        done = run("record", "--socket", "none", "-q", "-o", self.path(), "--", "sh", "-c", "exit 7")
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertEqual(dict(self.query("select name, value from meta"))["kind"], "recording")

    def test_a_process_that_is_not_there(self):
        most = int(pathlib.Path("/proc/sys/kernel/pid_max").read_text())
        done = run("record", "-p", most + 5, "-d", 1, "-o", self.path())
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"no process {most + 5}", done.stderr)
        self.assertEqual(os.listdir(self.folder), [])


# ---- the command line ----------------------------------------------------------------------------------


@need_ebpf
class CommandLine(Case):
    def test_names_and_what_is_said(self):
        with Target("native") as target:
            argv = ["--socket", "none", "-p", target.pid, "-d", 0.3]
            done = run("record", *argv, "-f", "profd", cwd=self.folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            (name,) = os.listdir(self.folder)
            self.assertRegex(name, rf"^profd-native-{target.pid}-\d{{8}}-\d{{6}}\.profd$")
            self.assertIn(f"profd report --store {name}", done.stderr)
            self.assertRegex(done.stderr, r"\d+ samples in")
            # The command that it names works as it stands.
            read = run("report", "--store", name, cwd=self.folder)
            self.assertIn("share_40", read.stdout)
            # The name of a file says what it is.
            done = run("record", *argv, "-q", "-o", self.path("b.PROFD"))
            self.assertEqual(self.query("select value from meta where name = 'kind'", self.path("b.PROFD")),
                             [("recording",)])
            self.assertEqual(done.stderr, "")

    def test_standard_output(self):
        with Target("native") as target:
            with open(self.path(), "wb") as out:
                done = subprocess.run(
                    [PROFD, "record", "--socket", "none", "-q", "-p", str(target.pid), "-d", "0.3", "-f", "profd", "-o", "-"],
                    stdout=out, timeout=60)
            self.assertEqual(done.returncode, 0)
            self.assertGreater(self.rows()["samples"], 0)
            ours, theirs = pty.openpty()
            try:
                done = run("record", "-p", target.pid, "-d", "0.3", "-f", "profd", "-o", "-",
                           stdout=theirs, stderr=subprocess.PIPE)
            finally:
                os.close(theirs)
                os.close(ours)
        self.assertEqual(done.returncode, 2)
        self.assertIn("not for a terminal", done.stderr)

    def test_all_of_a_file_without_a_time(self):
        """Also of one that is older than the hour that the daemon's store is asked about."""
        with Target("native") as target:
            summary = self.keep("-p", target.pid, "-d", 1)
        with contextlib.closing(sqlite3.connect(self.path())) as db:
            db.execute("update windows set start_unix_ns = start_unix_ns - 100 * 86400 * 1000000000")
            db.commit()
        self.assertEqual(self.rows()["samples"], summary["samples"])
        self.assertEqual(self.rows("--since", "1h")["samples"], 0)
        self.assertEqual(self.rows("--until", "1h")["samples"], summary["samples"])

    def test_read_where_nothing_may_be_written(self):
        with Target("native") as target:
            summary = self.keep("-p", target.pid, "-d", 0.5)
        os.chmod(self.path(), 0o444)
        os.chmod(self.folder, 0o555)
        profd = subprocess.run(
            [PROFD, "report", "--store", self.path(), "--format", "json"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        os.chmod(self.folder, 0o755)
        self.assertEqual(profd.returncode, 0, profd.stderr)
        self.assertEqual(json.loads(profd.stdout)["samples"], summary["samples"])
        self.assertEqual(os.listdir(self.folder), ["x.profd"])


# ---- the system's daemon -------------------------------------------------------------------------------


@need_ebpf
class ThroughTheDaemon(UsersCase):
    def test_root_and_a_user(self):
        with Daemon("--rate", 19, window=1) as daemon:
            mine, theirs = self.start(ALICE), self.start(BOB)
            argv = ["-d", "2", "-r", RATE, "-o", "a.profd", "--json"]
            done = self.client(daemon, ALICE, "record", *argv, "-p", mine.pid)
            self.assertEqual(done.returncode, 0, done.stderr)
            summary = json.loads(done.stdout)
            path = pathlib.Path(self.folder, "a.profd")
            self.assertEqual(path.stat().st_uid, ALICE)
            self.assertEqual(summary["source"], "ebpf")
            self.assertGreater(summary["samples"], 50)
            # It is theirs to read, without the daemon.
            read = subprocess.run([self.profd, "report", "--store", path, "--format", "json"],
                                  capture_output=True, text=True, timeout=60,
                                  user=ALICE, group=ALICE, extra_groups=[], cwd=self.folder)
            self.assertEqual(read.returncode, 0, read.stderr)
            report = json.loads(read.stdout)
            self.assertEqual(report["samples"], summary["samples"])
            rows = {row["name"]: row["total"] for row in report["rows"]}
            self.assertAlmostEqual(rows["share_40"], 0.4, delta=0.1)
            # Not of another's, and nothing is left of the attempt; nor through a mix of both.
            path.unlink()
            for pids in (str(theirs.pid), f"{mine.pid},{theirs.pid}", "1"):
                done = self.client(daemon, ALICE, "record", *argv, "-p", pids)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertFalse(path.exists())
            # Root may, of both.
            done = self.client(daemon, 0, "record", *argv, "-p", f"{mine.pid},{theirs.pid}")
            self.assertEqual(done.returncode, 0, done.stderr)
            with contextlib.closing(sqlite3.connect(path)) as db:
                owners = {pid: uid for pid, uid in db.execute("select pid, uid from processes")}
            self.assertEqual(owners, {mine.pid: ALICE, theirs.pid: BOB})

    def test_reports_tell_the_time_in_the_zone_of_the_daemon(self):
        """A worker has no environment of its caller's, but for that."""
        env = dict(os.environ, TZ="XYZ-5")
        with Daemon("--rate", RATE, window=1, env=env) as daemon:
            self.start(ALICE)
            daemon.wait_windows(2)
            title = re.search(r"<title>([^<]*)", daemon.run("report", "--format", "flamegraph").stdout).group(1)
            first = daemon.query("select min(start_unix_ns) from windows")[0][0] // 10**9
        local = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(first + 5 * 3600))
        self.assertRegex(title, rf"^{local} to [\d-]+ [\d:]+ XYZ$")

    def test_a_program_with_other_rights_below_ones_own_is_not_in_the_file(self):
        """Its samples would tell what a set-user-ID program does."""
        other = f"{self.folder}/other"
        subprocess.run(["cp", TARGETS / "deep", other], check=True)
        os.chown(other, BOB, BOB)
        os.chmod(other, 0o4755)
        with Daemon("--rate", 19, window=1) as daemon:
            script = f"{self.target} 60 & {other} 60 20 & wait"
            shell = self.start(ALICE, argv=["sh", "-c", script])
            self.assertTrue(shell.stdout.readline().startswith("READY "))
            self.assertTrue(shell.stdout.readline().startswith("READY "))
            done = self.client(daemon, ALICE, "record", "-p", shell.pid, "--subprocesses", "-d", 2,
                               "-r", RATE, "-o", "a.profd", "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("other rights", " ".join(json.loads(done.stdout)["notes"]))
        with contextlib.closing(sqlite3.connect(f"{self.folder}/a.profd")) as db:
            names = {name for (name,) in db.execute("select comm from processes")}
            functions = {name for (name,) in db.execute("select name from function_names")}
        self.assertIn("native", names)
        self.assertNotIn("other", names)
        self.assertIn("share_40", functions)
        self.assertNotIn("descend", functions)


@need_ebpf
class Daemons(Case):
    def test_a_daemon_does_not_add_to_a_file(self):
        with Target("native") as target:
            self.keep("-p", target.pid, "-d", 0.5)
        before = pathlib.Path(self.path()).read_bytes()
        done = run("daemon", "--store", self.path(), "--socket", self.path("sock"), "--config", "/dev/null")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("is a profile file", done.stderr)
        self.assertEqual(pathlib.Path(self.path()).read_bytes(), before)


# ---- files that are none ---------------------------------------------------------------------------------


@need_ebpf
class Damage(Case):
    def refuse(self, path, *words):
        """Every command says what is wrong, in a line that names the file; and nothing else."""
        whole = self.path("whole.profd")
        for command in (["report", "--store", path],
                        ["report", "--store", path, "--format", "flamegraph"],
                        ["diff", whole, path], ["diff", path, whole],
                        ["top", "--replay", path, "--once"]):
            with self.subTest(command=" ".join(map(str, command))):
                done = run(*command)
                self.assertEqual(done.returncode, 1, done.stdout[:500] + done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertIn(os.path.basename(path), done.stderr)
                for word in words:
                    self.assertIn(word, done.stderr)
                self.assertTrue(done.stderr.startswith("profd: "), done.stderr)
                self.assertNotIn("killed", done.stderr)

    def whole(self):
        with Target("native") as target:
            self.keep("-p", target.pid, "-d", 1, path=self.path("whole.profd"))
        return pathlib.Path(self.path("whole.profd")).read_bytes()

    def test_refused_with_a_reason(self):
        data = self.whole()
        cases = {
            "cut.profd": (data[: len(data) // 2], "damaged"),
            "head.profd": (data[:100], "profd"),
            "empty.profd": (b"", "empty"),
            "text.profd": (b"main;work 12\n" * 100, "not a store of profd"),
            "picture.profd": (b"<svg xmlns='http://www.w3.org/2000/svg'>" * 100, "not a store of profd"),
        }
        for name, (content, word) in cases.items():
            pathlib.Path(self.path(name)).write_bytes(content)
            self.refuse(self.path(name), word)
        with contextlib.closing(sqlite3.connect(self.path("other.profd"))) as db:
            db.execute("create table windows (id)")
            db.commit()
        self.refuse(self.path("other.profd"), "not a store of profd")
        with open(self.path("newer.profd"), "wb") as f:
            f.write(data)
        with contextlib.closing(sqlite3.connect(self.path("newer.profd"))) as db:
            db.execute("pragma user_version = 99")
        self.refuse(self.path("newer.profd"), "version 99", "newer profd")
        self.refuse(self.path("missing.profd"), "o such file")

    def test_flipped_bits(self):
        """An error or an answer: never a crash, a hang, or words of memory that is none of its own."""
        data, chance, refused = self.whole(), random.Random(7), 0
        path = self.path("flipped.profd")
        for _ in range(40):
            copy = bytearray(data)
            for _ in range(1 + chance.randrange(60)):
                copy[chance.randrange(len(copy))] ^= 1 << chance.randrange(8)
            pathlib.Path(path).write_bytes(copy)
            done = run("report", "--store", path, "--format", "json")
            self.assertIn(done.returncode, (0, 1), done.stderr)
            self.assertNotIn("killed", done.stderr)
            if done.returncode:
                refused += 1
                self.assertIn("flipped.profd", done.stderr)
            else:
                json.loads(done.stdout)
        self.assertGreater(refused, 10)


if __name__ == "__main__":
    unittest.main()
