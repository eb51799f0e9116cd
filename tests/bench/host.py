#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the daemon costs on a host with 100 and 500 processes, at rest and with 50 new processes a second: CPU in
user space and in its programs in the kernel (by the kernel's own account), memory, bytes written.

    host.py [SECONDS]     each figure over so many seconds (60), as root
"""

import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from daemons import Daemon  # noqa: E402

RATE, WINDOW_S = 19, 10
STATISTICS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
CASES = ((100, 0), (500, 0), (200, 50))


def cpu_s(pid):
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def kernel_s():
    """Run time of profd's programs so far."""
    shown = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, check=True)
    programs = json.loads(shown.stdout)
    return sum(p.get("run_time_ns", 0) for p in programs if p.get("name") in harness.PROGRAMS) / 1e9


def written(pid):
    for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    return 0


def measure(daemon, seconds):
    daemon.wait_windows(2)  # tables and names of what runs are there now
    before = cpu_s(daemon.pid), kernel_s(), written(daemon.pid), time.monotonic()
    samples = daemon.status()["samples"]
    daemon.wait_windows(max(int(seconds / WINDOW_S), 1), seconds * 2 + 60)
    after = cpu_s(daemon.pid), kernel_s(), written(daemon.pid), time.monotonic()
    status = daemon.status()
    length = after[3] - before[3]
    return {
        "user": (after[0] - before[0]) / length,
        "kernel": (after[1] - before[1]) / length,
        "rss": status["profiler"]["rss_bytes"],
        "written": (after[2] - before[2]) / length,
        "samples": (status["samples"] - samples) / length,
        "lost": status["lost"],
        "processes": status["processes"],
    }


def run_case(processes, churn, seconds):
    argv = [
        *[sys.executable, str(pathlib.Path(__file__).parent / "hostload.py"), "86400"],
        *["--processes", str(processes), "--churn", str(churn)],
        *["--targets", str(harness.TARGETS)],
    ]
    load = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        load.stdout.readline()
        with Daemon("--rate", RATE, window=WINDOW_S) as daemon:
            m = measure(daemon, seconds)
    finally:
        load.terminate()
        load.communicate()
    print(
        f"{m['processes']:9} {churn:12} {m['user']:9.2%} {m['kernel']:8.3%} "
        f"{m['rss'] / 2**20:7.1f} MiB {m['written'] / 1024:10.1f} {m['samples']:9.1f} {m['lost']:5}",
        flush=True,
    )


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    reason = harness.why_no_ebpf()
    if reason:
        print(f"host: cannot measure: {reason}", file=sys.stderr)
        return 1
    print(f"{harness.machine()}; {RATE} Hz, windows of {WINDOW_S} s, each line {seconds:g} s")
    print(
        "processes  new/second   user CPU   kernel         RSS  KiB/s written  samples/s  lost",
        flush=True,
    )
    before = STATISTICS.read_text()
    try:
        STATISTICS.write_text("1")
        for processes, churn in CASES:
            run_case(processes, churn, seconds)
    finally:
        STATISTICS.write_text(before)
    return 0


if __name__ == "__main__":
    sys.exit(main())
