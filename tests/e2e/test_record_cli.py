# SPDX-License-Identifier: BSD-2-Clause
"""profd record as it is typed: wrong usage, bad targets, unwritable output, signals, commands, what is printed.

Nothing here waits for a time: every wait is for a condition, with a deadline that only a failure reaches.
"""
import ctypes
import errno
import fcntl
import json
import os
import pathlib
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

import harness
from harness import need_ebpf, wait_until

PROFD = str(harness.PROFD.resolve())
DEADLINE_S = 30
NOBODY = 65534
BUSY = "while True: pass"
PR_SET_NAME = 15


def run(*args, timeout=DEADLINE_S, **more):
    """profd with the arguments; a CompletedProcess with text."""
    more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([PROFD, *map(str, args)], capture_output="stdout" not in more, text=True, timeout=timeout, **more)


def children_of(pid):
    """{pid: command name} of its living children."""
    found = {}
    try:
        pids = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return found
    for child in map(int, pids):
        try:
            if state_of(child) != "Z":
                found[child] = pathlib.Path(f"/proc/{child}/comm").read_text().strip()
        except OSError:
            pass
    return found


def state_of(pid):
    """R, S, T, Z, ... or None where there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def is_gone(pid):
    return state_of(pid) in (None, "Z")


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o777)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start_python(self, code, *args, ready=True, **more):
        """A Python process that runs `code`; waits for its first line unless `ready` is false."""
        more.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen([sys.executable, "-c", ("print('ready', flush=True)\n" if ready else "") + code, *args],
                                   stdout=subprocess.PIPE, text=True, **more)
        self.addCleanup(self.end, process)
        if ready:
            self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def busy(self):
        return self.start_python(BUSY)

    def start_record(self, *args, **more):
        """profd record in the background, its stderr in a file that said() reads."""
        log = tempfile.TemporaryFile()
        self.addCleanup(log.close)
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        process = subprocess.Popen([PROFD, "record", *map(str, args)], stderr=log, text=True, cwd=self.folder, **more)
        process.log = log
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()

    def said(self, process):
        size = os.fstat(process.log.fileno()).st_size
        return os.pread(process.log.fileno(), size, 0).decode()

    def wait_said(self, process, words):
        wait_until(lambda: words in self.said(process) or process.poll() is not None, DEADLINE_S)
        self.assertIn(words, self.said(process))

    def engine_of(self, process):
        """PID of the private daemon."""
        def find():
            return [pid for pid, comm in children_of(process.pid).items() if comm == "profd-engine"]
        self.assertTrue(wait_until(lambda: find() or process.poll() is not None, DEADLINE_S))
        self.assertTrue(find(), f"no engine: {self.said(process)}")
        return find()[0]

    def files(self):
        return sorted(os.listdir(self.folder))

    def assert_refused(self, done, status, *words):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertTrue(done.stderr.startswith("profd: "), done.stderr)
        self.assertNotIn("Traceback", done.stderr)


# ---- usage -------------------------------------------------------------------------------------------


class Usage(Case):
    def test_alone_it_teaches(self):
        done = run()
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stdout, "")
        self.assertIn("profd record --pid", done.stderr)

    def test_help(self):
        overview = run("--help")
        self.assertEqual((overview.returncode, overview.stderr), (0, ""))
        self.assertEqual(run("help").stdout, overview.stdout)
        for words in (("help", "record"), ("record", "--help"), ("record", "-h"), ("record", "-p", "1", "--help")):
            done = run(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for part in ("For example:", "profd record --pid", "--duration", "--subprocesses", "Exit status"):
                self.assertIn(part, done.stdout)

    def test_version(self):
        done = run("--version")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout, f"profd {(harness.TOP / 'VERSION').read_text().strip()}\n")

    def test_help_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            self.assertEqual(run("--help", stdout=full, stderr=subprocess.DEVNULL).returncode, 1)

    def test_wrong_usage(self):
        for words, expected in (
                ("recrod", "did you mean 'record'"),
                ("help nosuch", "no command 'nosuch'"),
                ("record", "--pid"),
                ("record --pid", "needs a value"),
                ("record --pid abc", "'abc' is not a process ID"),
                ("record --pid 12x", "'12x' is not a process ID"),
                ("record --pid 0", "start at 1"),
                ("record --pid -5", "'-5' is not a process ID"),
                ("record --pid 1,,2", "empty process ID"),
                ("record --pid 99999999999999", "too large"),
                ("record --pid 1 --rate 0", "1 to 20000"),
                ("record --pid 1 --rate -99", "1 to 20000"),
                ("record --pid 1 --rate 1000000000", "1 to 20000"),
                ("record --pid 1 --rate often", "whole number"),
                ("record --pid 1 --duration 0", "out of range"),
                ("record --pid 1 --duration -1", "out of range"),
                ("record --pid 1 --duration nan", "not a number"),
                ("record --pid 1 --duration inf", "not a number"),
                ("record --pid 1 --duration soon", "not a number"),
                ("record --pid 1 --format png", "flamegraph, collapsed"),
                ("record --pid 1 --source magic", "auto, ebpf"),
                ("record --pid 1 --durtion 5", "did you mean '--duration'"),
                ("record --pid 1 --json -o -", "standard output"),
                ("record --pid 1 -- true", "both"),
                ("record --", "no command"),
                ("record true", "-- true"),
                ("record 4711", "--pid 4711")):
            with self.subTest(words):
                done = run(*words.split(), cwd=self.folder)
                self.assert_refused(done, 2, expected, "profd help")
        self.assertEqual(self.files(), [])

    def test_hostile_arguments_are_harmless(self):
        done = run("record", "--pid", "\033]0;owned\a\033[31m")
        self.assert_refused(done, 2)
        self.assertNotIn("\033", done.stderr)
        self.assertNotIn("\a", done.stderr)


# ---- output that cannot be written: found before anything is sampled ----------------------------------


class Output(Case):
    def refuse(self, name, *words, **more):
        """PID 1 is there and is never touched: the error is about the output, so it was found first."""
        done = run("record", "--pid", "1", "-d", "3600", "-o", name, cwd=self.folder, **more)
        self.assert_refused(done, 1, *words)

    def test_a_folder(self):
        os.mkdir(self.path("sub"))
        self.refuse("sub", "sub is a folder", "sub/profile.svg")
        self.refuse("sub/", "is a folder")
        self.refuse(".", "is a folder")
        self.assertEqual(os.listdir(self.path("sub")), [])

    def test_a_missing_folder(self):
        self.refuse("missing/x.svg", "missing/x.svg", "create the folder first")
        self.assertEqual(self.files(), [])

    def test_a_file_as_folder(self):
        pathlib.Path(self.path("file")).write_text("x")
        self.refuse("file/x.svg", "file/x.svg")

    def test_a_name_too_long(self):
        self.refuse("n" * 300, "shorter")

    @unittest.skipIf(os.geteuid() != 0, "needs root in order to become another user")
    def test_no_permission(self):
        os.mkdir(self.path("closed"), 0o755)
        pathlib.Path(self.path("closed/old.svg")).write_text("old")
        self.refuse("closed/x.svg", "Permission denied", "--output", user=NOBODY, group=NOBODY, extra_groups=[])
        self.refuse("closed/old.svg", "Permission denied", user=NOBODY, group=NOBODY, extra_groups=[])
        self.assertEqual(os.listdir(self.path("closed")), ["old.svg"])

    @unittest.skipIf(not os.path.isdir("/proc/sys"), "no /proc")
    def test_a_file_system_without_files(self):
        self.refuse("/proc/x.svg", "cannot write /proc/x.svg")


@need_ebpf
class FullDisk(Case):
    def test_disk_full_while_writing(self):
        """A file system of 8 KiB in a mount namespace of its own: the profile does not fit."""
        if not shutil.which("unshare"):
            self.skipTest("unshare is missing")
        os.mkdir(self.path("full"))
        script = ('mount -t tmpfs -o size=8k none full || exit 77; echo old > full/old.svg; '
                  '"$0" record --pid "$1" -d 0.3 -o full/old.svg; echo "status $?"; ls -A full; cat full/old.svg')
        done = subprocess.run(["unshare", "-m", "--propagation", "unchanged", "sh", "-c", script, PROFD, str(self.busy().pid)], cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S)
        if done.returncode in (1, 77) and "status" not in done.stdout:
            self.skipTest(f"cannot mount a small file system: {done.stderr.strip()[:200]}")
        self.assertEqual(done.stdout, "status 1\nold.svg\nold\n", done.stderr)
        self.assertIn("No space left", done.stderr)
        self.assertIn("free some space", done.stderr)

    def test_full_device(self):
        done = run("record", "--pid", self.busy().pid, "-d", "0.3", "-o", "/dev/full", cwd=self.folder)
        self.assert_refused(done, 1, "/dev/full", "No space left")

    def test_file_size_limit(self):
        pathlib.Path(self.path("old.svg")).write_text("old")
        done = run("record", "--pid", self.busy().pid, "-d", "0.3", "-o", "old.svg", cwd=self.folder,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
        self.assert_refused(done, 1, "File too large", "old.svg")
        self.assertEqual(self.files(), ["old.svg"])
        self.assertEqual(pathlib.Path(self.path("old.svg")).read_text(), "old")


# ---- targets that cannot be profiled -------------------------------------------------------------------


def forbid_bpf():
    """Makes the system call bpf() fail as on a kernel that has none: seccomp(2), a classic BPF filter on its number."""
    number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    rows = ((0x20, 0, 0, 0),                                  # load the number of the system call
            (0x15, 0, 1, number),                             # another one: skip the next row
            (0x06, 0, 0, 0x00050000 | errno.ENOSYS),          # SECCOMP_RET_ERRNO
            (0x06, 0, 0, 0x7FFF0000))                         # SECCOMP_RET_ALLOW
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
    program = struct.pack("HxxxxxxP", len(rows), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.c_char_p(program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


class BadTargets(Case):
    def refuse(self, pid, *words, **more):
        pathlib.Path(self.path("old.svg")).write_text("old")
        os.chmod(self.path("old.svg"), 0o666)
        done = run("record", "--pid", pid, "-d", "3600", "-o", "old.svg", cwd=self.folder, **more)
        self.assert_refused(done, 1, *words)
        self.assertEqual(self.files(), ["old.svg"])
        self.assertEqual(pathlib.Path(self.path("old.svg")).read_text(), "old")

    @need_ebpf
    def test_no_such_process(self):
        most = int(pathlib.Path("/proc/sys/kernel/pid_max").read_text())
        self.refuse(most + 5, f"no process {most + 5}")

    @need_ebpf
    def test_one_of_several_is_missing(self):
        most = int(pathlib.Path("/proc/sys/kernel/pid_max").read_text())
        self.refuse(f"{self.busy().pid},{most + 5}", f"no process {most + 5}")

    @need_ebpf
    def test_zombie(self):
        process = self.start_python("pass")
        self.assertTrue(wait_until(lambda: state_of(process.pid) == "Z", DEADLINE_S))
        self.refuse(process.pid, str(process.pid), "ended already", f"parent {os.getpid()}")

    @need_ebpf
    def test_kernel_thread(self):
        PF_KTHREAD = 0x00200000
        for entry in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
            try:
                fields = pathlib.Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[6]) & PF_KTHREAD:
                self.refuse(entry, "kernel thread")
                return
        self.skipTest("no kernel thread is seen here (a PID namespace)")

    @unittest.skipIf(os.geteuid() != 0, "needs root in order to become another user")
    def test_no_permission(self):
        def readable():  # the binary may lie in a folder that others cannot enter
            return subprocess.run([PROFD, "--version"], user=NOBODY, group=NOBODY, extra_groups=[],
                                  capture_output=True).returncode == 0
        try:
            if not readable():
                self.skipTest("another user cannot run the binary where it lies")
        except PermissionError:
            self.skipTest("another user cannot run the binary where it lies")
        self.refuse(self.busy().pid, "root", "CAP_", user=NOBODY, group=NOBODY, extra_groups=[])

    @need_ebpf
    def test_no_bpf(self):
        try:
            subprocess.run(["true"], preexec_fn=forbid_bpf, check=True)
        except (subprocess.SubprocessError, KeyError):
            self.skipTest("seccomp filters are not to be had here")
        self.refuse(self.busy().pid, "BPF", preexec_fn=forbid_bpf)

    @need_ebpf
    def test_process_ends_midway(self):
        """What was gathered is written."""
        process = self.start_python("import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass")
        done = run("record", "--pid", process.pid, "-o", "x.svg", "--json", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        summary = json.loads(done.stdout)
        self.assertEqual(summary["ended"], "exited")
        self.assertGreater(summary["samples"], 0)
        self.assertEqual(self.files(), ["x.svg"])

    @need_ebpf
    def test_idle_process(self):
        process = self.start_python("import signal\nsignal.pause()")
        done = run("record", "--pid", process.pid, "-d", "0.5", "-o", "x.svg", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"idle|no CPU time")
        self.assertEqual(self.files(), ["x.svg"])

    @need_ebpf
    def test_idle_parent_of_busy_children(self):
        process = self.start_python("import os, signal\nchild = os.fork()\nif not child:\n  while True: pass\n"
                                    "print(child, flush=True)\nsignal.pause()")
        child = int(process.stdout.readline())
        self.addCleanup(os.kill, child, signal.SIGKILL)
        done = run("record", "--pid", process.pid, "-d", "0.5", "-o", "x.svg", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"({child})", done.stderr)
        self.assertIn("--subprocesses", done.stderr)


# ---- what is written and printed -----------------------------------------------------------------------


@need_ebpf
class Results(Case):
    KEYS = {"output", "source", "duration_s", "rate_hz", "samples", "lost", "truncated", "failed", "profiler", "top"}

    def test_json_is_all_of_stdout(self):
        done = run("record", "-p", self.busy().pid, "-d", "0.5", "-r", "499", "-q", "--json", "-o", "x.svg", cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.count("\n"), 1)
        summary = json.loads(done.stdout)
        self.assertLessEqual(self.KEYS, set(summary))
        self.assertEqual(summary["output"], "x.svg")
        self.assertEqual(summary["ended"], "duration")
        self.assertEqual(summary["rate_hz"]["requested"], 499)
        self.assertGreaterEqual(summary["duration_s"], 0.5)
        self.assertLessEqual({"cpu_s", "rss_bytes"}, set(summary["profiler"]))
        self.assertLessEqual(len(summary["top"]), 5)
        self.assertGreater(len(summary["top"]), 0)
        for row in summary["top"]:
            self.assertLessEqual({"function", "file", "line", "kind", "self", "total"}, set(row))
            self.assertTrue(0 < row["self"] <= row["total"] <= 1, row)
        self.assertEqual([r["self"] for r in summary["top"]], sorted((r["self"] for r in summary["top"]), reverse=True))

    def test_json_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            done = run("record", "-p", self.busy().pid, "-d", "0.2", "-q", "--json", "-o", "x.svg", cwd=self.folder,
                       stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output", done.stderr)

    def test_summary_for_people(self):
        done = run("record", "-p", self.busy().pid, "-d", "0.5", "-o", "x.svg", cwd=self.folder)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertIn("with ebpf", done.stderr)
        self.assertRegex(done.stderr, r"(?m)^profd: wrote x\.svg \(\d")
        for part in (" samples in ", "Hz per running thread (99 asked for)", "lost 0", "profd itself: ", " of memory", "self   total  function"):
            self.assertIn(part, done.stderr)
        self.assertNotRegex(done.stderr, r"[\r\033]")
        self.assertLessEqual(max(map(len, done.stderr.splitlines())), 120)

    def test_quiet(self):
        done = run("record", "-p", self.busy().pid, "-d", "0.2", "-q", "-o", "x.svg", cwd=self.folder)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual(self.files(), ["x.svg"])

    def test_standard_output(self):
        done = run("record", "-p", self.busy().pid, "-d", "0.5", "-f", "collapsed", "-o", "-", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(len(harness.parse_collapsed(done.stdout)), 0)
        self.assertIn("standard output", done.stderr)
        self.assertEqual(self.files(), [])

    def test_reader_that_goes_away(self):
        reading, writing = os.pipe()
        os.close(reading)
        done = run("record", "-p", self.busy().pid, "-d", "0.2", "-o", "-", cwd=self.folder, stdout=writing,
                   stderr=subprocess.PIPE)
        os.close(writing)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Broken pipe", done.stderr)

    def test_fifo(self):
        os.mkfifo(self.path("fifo"))
        recorder = self.start_record("-p", self.busy().pid, "-d", "0.3", "-o", "fifo", "-f", "collapsed")
        with open(self.path("fifo")) as fifo:
            self.assertGreater(len(harness.parse_collapsed(fifo.read())), 0)
        self.assertEqual(recorder.wait(DEADLINE_S), 0)
        self.assertEqual(self.files(), ["fifo"])

    def test_format_by_name_of_the_file(self):
        pid = self.busy().pid
        for name in ("x.collapsed", "x.folded", "x.txt"):
            self.assertEqual(run("record", "-p", pid, "-d", "0.2", "-q", "-o", name, cwd=self.folder).returncode, 0)
            self.assertGreater(len(harness.parse_collapsed(pathlib.Path(self.path(name)).read_text())), 0)

    def test_mode_and_old_file(self):
        pid = self.busy().pid
        run("record", "-p", pid, "-d", "0.2", "-q", "-o", "x.svg", cwd=self.folder, umask=0o027)
        self.assertEqual(os.stat(self.path("x.svg")).st_mode & 0o7777, 0o640)
        pathlib.Path(self.path("old.svg")).write_text("old")
        os.symlink("old.svg", self.path("link.svg"))
        run("record", "-p", pid, "-d", "0.2", "-q", "-o", "link.svg", cwd=self.folder)
        self.assertTrue(os.path.islink(self.path("link.svg")))
        self.assertIn("<svg", pathlib.Path(self.path("old.svg")).read_text())
        self.assertEqual(self.files(), ["link.svg", "old.svg", "x.svg"])

    def test_default_name_of_a_hostile_process(self):
        name = b"../\033[2J;\n x"
        code = f"import ctypes, sys\nctypes.CDLL(None).prctl({PR_SET_NAME}, {name!r})\nprint('named', flush=True)\n{BUSY}"
        process = self.start_python(code)
        self.assertEqual(process.stdout.readline(), "named\n")
        done = run("record", "-p", process.pid, "-d", "0.2", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("\033", done.stderr)
        self.assertEqual(len(self.files()), 1)
        self.assertRegex(self.files()[0], rf"^profd-[\w.+]+-{process.pid}-\d{{8}}-\d{{6}}\.svg$")

    def test_several_processes_are_kept_apart(self):
        first, second = self.busy().pid, self.busy().pid
        done = run("record", "-p", f"{first},{second},{first}", "-d", "0.5", "-r", "499", "-o", "x.collapsed", "--json",
                   cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        roots = {frames[0] for frames, _ in harness.parse_collapsed(pathlib.Path(self.path("x.collapsed")).read_text())}
        self.assertEqual({re.search(r"\((\d+)\)$", r).group(1) for r in roots}, {str(first), str(second)})

    def test_closed_standard_descriptors(self):
        pid = self.busy().pid
        shell = f'exec "$0" record -p {pid} -d 0.2 -o x.svg <&- >&- 2>&-'
        self.assertEqual(subprocess.run(["sh", "-c", shell, PROFD], cwd=self.folder, timeout=DEADLINE_S).returncode, 0)
        text = pathlib.Path(self.path("x.svg")).read_text()
        self.assertTrue(text.startswith("<?xml") or text.startswith("<svg"), text[:60])
        self.assertTrue(text.rstrip().endswith("</svg>"))


# ---- signals and sudden ends ---------------------------------------------------------------------------


@need_ebpf
class Ends(Case):
    def test_each_signal_ends_it_well(self):
        pid = self.busy().pid
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                recorder = self.start_record("-p", pid, "-o", "x.svg", "--json")
                self.wait_said(recorder, "sampling ")
                recorder.send_signal(number)
                out = recorder.communicate(timeout=DEADLINE_S)[0]
                self.assertEqual(recorder.returncode, 0, self.said(recorder))
                self.assertEqual(json.loads(out)["ended"], "stopped")
                self.assertEqual(self.files(), ["x.svg"])
                os.unlink(self.path("x.svg"))

    def test_nohup(self):
        """A SIGHUP that was ignored stays ignored: profd does not wait for it."""
        recorder = self.start_record("-p", self.busy().pid, "-o", "x.svg",
                                     preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.wait_said(recorder, "sampling ")
        fields = dict(line.split(":\t") for line in pathlib.Path(f"/proc/{recorder.pid}/status").read_text().splitlines()
                      if line.startswith("Sig") and ":\t" in line)
        self.assertFalse(int(fields["SigBlk"], 16) >> (signal.SIGHUP - 1) & 1)
        self.assertTrue(int(fields["SigIgn"], 16) >> (signal.SIGHUP - 1) & 1)
        recorder.send_signal(signal.SIGHUP)
        recorder.send_signal(signal.SIGINT)
        self.assertEqual(recorder.wait(DEADLINE_S), 0)

    def test_second_signal_gives_up(self):
        """The engine is halted, so that writing lasts for ever."""
        pathlib.Path(self.path("x.svg")).write_text("old")
        recorder = self.start_record("-p", self.busy().pid, "-o", "x.svg")
        self.wait_said(recorder, "sampling ")
        engine = self.engine_of(recorder)
        os.kill(engine, signal.SIGSTOP)
        recorder.send_signal(signal.SIGINT)
        self.wait_said(recorder, "stopping")
        recorder.send_signal(signal.SIGINT)
        self.assertEqual(recorder.wait(DEADLINE_S), 128 + signal.SIGINT)
        self.assertTrue(wait_until(lambda: is_gone(engine), DEADLINE_S))
        self.assertEqual(pathlib.Path(self.path("x.svg")).read_text(), "old")
        self.assertEqual(self.files(), ["x.svg"])

    def test_signal_before_the_start(self):
        """Nothing was sampled, so there is nothing to write; a command that is held back never runs."""
        recorder = self.start_record("-o", "x.svg", "--", "touch", "ran")
        engine = self.engine_of(recorder)
        os.kill(engine, signal.SIGSTOP)
        halted_in_time = wait_until(lambda: len(children_of(recorder.pid)) == 2, 1) and "sampling" not in self.said(recorder)
        recorder.send_signal(signal.SIGTERM)
        if not halted_in_time:
            os.kill(engine, signal.SIGCONT)
            self.skipTest("the engine was ready before it could be halted")
        self.assertEqual(recorder.wait(DEADLINE_S), 128 + signal.SIGTERM)
        self.assertTrue(wait_until(lambda: is_gone(engine), DEADLINE_S))
        self.assertEqual(self.files(), [])

    def test_killed_while_the_command_is_held(self):
        recorder = self.start_record("-o", "x.svg", "--", "touch", "ran")
        engine = self.engine_of(recorder)
        os.kill(engine, signal.SIGSTOP)
        self.assertTrue(wait_until(lambda: len(children_of(recorder.pid)) >= 1, DEADLINE_S))
        left = set(children_of(recorder.pid))
        recorder.kill()
        recorder.wait()
        for pid in left:
            self.assertTrue(wait_until(lambda pid=pid: is_gone(pid), DEADLINE_S), f"{pid} is left")
        self.assertNotIn("x.svg", self.files())

    def test_engine_killed(self):
        """At the start, while sampling, and while it writes: said, nothing half written, the target goes on."""
        target = self.busy()
        for moment in ("start", "sampling ", "stopping"):
            with self.subTest(moment):
                pathlib.Path(self.path("x.svg")).write_text("old")
                recorder = self.start_record("-p", target.pid, "-o", "x.svg")
                engine = self.engine_of(recorder)
                if moment != "start":
                    self.wait_said(recorder, "sampling ")
                if moment == "stopping":
                    os.kill(engine, signal.SIGSTOP)
                    recorder.send_signal(signal.SIGINT)
                    self.wait_said(recorder, "stopping")
                os.kill(engine, signal.SIGKILL)
                self.assertEqual(recorder.wait(DEADLINE_S), 1, self.said(recorder))
                self.assertIn("engine was killed by signal 9", self.said(recorder))
                self.assertEqual(self.files(), ["x.svg"])
                self.assertEqual(pathlib.Path(self.path("x.svg")).read_text(), "old")
                self.assertIsNone(target.poll())
                self.assertTrue(wait_until(lambda: state_of(target.pid) == "R", DEADLINE_S))

    def test_command_line_killed(self):
        target = self.busy()
        recorder = self.start_record("-p", target.pid, "-o", "x.svg")
        self.wait_said(recorder, "sampling ")
        engine = self.engine_of(recorder)
        recorder.kill()
        recorder.wait()
        self.assertTrue(wait_until(lambda: is_gone(engine), DEADLINE_S), "the engine is left")
        self.assertEqual(self.files(), [])
        self.assertIsNone(target.poll())

    def test_engine_keeps_nothing_of_the_caller(self):
        """Only the socket and stderr of the caller's; a pipe held open would hang a shell's `$(...)`."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        recorder = self.start_record("-p", self.busy().pid, "-o", "x.svg", stdout=writing, pass_fds=[writing])
        os.close(writing)
        self.wait_said(recorder, "sampling ")
        engine = self.engine_of(recorder)
        pipe = os.readlink(f"/proc/self/fd/{reading}")
        held = {os.readlink(f"/proc/{engine}/fd/{fd}") for fd in os.listdir(f"/proc/{engine}/fd")}
        self.assertNotIn(pipe, held)
        self.assertNotEqual(os.getsid(engine), os.getsid(recorder.pid))
        recorder.send_signal(signal.SIGINT)
        self.assertEqual(recorder.wait(DEADLINE_S), 0)


