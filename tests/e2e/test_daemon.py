# SPDX-License-Identifier: BSD-2-Clause
"""The daemon on the host of the tests: what it finds, counts, keeps and answers."""

import json
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import harness
from daemons import Daemon
from harness import Target, assert_shares, need_ebpf, parse_collapsed, record, wait_until

RATE = 199
Z = 4.5  # standard errors, as in harness.share_bound


def collapsed(daemon, *args, rate=RATE):
    """A report as harness.Recording, of all frames."""
    with tempfile.NamedTemporaryFile() as out:
        daemon.run("report", "--format", "collapsed", "-o", out.name, *args)
        return harness.Recording(pathlib.Path(out.name).read_text(), rate=rate)


@need_ebpf
class Answers(unittest.TestCase):
    def test_shares_of_native_and_python_are_true(self):
        with Daemon("--rate", RATE, window=1) as daemon:
            python = harness.interpreters().get("debian") or sys.executable
            with Target("native") as native, Target("shares.py", python=python) as script:
                daemon.wait_windows(6)
                truths = native.stop()["TRUTH"], script.stop()["TRUTH"]
            daemon.wait_windows(2)
            for target, truth in zip((native, script), truths):
                assert_shares(self, collapsed(daemon, "--pid", target.pid), truth)

    def test_first_sample_is_of_a_whole_stack(self):
        """Nothing was known of the process before; its stacks have to reach the entry point."""
        with Daemon("--rate", RATE, window=1) as daemon:
            with Target("native") as target:
                daemon.wait_windows(2)
            found = collapsed(daemon, "--pid", target.pid, "--no-kernel")
        whole = found.count(
            lambda f: harness.reaches_entry(f, harness.TARGETS / "native")
        )
        self.assertGreater(found.samples, RATE / 2)
        self.assertGreaterEqual(whole, found.samples - 2, found.describe())

    def test_report_agrees_with_record_at_the_same_time(self):
        with Daemon("--rate", RATE, window=1) as daemon, Target("native") as target:
            daemon.wait_windows(1)
            before = time.time()
            recording = record(target.pid, "--socket", "none", rate=RATE, seconds=8)
            daemon.wait_windows(2)
            report = daemon.report(
                "--pid", target.pid, "--since", f"@{before:.2f}", "--until", f"@{time.time():.2f}"
            )
            rows = {row["name"]: row for row in report["rows"]}
            for name in ("share_10", "share_20", "share_30", "share_40"):
                p, n, m = recording.share(name), recording.samples, report["samples"]
                bound = Z * math.sqrt(p * (1 - p) * (1 / n + 1 / m)) + 0.01
                self.assertLessEqual(abs(rows[name]["total"] - p), bound, (name, rows[name], p))
            # As many samples as the CPU time asks for; windows overlap the span at both ends.
            self.assertGreater(report["samples"], 0.75 * recording.samples)
            self.assertLess(report["samples"], 1.6 * recording.samples)

    def test_groupings_filters_and_formats(self):
        with Daemon("--rate", RATE, window=1) as daemon:
            with Target("native") as a, Target("threads") as b:
                daemon.wait_windows(4)
                for by in ("function", "line", "module", "process", "thread", "container"):
                    report = daemon.report("--by", by)
                    self.assertEqual(report["by"], by)
                    self.assertTrue(report["rows"], by)
                    self.assertLessEqual(sum(row["self"] for row in report["rows"]), 1.0001)
                names = {row["name"] for row in daemon.report("--by", "process")["rows"]}
                self.assertIn(f"native ({a.pid})", names)
                self.assertIn(f"threads ({b.pid})", names)
                only = daemon.report("--by", "process", "--comm", "native")["rows"]
                self.assertEqual([row["name"] for row in only], [f"native ({a.pid})"])
                mine = daemon.report("--user", "root", "--by", "process")["rows"]
                self.assertTrue(mine)
                self.assertFalse(daemon.report("--user", "nobody", "--by", "process")["rows"])
                table = daemon.run("report", "--comm", "native").stdout
                self.assertIn("share_40", table)
                csv = daemon.run("report", "--comm", "native", "--format", "csv").stdout
                self.assertIn('"share_40"', csv)
                svg = daemon.run("report", "--format", "flamegraph").stdout
                self.assertIn("<svg", svg)
                self.assertIn("share_40", svg)
            # Without a daemon, from the file alone: the same figures.
            daemon.stop()
            argv = [harness.PROFD, "report", "--store", daemon.store, "--comm", "native"]
            read = subprocess.run(argv, capture_output=True, text=True, timeout=60)
            self.assertIn("share_40", read.stdout, read.stderr)

    def test_threads_are_told_apart_by_name_and_number(self):
        python = harness.interpreters().get("debian") or sys.executable
        with Daemon("--rate", RATE, window=1) as daemon, Target(
            "pythreads.py", python=python
        ) as target:
            daemon.wait_windows(4)
            rows = daemon.report("--by", "thread", "--pid", target.pid)["rows"]
            self.assertGreaterEqual(len(rows), 3, rows)
            whole = daemon.report("--pid", target.pid)["samples"]
            found = set()
            for row in rows[:3]:
                tid = re.search(r"\((\d+)\)$", row["name"]).group(1)
                report = daemon.report("--pid", target.pid, "--thread", tid, "--limit", "0")
                # Windows went on being written meanwhile.
                self.assertGreaterEqual(report["samples"], row["self_samples"])
                colours = {r["name"] for r in report["rows"]} & {
                    "red_work",
                    "green_work",
                    "blue_work",
                }
                self.assertEqual(len(colours), 1, report["rows"])
                found |= colours
            self.assertEqual(len(found), 3)
            name = re.match(r"(?:.* )?(\S+) \(\d+\)$", rows[0]["name"]).group(1)
            by_name = daemon.report("--pid", target.pid, "--thread", name)
            self.assertGreaterEqual(by_name["samples"], whole)

    def test_windows_follow_one_another_without_a_gap(self):
        with Daemon("--rate", RATE, window=1) as daemon, Target("native"):
            daemon.wait_windows(5)
            rows = daemon.query("select start_unix_ns, duration_ns from windows order by id")
            for (start, length), (after, _) in zip(rows, rows[1:]):
                self.assertLess(abs(after - start - length), 5e6, rows)

    def test_ps_and_status(self):
        with Daemon("--rate", RATE, window=1) as daemon, Target("native") as target:
            daemon.wait_windows(3)
            row = [p for p in daemon.ps() if p["pid"] == target.pid][0]
            self.assertEqual(row["comm"], "native")
            self.assertEqual(row["user"], "root")
            self.assertGreater(row["cpus"], 0.2)
            self.assertLess(row["cpus"], 1.3)
            self.assertIn(daemon.pid, [p["pid"] for p in daemon.ps()])
            status = daemon.status()
            self.assertEqual(status["selection"], "whole host")
            self.assertEqual(status["rate_hz"]["requested"], RATE)
            self.assertEqual(status["lost"], 0)
            self.assertIsNone(status["store"]["error"])
            self.assertGreater(status["store"]["bytes"], 0)
            self.assertGreater(status["profiler"]["rss_bytes"], 1 << 20)
            for command in ("ps", "status"):
                self.assertTrue(daemon.run(command).stdout.strip())

    def test_record_through_the_daemon_gives_the_same(self):
        with Daemon("--rate", 19, window=1) as daemon, Target("native") as target:
            through = record(target.pid, "--socket", daemon.socket, rate=499, seconds=4)
            truth = target.stop()["TRUTH"]
            assert_shares(self, through, truth)
            self.assertEqual(through.summary["source"], "ebpf")


