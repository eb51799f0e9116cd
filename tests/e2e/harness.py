# SPDX-License-Identifier: BSD-2-Clause
"""What the end-to-end tests share: targets, recordings, stacks, and the bound that a share has to
keep.

with Target("native") as target:
    recording = record(target.pid, rate=999, seconds=3)
    truth = target.stop()["TRUTH"]
assert_shares(self, recording, truth)
"""

import ctypes
import functools
import glob
import json
import math
import os
import pathlib
import platform
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = TOP / os.environ.get("BUILD", "build")
PROFD = pathlib.Path(os.environ.get("PROFD") or BUILD / "profd")
TARGETS = BUILD / "tests/targets"
SCRIPTS = TOP / "tests/targets"
PYTHON_VERSIONS = ("3.11", "3.12", "3.13")
PROGRAMS = ("profd_sample", "profd_whoami")  # the BPF programs of bpf/

PYTHON_FRAME = re.compile(r"^(?P<name>.*) \((?P<path>.*):(?P<line>\d+)\)$")


# ---- what is there -----------------------------------------------------------------------------


@functools.lru_cache(maxsize=None)
def why_no_ebpf():
    """The reason why eBPF sampling cannot be tested here, or ""."""
    if not PROFD.exists():
        raise FileNotFoundError(f"{PROFD} was not built")
    if os.geteuid() != 0:
        return "eBPF needs root"
    tool = shutil.which("bpftool", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if tool is None:
        return "bpftool is missing"
    probe = subprocess.run([tool, "-j", "prog", "show"], capture_output=True, text=True)
    if probe.returncode:
        return f"the kernel refuses BPF: {(probe.stdout + probe.stderr).strip()[:200]}"
    level = pathlib.Path("/proc/sys/kernel/perf_event_paranoid")
    if not level.exists():
        return "the kernel has no perf events"
    return ""


def need_ebpf(test):
    return unittest.skipIf(why_no_ebpf(), f"no eBPF: {why_no_ebpf()}")(test)


def bpf_programs():
    """IDs of the BPF programs of profd that the kernel holds now."""
    tool = shutil.which("bpftool", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    out = subprocess.run(
        [tool, "-j", "prog", "show"], capture_output=True, text=True, check=True
    ).stdout
    return {p["id"] for p in json.loads(out) if p.get("name", "") in PROGRAMS}


def profd_processes():
    """PIDs that run the profd binary under test; an engine may have another command name, but not
    another file."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.readlink(f"/proc/{entry}/exe").removesuffix(" (deleted)") == str(
                    PROFD.resolve()
                ):
                    found.add(int(entry))
            except OSError:
                pass
    return found


def wait_until(condition, seconds=10.0):
    """Waits for a condition instead of for a time; whether it came true."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


@functools.lru_cache(maxsize=None)
def interpreters():
    """{version: path} of every CPython of PYTHON_VERSIONS on PATH, below pyenv, and in
    $PROFD_TEST_PYTHONS (a list of paths with colons). Also "debian": /usr/bin/python3, a stripped
    build without frame pointers, where it is there.
    """
    candidates = os.environ.get("PROFD_TEST_PYTHONS", "").split(":")
    candidates += [shutil.which(f"python{v}") or "" for v in PYTHON_VERSIONS] + ["/usr/bin/python3"]
    root = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    candidates += sorted(str(p) for p in root.glob("versions/3.*/bin/python3"))
    found = {}
    for candidate in candidates:
        version, path = ask_version(candidate)
        if version in PYTHON_VERSIONS:
            found.setdefault(version, path)
            if path.startswith("/usr/bin/"):
                found.setdefault("debian", path)
    return found


def ask_version(candidate):
    """Version and path of the real executable behind a name (a pyenv shim is a shell script)."""
    code = (
        "import sys, os; print('%d.%d' % sys.version_info[:2], "
        "os.path.realpath(sys.executable), sys.implementation.name)"
    )
    try:
        out = subprocess.run(
            [candidate, "-c", code], capture_output=True, text=True, timeout=20
        ).stdout.split()
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None, None
    return (out[0], out[1]) if len(out) == 3 and out[2] == "cpython" else (None, None)


def need_python(version):
    """The path of that interpreter; skips the test and names it where it is missing."""
    path = interpreters().get(version)
    if not path:
        raise unittest.SkipTest(
            f"python{version} is missing (looked on PATH, below pyenv, in PROFD_TEST_PYTHONS)"
        )
    return path


def need_any_python():
    """The path of an interpreter whose frames profd shows, whichever is here."""
    path = next((interpreters()[v] for v in PYTHON_VERSIONS if v in interpreters()), None)
    return path or need_python(PYTHON_VERSIONS[0])


# ---- targets -----------------------------------------------------------------------------------


def die_with_parent():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Target:
    """A running program of tests/targets/. Entering waits for its READY line; leaving ends it."""

    def __init__(self, name, *args, python=None, seconds=60, env=None):
        path = str(SCRIPTS / name) if python else str(TARGETS / name)
        self.argv = ([python] if python else []) + [path, str(seconds), *map(str, args)]
        self.env = env
        self.process = None
        self.errors = None

    def __enter__(self):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=self.env,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        line = self.process.stdout.readline().decode()
        if not line.startswith("READY "):
            self.__exit__()
            raise RuntimeError(f"target {self.argv} did not start: {line!r}")
        return self

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        """Ends the target and returns what it says of itself: {"TRUTH": {...}, ...}."""
        self.process.terminate()
        out = self.process.stdout.read().decode()
        status = self.process.wait(30)
        if status:
            self.errors.seek(0)
            raise RuntimeError(
                f"target {self.argv} ended with {status}: {self.errors.read().decode()}"
            )
        words = (line.split(" ", 1) for line in out.splitlines() if line.startswith("TRUTH"))
        return {word: json.loads(text) for word, text in words}

    def __exit__(self, *_):
        if self.process:
            if self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(10)
                except subprocess.TimeoutExpired:
                    pass
            try:
                os.killpg(self.process.pid, signal.SIGKILL)  # its children too
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process.stdout.close()
        self.errors.close()


# ---- recordings --------------------------------------------------------------------------------


class Recording:
    """Collapsed stacks: `stacks` is [(frames root first, weight in samples)]; `summary` what
    --json said."""

    def __init__(self, text, summary=None, rate=0, seconds=0.0):
        self.stacks = parse_collapsed(text)
        self.summary = summary or {}
        self.rate = rate
        self.seconds = seconds
        self.cpu_s = 0.0  # that the target used meanwhile; set by record() of one process
        self.samples = sum(n for _, n in self.stacks)

    def only(self, wanted):
        """The part of the recording whose stacks `wanted(frames)` is true for."""
        part = Recording("", self.summary, self.rate, self.seconds)
        part.stacks = [(frames, n) for frames, n in self.stacks if wanted(frames)]
        part.samples = sum(n for _, n in part.stacks)
        return part

    def count(self, wanted):
        return sum(n for frames, n in self.stacks if wanted(frames))

    def share(self, name):
        """Share of the samples that have a function of that name anywhere in their stacks."""
        return self.count(lambda frames: any(function_of(f) == name for f in frames)) / max(
            self.samples, 1
        )

    def describe(self, limit=12):
        """The heaviest stacks, for the message of a failed test."""
        heavy = sorted(self.stacks, key=lambda s: -s[1])[:limit]
        return "\n".join(f"{n:6} {';'.join(frames)[-600:]}" for frames, n in heavy)


def parse_collapsed(text):
    """Strictly: `frame;frame;... weight`, no empty frame, no control character, a weight above
    0."""
    stacks = []
    for number, line in enumerate(text.splitlines(), 1):
        frames, blank, weight = line.rpartition(" ")
        if not blank or not weight.isdigit() or int(weight) == 0:
            raise ValueError(f"line {number} has no weight: {line[:200]!r}")
        frames = frames.split(";")
        if not all(frames) or any(ord(c) < 32 or ord(c) == 127 for f in frames for c in f):
            raise ValueError(
                f"line {number} has an empty frame or a control character: {line[:200]!r}"
            )
        stacks.append((frames, int(weight)))
    return stacks


def is_python(frame):
    return PYTHON_FRAME.match(frame) is not None


def is_kernel(frame):
    return frame.endswith("_[k]")


def function_of(frame):
    """The function's name without place or mark: `Worker.run (app.py:10)` -> `Worker.run`,
    `schedule_[k]` -> `schedule`."""
    match = PYTHON_FRAME.match(frame)
    if match:
        return match.group("name")
    return re.sub(r"_\[[kji]\]$", "", frame)


def python_frames(frames):
    """[(name, path, line)] of the Python frames alone, root first."""
    matches = (PYTHON_FRAME.match(f) for f in frames)
    return [(m.group("name"), m.group("path"), int(m.group("line"))) for m in matches if m]


def user_frames(frames):
    return [f for f in frames if not is_kernel(f)]


def path_of(frames):
    """Function names root first, without the kernel's."""
    return [function_of(f) for f in user_frames(frames)]


def ends_with(frames, *names):
    return path_of(frames)[-len(names) :] == list(names)


THREAD_ENTRIES = {"_start", "clone", "__clone", "clone3", "__clone3"}


def file_to_address(data, offset):
    """File offset -> the file's own virtual address, by the PT_LOAD segments of an ELF64 file."""
    at, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    for i in range(count):
        kind, _, start, address, _, length = struct.unpack_from("<IIQQQQ", data, at + i * size)
        if kind == 1 and start <= offset < start + length:
            return address + offset - start
    return None


@functools.lru_cache(maxsize=None)
def entry_ranges(executable):
    """Where processes and threads begin, as {module: [(from, to)]} in the files' own addresses:
    around the entry point of the executable (e_entry), and around the system calls clone and
    clone3 in the C library, by their machine code.
    """
    with open(executable, "rb") as f:
        entry = struct.unpack_from("<Q", f.read(32), 24)[0]
    ranges = {os.path.basename(executable): [(entry, entry + 64)]}
    for libc in glob.glob("/lib/*-linux-gnu/libc.so.6"):
        data = pathlib.Path(libc).read_bytes()
        for number in (56, 435):  # x86-64: clone, clone3
            code = b"\xb8" + struct.pack("<I", number) + b"\x0f\x05"  # mov $number, %eax; syscall
            for match in re.finditer(re.escape(code), data):
                address = file_to_address(data, match.start())
                if address is not None:
                    ranges.setdefault("libc.so.6", []).append((address - 96, address + 96))
    return ranges


def reaches_entry(frames, executable, roots=0):
    """Whether the outermost frame, after `roots` process and thread roots, is where a process or
    thread begins: by its symbol, or in a stripped file by its address."""
    if len(frames) <= roots:
        return False
    frame = frames[roots]
    if function_of(frame) in THREAD_ENTRIES:
        return True
    match = re.match(r"^\[(.*)\+0x([0-9a-f]+)\]$", frame)
    if not match:
        return False
    address = int(match.group(2), 16)
    return any(
        low <= address < high for low, high in entry_ranges(executable).get(match.group(1), ())
    )


def run_record(*args, timeout=120, **more):
    """profd record with the arguments; a subprocess.CompletedProcess with text."""
    return subprocess.run(
        [str(PROFD), "record", *map(str, args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        **more,
    )


def on_cpu_s(pid):
    """CPU time of all threads of a process so far, from the scheduler's own account."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(task.read_text().split()[0])
        except OSError:
            pass  # it has ended since
    return total / 1e9


def record(pid, *options, rate=999, seconds=3):
    """Records a process as collapsed stacks. Fails loudly: a recording that failed is no
    measurement."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out.collapsed")
        argv = ["-p", pid, "-d", seconds, "-r", rate, "-f", "collapsed", "-o", path, "--json"]
        before_s = on_cpu_s(pid) if isinstance(pid, int) else 0.0
        done = run_record(*argv, *options, timeout=seconds + 60)
        if done.returncode:
            raise AssertionError(
                f"profd record ended with {done.returncode}: {done.stdout}\n{done.stderr}"
            )
        with open(path, encoding="utf-8") as f:
            recording = Recording(f.read(), json.loads(done.stdout), rate, seconds)
        # A little more than was recorded: also what ran while profd started and ended.
        recording.cpu_s = on_cpu_s(pid) - before_s if isinstance(pid, int) else 0.0
        return recording


# ---- how near is near enough -------------------------------------------------------------------


def effective_samples(samples, interval_s, on_s, off_s):
    """How many independent samples `samples` are worth where the work comes in bursts of mean
    length on_s with pauses of mean length off_s: n tanh(l T / 2), with l = 1/on + 1/off and the
    sampling interval T (a random telegraph).
    """
    rate = 1 / max(on_s, 1e-9) + 1 / max(off_s, 1e-9)
    return samples * math.tanh(rate * interval_s / 2)


def share_bound(share, samples, interval_s, on_s, off_s, z=4.5):
    """How far a measured share may lie from the true one: z standard errors of a share of n_eff
    independent samples, z sqrt(p (1 - p) / n_eff), plus one sample for rounding. z = 4.5 means one
    false alarm in 150,000 comparisons. The share of the recorded seconds differs from that of the
    target's whole life; n_eff covers this as well, because for an interval near 0 it tends to the
    number of bursts and not to infinity."""
    n = max(effective_samples(samples, interval_s, on_s, off_s), 1.0)
    return z * math.sqrt(share * (1 - share) / n) + 1 / max(samples, 1)


def assert_shares(test, recording, truth, name_of=lambda part: part, slack=0.005):
    """Every part's share of the samples is within share_bound of its share of the CPU time.
    `slack` is for what is the same on every run and not chance: the clock calls at the borders of
    a burst belong to the part by the target's clock and to its caller by the stack."""
    test.assertGreater(recording.samples, 0, "no samples")
    total = truth["cpu_ns"]
    for part, account in truth["parts"].items():
        share = account["ns"] / total
        on_s = account["ns"] / account["bursts"] / 1e9
        off_s = (total - account["ns"]) / account["bursts"] / 1e9
        bound = share_bound(share, recording.samples, 1 / recording.rate, on_s, off_s) + slack
        measured = recording.share(name_of(part))
        test.assertLessEqual(
            abs(measured - share),
            bound,
            f"{part}: measured {measured:.4f}, true {share:.4f}, bound {bound:.4f}, "
            f"{recording.samples} samples\n" + recording.describe(),
        )


def machine():
    return f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} CPUs"