# ---- commands ------------------------------------------------------------------------------------------


@need_ebpf
class Commands(Case):
    def record(self, *command, options=(), **more):
        return run("record", "-q", "-o", self.path("x.svg"), *options, "--", *command, **more)

    def test_exit_status(self):
        for command, status in (("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143)):
            with self.subTest(command):
                self.assertEqual(self.record("sh", "-c", command).returncode, status)
                self.assertTrue(os.path.exists(self.path("x.svg")))

    def test_cannot_be_run(self):
        pathlib.Path(self.path("plain")).write_text("x")
        os.mkdir(self.path("sub"))
        for command, status, words in (("no-such-command-here", 127, "command not found"),
                                       (self.path("missing"), 127, "no such file"),
                                       (self.path("plain"), 126, "permission denied"),
                                       (self.path("sub"), 126, "permission denied")):
            with self.subTest(command):
                done = self.record(command)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertIn(f"{command}: {words}", done.stderr)
                self.assertFalse(os.path.exists(self.path("x.svg")))

    def test_not_run_where_sampling_fails(self):
        done = run("record", "-o", "/proc/x.svg", "--", "touch", self.path("ran"))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.files(), [])

    def test_standard_streams(self):
        reading, writing = os.pipe()
        os.write(writing, b"hello\nmore\n")
        os.close(writing)
        done = self.record("sh", "-c", "read x; echo got $x; echo oops >&2; exit 3", stdin=reading)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (3, "got hello\n", "oops\n"))
        os.close(reading)

    def test_it_finds_what_the_caller_left(self):
        """Descriptors, signal mask and dispositions, folder and environment are those without profd."""
        script = ("import os, sys, signal\n"
                  "fds = sorted(int(f) for f in os.listdir('/proc/self/fd'))[:-1]\n"  # the last is listdir's own
                  "status = [l for l in open('/proc/self/status') if l.startswith(('SigBlk', 'SigIgn', 'Umask'))]\n"
                  "print(fds, status, os.getcwd(), sorted(os.environ.items()), os.getpgrp() == os.getpgid(os.getppid()),\n"
                  "      os.getsid(0) == os.getsid(os.getppid()))")
        extra = os.open("/dev/null", os.O_RDONLY)
        self.addCleanup(os.close, extra)

        def prepare():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)

        command = [sys.executable, "-c", script]
        more = {"cwd": self.folder, "pass_fds": [extra], "preexec_fn": prepare, "env": {"A": "1", "PATH": os.environ["PATH"]},
                "restore_signals": False}
        plain = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)
        done = self.record(*command, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, plain.stdout)
        self.assertIn(str(extra), done.stdout)

    def test_duration_ends_first(self):
        """The profile is there while the command still runs, and its status is passed on."""
        recorder = self.start_record("-d", "0.3", "-o", "x.svg", "--", "sh", "-c",
                                     "while ! [ -e go ]; do :; done; exit 9")
        self.wait_said(recorder, "waiting for sh")
        self.assertIn("x.svg", self.files())
        open(os.path.join(self.folder, "go"), "w").close()
        self.assertEqual(recorder.wait(DEADLINE_S), 9, self.said(recorder))

    def test_signal_to_profd_alone(self):
        """SIGTERM to profd: the profile is written, then the command gets the signal too."""
        recorder = self.start_record("-o", "x.svg", "--", sys.executable, "-c",
                                     "import os\nprint(os.getpid(), flush=True)\n" + BUSY)
        pid = int(recorder.stdout.readline())
        recorder.send_signal(signal.SIGTERM)
        self.assertEqual(recorder.wait(DEADLINE_S), 128 + signal.SIGTERM)
        self.assertTrue(is_gone(pid))
        self.assertEqual(self.files(), ["x.svg"])

    def test_command_outlives_a_killed_profd(self):
        recorder = self.start_record("-o", "x.svg", "--", sys.executable, "-c",
                                     "import os\nprint(os.getpid(), flush=True)\n" + BUSY)
        pid = int(recorder.stdout.readline())
        engine = self.engine_of(recorder)
        try:
            recorder.kill()
            recorder.wait()
            self.assertTrue(wait_until(lambda: is_gone(engine), DEADLINE_S))
            self.assertFalse(is_gone(pid))
        finally:
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.files(), [])

    def test_command_outlives_a_killed_engine(self):
        recorder = self.start_record("-o", "x.svg", "--", sys.executable, "-c",
                                     "import os, sys\nprint(os.getpid(), flush=True)\nsys.stdin.readline()\nsys.exit(5)",
                                     stdin=subprocess.PIPE)
        self.addCleanup(recorder.stdin.close)
        pid = int(recorder.stdout.readline())
        os.kill(self.engine_of(recorder), signal.SIGKILL)
        self.wait_said(recorder, "engine was killed")
        self.assertFalse(is_gone(pid))
        recorder.stdin.write("\n")
        recorder.stdin.flush()
        self.assertEqual(recorder.wait(DEADLINE_S), 5)
        self.assertEqual(self.files(), [])

    def test_default_name(self):
        self.assertEqual(run("record", "-q", "--", sys.executable, "-c", "pass", cwd=self.folder).returncode, 0)
        self.assertEqual(len(self.files()), 1)
        self.assertRegex(self.files()[0], r"^profd-python[\w.]*-\d+-\d{8}-\d{6}\.svg$")


