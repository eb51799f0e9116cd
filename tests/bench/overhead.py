#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measures what profd costs, on this machine and now; nothing is asserted. `make bench-overhead`,
as root, two minutes.

kernel ns/sample   run_time_ns / run_cnt of the sampling program, by the kernel's BPF statistics
user us/sample     CPU time of profd's own processes per sample, in the middle of a recording
CPU                the same in percent of one core
RSS                the resident memory of profd
first sample       from the start of the command until the first sample, at 999 Hz
slowdown           of a CPU-bound Python target: units of work in spans with and without profd,
                   which take turns; the median of the ratios of neighbours, and their middle half
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402

RATES = (99, 999, 4999)
WARM_UP_S, STEADY_S = 1.5, 5.0
SPAN_S = 1.0
PAIRS = 8
STATISTICS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")

# Counts rounds of work per request on stdin, for exactly as long as it is told.
WORKER = """
import sys, time
def inner(n):
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF
    return x
def middle(n):
    return inner(n) + 1
def outer(n):
    return middle(n) + 1
print("READY", flush=True)
for line in sys.stdin:
    rounds, until = 0, time.thread_time() + float(line)
    while time.thread_time() < until:
        outer(2000)
        rounds += 1
    print(rounds, flush=True)
"""


def program_statistics():
    """(run_time_ns, run_cnt) of the sampling programs that the kernel holds, by program ID."""
    tool = "bpftool" if not os.path.exists("/usr/sbin/bpftool") else "/usr/sbin/bpftool"
    shown = json.loads(
        subprocess.run(
            [tool, "-j", "prog", "show"], capture_output=True, text=True, check=True
        ).stdout
    )
    return {
        p["id"]: (p.get("run_time_ns", 0), p.get("run_cnt", 0))
        for p in shown
        if p.get("name") == "profd_sample"
    }


def start(pid, rate, seconds, folder):
    argv = [
        harness.PROFD,
        "record",
        "-p",
        pid,
        "-d",
        seconds,
        "-r",
        rate,
        "-f",
        "collapsed",
        "-o",
        os.path.join(folder, "out"),
        "--json",
        "-q",
    ]
    return subprocess.Popen(
        list(map(str, argv)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(recorder):
    out, said = recorder.communicate()
    if recorder.returncode:
        raise SystemExit(f"profd ended with {recorder.returncode}: {said}")
    return json.loads(out)


def steady_cost(pid, rate, folder):
    """One recording, looked at in its middle: CPU seconds of profd per second and per sample,
    nanoseconds of the sampling program per sample by the kernel's count, resident bytes."""
    profds, programs = harness.profd_processes(), program_statistics()
    recorder = start(pid, rate, WARM_UP_S + STEADY_S + 2, folder)
    time.sleep(WARM_UP_S)
    mine = harness.profd_processes() - profds
    begin, cpu_s, target_s = (
        time.monotonic(),
        sum(map(harness.on_cpu_s, mine)),
        harness.on_cpu_s(pid),
    )
    time.sleep(STEADY_S)
    seconds, cpu_s, target_s = (
        time.monotonic() - begin,
        sum(map(harness.on_cpu_s, mine)) - cpu_s,
        harness.on_cpu_s(pid) - target_s,
    )
    runs = [v for k, v in program_statistics().items() if k not in programs and v[1]]
    summary = finish(recorder)
    kernel_ns = runs[0][0] / runs[0][1] if runs else float("nan")
    samples = target_s * summary["rate_hz"]["achieved"]
    return kernel_ns, cpu_s / samples, cpu_s / seconds, summary["profiler"]["rss_bytes"]


def first_sample_s(pid, folder):
    """From the start of the command until the first sample: when --verbose said that sampling
    began, and how much later it says the first sample was. The median of five."""
    times = []
    for _ in range(5):
        begin, began, later = time.monotonic(), None, None
        argv = [
            "record",
            "-p",
            pid,
            "-d",
            "0.5",
            "-r",
            "999",
            "-f",
            "collapsed",
            "-o",
            os.path.join(folder, "out"),
            "-v",
        ]
        recorder = subprocess.Popen(
            [harness.PROFD, *map(str, argv)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in recorder.stderr:
            if re.search(r"\bsampling .* at \d+ Hz", line):
                began = time.monotonic() - begin
            match = re.search(r"first sample ([0-9.]+) ms after the start", line)
            if match:
                later = float(match.group(1)) / 1000
        recorder.wait()
        if began is not None and later is not None:
            times.append(began + later)
    return statistics.median(times) if times else float("nan")


def span(worker):
    """Rounds per second of the thread's own CPU time, and of the wall clock."""
    begin = time.monotonic()
    worker.stdin.write(f"{SPAN_S}\n")
    worker.stdin.flush()
    rounds = int(worker.stdout.readline())
    return rounds / SPAN_S, rounds / (time.monotonic() - begin)


def slowdown(rate, folder):
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    worker.stdout.readline()
    ratios = []
    try:
        span(worker)
        for turn in range(PAIRS):
            pair = {}
            for profiled in ((False, True) if turn % 2 else (True, False)):
                recorder = start(worker.pid, rate, 60, folder) if profiled else None
                if recorder:
                    time.sleep(0.5)
                pair[profiled] = span(worker)[0]
                if recorder:
                    recorder.terminate()
                    recorder.communicate()
            ratios.append(1 - pair[True] / pair[False])
    finally:
        worker.stdin.close()
        worker.wait()
    middle = statistics.quantiles(ratios, n=4)
    return statistics.median(ratios), middle[0], middle[2]


def report(name, pid, rate, folder):
    before = STATISTICS.read_text()
    try:
        STATISTICS.write_text("1")
        kernel_ns, per_sample_s, share, rss = steady_cost(pid, rate, folder)
    finally:
        STATISTICS.write_text(before)
    print(
        f"{name:20} {rate:5} {kernel_ns:17.0f} {per_sample_s * 1e6:15.2f} {share:7.3%} "
        f"{rss / 2**20:5.1f} MiB",
        flush=True,
    )


def main():
    reason = harness.why_no_ebpf()
    if reason:
        print(f"overhead: cannot measure: {reason}", file=sys.stderr)
        return 1
    version = subprocess.run([harness.PROFD, "--version"], capture_output=True, text=True).stdout
    print(f"{harness.machine()}; {version.strip()}")
    with tempfile.TemporaryDirectory() as folder:
        python = harness.interpreters().get("debian") or sys.executable
        targets = (
            ("native, 6 frames", RATES, harness.Target("native", seconds=120)),
            ("native, 256 frames", RATES[1:2], harness.Target("deep", 250, seconds=120)),
            ("Python", RATES, harness.Target("shares.py", python=python, seconds=120)),
        )
        print(
            f"{'target':20} {'Hz':>5} {'kernel ns/sample':>17} {'user us/sample':>15} {'CPU':>7} "
            f"{'RSS':>9}",
            flush=True,
        )
        for name, rates, target in targets:
            with target:
                for rate in rates:
                    report(name, target.pid, rate, folder)
                first_ms = first_sample_s(target.pid, folder) * 1000
                print(f"{name:20} first sample after {first_ms:.0f} ms", flush=True)
        for rate in RATES[:2]:
            median, low, high = slowdown(rate, folder)
            print(
                f"slowdown of a Python target at {rate} Hz: {median:.2%} "
                f"(middle half {low:.2%} to {high:.2%})",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