@need_ebpf
class ShortLived(unittest.TestCase):
    def test_processes_of_20_ms_are_accounted_for_with_their_function(self):
        with Daemon("--rate", RATE, window=1) as daemon:
            # A name that nothing else on this machine has.
            name = f"burst{os.getpid()}"
            path = shutil.copy(harness.TARGETS / "burst", os.path.join(daemon.folder, name))
            daemon.wait_windows(1)
            used, count = 0.0, 150
            for _ in range(count):
                pid = os.posix_spawn(path, [name, "20"], os.environ)
                usage = os.wait4(pid, 0)[2]
                used += usage.ru_utime + usage.ru_stime
            daemon.wait_windows(2)
            report = daemon.report("--comm", name)
            processes = daemon.report("--comm", name, "--by", "process", "--limit", "0")
            expected = used * RATE
            bound = Z * math.sqrt(expected) + 0.02 * expected
            self.assertLessEqual(abs(report["samples"] - expected), bound, (expected, report))
            rows = {row["name"]: row["total"] for row in report["rows"]}
            self.assertGreater(rows.get("burst_work", 0), 0.85, rows)
            self.assertGreater(len(processes["rows"]), count * 0.8)
            # Nothing of another process: also the first sample of each is on its own account.
            known = (name, "libc.so.6", "ld-linux-x86-64.so.2", "[vdso]")
            strange = [r for r in report["rows"] if r["kind"] == "native" and r["module"] not in known]
            # Samples within execve may have an address of the program before.
            self.assertLess(max((r["total"] for r in strange), default=0), 0.02, strange)

    def test_short_python_scripts_show_python_frames(self):
        code = "def spin(n):\n    return sum(i * i for i in range(n))\nspin(1_500_000)\n"
        python = harness.interpreters().get("debian") or sys.executable
        with Daemon("--rate", RATE, window=1) as daemon:
            daemon.wait_windows(1)
            for _ in range(10):
                subprocess.run([python, "-S", "-E", "-c", code, "short-lived"], check=True)
            daemon.wait_windows(2)
            comm = os.path.basename(python)[:15]
            rows = {r["name"]: r for r in daemon.report("--comm", comm, "--limit", "0")["rows"]}
            self.assertIn("spin", rows, list(rows)[:20])
            self.assertGreater(rows["spin"]["total"], 0.4, rows["spin"])