# ---- on a terminal -------------------------------------------------------------------------------------


@need_ebpf
class Terminal(Case):
    ESCAPES = re.compile(r"\033\[[0-9;]*[A-Za-z]")

    def start(self, *args, columns=80, env=None, stdout_too=True):
        """profd with a terminal of its own; returns the process and the terminal's other side."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

        def take_terminal():
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})}
        process = subprocess.Popen([PROFD, "record", *map(str, args)], stdin=theirs, stderr=theirs, cwd=self.folder,
                                   stdout=theirs if stdout_too else subprocess.DEVNULL, env=environment,
                                   start_new_session=True, preexec_fn=take_terminal)
        self.addCleanup(self.end, process)
        os.close(theirs)
        return process, ours

    def read(self, ours, until=None):
        """All that is written on the terminal up to its end, or up to a text."""
        data = b""
        deadline = time.monotonic() + DEADLINE_S
        while until is None or until not in data.decode(errors="replace"):
            if not select.select([ours], [], [], max(deadline - time.monotonic(), 0))[0]:
                self.fail(f"nothing more is said: {data!r}")
            try:
                piece = os.read(ours, 65536)
            except OSError:  # EIO: nobody has it open any more
                break
            if not piece:
                break
            data += piece
        return data.decode()

    def lines(self, text):
        """What stood on the screen line by line, redrawn ones each time."""
        return [self.ESCAPES.sub("", line) for line in re.split(r"[\r\n]+", text)]

    def test_progress_bar(self):
        process, ours = self.start("-p", self.busy().pid, "-d", "1.5", "-o", "x.svg")
        text = self.read(ours)
        self.assertEqual(process.wait(DEADLINE_S), 0, text)
        bars = [line for line in self.lines(text) if " / 1.5 s" in line]
        self.assertGreater(len(bars), 3)
        self.assertRegex(bars[-1], r"^  1\.\d s / 1\.5 s  [━╾─]+  \d+ samples, 0 lost$")
        filled = [line.count("━") for line in bars]
        self.assertEqual(filled, sorted(filled))
        self.assertGreater(filled[-1], filled[0])
        self.assertLessEqual(max(map(len, bars)), 79)
        self.assertIn("\033[36m", text)
        before, _, after = text.rpartition("profd: wrote x.svg")
        self.assertTrue(before.endswith("\r\033[K"), "the bar was not cleared")
        self.assertNotIn("\033", after)

    def test_narrow_and_plain(self):
        process, ours = self.start("-p", self.busy().pid, "-d", "1", "-o", "x.svg", columns=44,
                                   env={"NO_COLOR": "1", "LC_ALL": "C"})
        text = self.read(ours)
        self.assertEqual(process.wait(DEADLINE_S), 0, text)
        bars = [line for line in self.lines(text) if " / 1.0 s" in line]
        self.assertGreater(len(bars), 2)
        self.assertLessEqual(max(map(len, bars)), 43)
        self.assertNotIn("\033[3", text)
        self.assertTrue(text.isascii())

    def test_quiet(self):
        process, ours = self.start("-p", self.busy().pid, "-d", "0.5", "-q", "-o", "x.svg")
        self.assertEqual(self.read(ours), "")
        self.assertEqual(process.wait(DEADLINE_S), 0)

    def test_interrupt_key(self):
        process, ours = self.start("-p", self.busy().pid, "-o", "x.svg")
        self.read(ours, until=" lost")
        os.write(ours, b"\x03")
        text = self.read(ours)
        self.assertEqual(process.wait(DEADLINE_S), 0, text)
        self.assertIn("wrote x.svg", text)
        self.assertEqual(self.files(), ["x.svg"])

    def test_interrupt_key_with_a_command(self):
        """The terminal sends it to the command as well; its end is passed on."""
        process, ours = self.start("-o", "x.svg", "--", sys.executable, "-c",
                                   "import signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"
                                   "print('up', flush=True)\n" + BUSY)
        self.read(ours, until="up")
        os.write(ours, b"\x03")
        text = self.read(ours)
        self.assertEqual(process.wait(DEADLINE_S), 128 + signal.SIGINT, text)
        self.assertIn("wrote x.svg", text)

    def test_no_bar_over_the_output_of_a_command(self):
        process, ours = self.start("-o", "x.svg", "--", "sh", "-c", "echo one; sleep 0.7; echo two")
        text = self.read(ours)
        self.assertEqual(process.wait(DEADLINE_S), 0, text)
        self.assertIn("one\r\n", text)
        self.assertIn("two\r\n", text)
        self.assertNotIn("\033[K", text.partition("one")[2].partition("two")[0])

    def test_bar_where_the_command_writes_elsewhere(self):
        process, ours = self.start("-o", "x.svg", "--", "sh", "-c", "sleep 0.7", stdout_too=False)
        text = self.read(ours)
        self.assertEqual(process.wait(DEADLINE_S), 0, text)
        self.assertIn(" samples, 0 lost", text)


if __name__ == "__main__":
    unittest.main()