@need_ebpf
class Control(unittest.TestCase):
    def test_sigterm_writes_the_open_window(self):
        with Daemon("--rate", RATE, window=60) as daemon, Target("native"):
            wait_until(lambda: daemon.status()["processes"] > 0)
            time_in_window = time.monotonic() + 1.0
            wait_until(lambda: time.monotonic() > time_in_window)
            self.assertEqual(daemon.windows(), 0)
            self.assertEqual(daemon.stop(), 0)
            self.assertEqual(daemon.windows(), 1)
            self.assertGreater(daemon.query("select samples from windows")[0][0], RATE / 3)
            self.assertFalse(os.path.exists(daemon.socket))

    def test_reload_changes_rate_and_selection_without_a_gap(self):
        with Daemon(window=1, config="rate = 19\n") as daemon, Target("native"), Target("threads"):
            daemon.wait_windows(1)
            self.assertEqual(daemon.status()["rate_hz"]["current"], 19)
            pathlib.Path(daemon.config_path).write_text(f"rate = {RATE}\nname = native\n")
            daemon.process.send_signal(signal.SIGHUP)
            self.assertTrue(wait_until(lambda: daemon.status()["rate_hz"]["current"] == RATE))
            self.assertIn("native", daemon.status()["selection"])
            since = time.time()
            daemon.wait_windows(3)
            rows = daemon.report("--by", "process", "--since", f"@{since + 1:.2f}")["rows"]
            self.assertEqual({row["name"].split(" ")[0] for row in rows}, {"native"})
            periods = {p for (p,) in daemon.query("select distinct period_ns from windows")}
            self.assertEqual(periods, {10**9 // 19, 10**9 // RATE})
            pathlib.Path(daemon.config_path).write_text("rate = many\n")
            daemon.process.send_signal(signal.SIGHUP)
            self.assertTrue(wait_until(lambda: "stays as it was" in daemon.log()))
            self.assertEqual(daemon.status()["rate_hz"]["current"], RATE)

    def test_pause_and_resume(self):
        with Daemon("--rate", RATE, window=1) as daemon, Target("native") as target:
            daemon.wait_windows(2)
            daemon.run("pause")
            status = daemon.status()
            self.assertTrue(status["paused"])
            before = daemon.status()["samples"], daemon.windows()
            until = time.monotonic() + 2.5
            wait_until(lambda: time.monotonic() > until)
            self.assertEqual((daemon.status()["samples"], daemon.windows()), before)
            daemon.run("resume")
            self.assertFalse(daemon.status()["paused"])
            since = time.time()
            daemon.wait_windows(2)
            self.assertTrue(
                daemon.report("--pid", target.pid, "--since", f"@{since:.2f}")["samples"]
            )

    def test_cost_limit_lowers_the_rate_and_says_so(self):
        with Daemon("--rate", 499, "--max-cpu", 0.05, window=1) as daemon, Target("native"):
            self.assertTrue(
                wait_until(lambda: daemon.status()["rate_hz"]["current"] < 499, 30), daemon.status()
            )
            self.assertIn("max_cpu_percent", " ".join(daemon.status()["notes"]))
            self.assertIn("samples a second instead of", daemon.log())

    def test_selection_by_pid_name_and_user(self):
        with Target("native") as a, Target("threads"):
            for options, config in (
                (["--pid", a.pid], ""),
                (["--name", "native"], ""),
                ([], f"pid = {a.pid}\n"),
            ):
                with Daemon("--rate", RATE, *options, window=1, config=config) as daemon:
                    daemon.wait_windows(2)
                    rows = daemon.report("--by", "process")["rows"]
                    self.assertEqual([r["name"] for r in rows], [f"native ({a.pid})"])
                    self.assertEqual([p["pid"] for p in daemon.ps()], [a.pid])

    def test_service_manager_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            said = []
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.bind(f"{folder}/notify")
                s.settimeout(20)
                reader = threading.Thread(
                    target=lambda: [said.append(s.recv(4096).decode()) for _ in range(3)]
                )
                env = {**os.environ, "NOTIFY_SOCKET": f"{folder}/notify",
                       "WATCHDOG_USEC": "2000000"}
                env.pop("WATCHDOG_PID", None)
                reader.start()
                with Daemon(window=1, env=env):
                    self.assertTrue(wait_until(lambda: "WATCHDOG=1" in "".join(said), 10), said)
                reader.join(20)
            self.assertIn("READY=1", said[0])

    def test_passed_socket_is_used(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/activated.sock"
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(path)
                s.listen()
                script = (
                    "import os, sys\n"
                    "os.dup2(int(sys.argv[1]), 3)\n"
                    "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n"
                    "os.execv(sys.argv[2], ['profd', 'daemon', '--store', sys.argv[3]])\n"
                )
                argv = [sys.executable, "-c", script, str(s.fileno()), str(harness.PROFD),
                        f"{folder}/p.db"]
                daemon = subprocess.Popen(argv, pass_fds=[s.fileno()], stderr=subprocess.DEVNULL,
                                          preexec_fn=harness.die_with_parent)
            try:
                done = subprocess.run([harness.PROFD, "status", "--socket", path, "--json"],
                                      capture_output=True, text=True, timeout=30)
                self.assertEqual(json.loads(done.stdout)["store"]["path"], f"{folder}/p.db",
                                 done.stderr)
            finally:
                daemon.terminate()
                self.assertEqual(daemon.wait(30), 0)
            self.assertTrue(os.path.exists(path), "the manager's socket is not ours to remove")


if __name__ == "__main__":
    unittest.main()
