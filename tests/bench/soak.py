#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The daemon on a generated host for a long time: does it stay small, lose nothing, and count what is
gone before anybody looks?

    soak.py [MINUTES]                      as root; 30 minutes

Load: tests/bench/hostload.py (200 processes, 50 new ones a second). Prints the cost, and fails where
  - the resident memory grows (its slope over the last two thirds, least squares),
  - a window is missing between the first and the last, or could not be written,
  - samples were lost,
  - the CPU time of the short processes is not in the store within the statistical bound.
"""

import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from daemons import Daemon  # noqa: E402

RATE = 19
WINDOW_S = 10
GROWTH_PER_HOUR = 0.10  # of the resident memory: what still counts as flat
Z = 4.5
STATISTICS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")


def slope(points):
    """Least squares: (growth per unit, its standard error), the latter for errors of neighbours that go
    together: about a dozen groups of neighbours are taken as a point each."""
    size = max(len(points) // 12, 1)
    groups = [points[i : i + size] for i in range(0, len(points) - size + 1, size)]
    means = [(statistics.mean(x for x, _ in g), statistics.mean(y for _, y in g)) for g in groups]
    mx = statistics.mean(x for x, _ in means)
    my = statistics.mean(y for _, y in means)
    sxx = sum((x - mx) ** 2 for x, _ in means)
    b = sum((x - mx) * (y - my) for x, y in means) / sxx
    rest = sum((y - my - b * (x - mx)) ** 2 for x, y in means)
    return b, math.sqrt(rest / max(len(means) - 2, 1) / sxx)


def gaps(daemon):
    """Windows that do not begin where the one before ended (in seconds between the two)."""
    rows = daemon.query("select start_unix_ns, duration_ns from windows order by start_unix_ns")
    ends = [(start + length, after) for (start, length), (after, _) in zip(rows, rows[1:])]
    return [(after - end) / 1e9 for end, after in ends if abs(after - end) > 0.25e9]


def burst_samples(daemon):
    """Samples of the short processes. A process of 50 ms is there for one sample at most on average."""
    rows = daemon.report("--since", "all", "--by", "process", "--comm", "burst", "--limit", "0")
    return rows["samples"]


def watch(daemon, load, minutes):
    """[(seconds, RSS in bytes, CPU % in user space, CPU % in the kernel)] while the load runs."""
    points, start = [], time.monotonic()
    while time.monotonic() - start < minutes * 60 and load.poll() is None:
        time.sleep(WINDOW_S)
        status = daemon.status()
        cost = status["profiler"]
        points.append(
            (
                time.monotonic() - start,
                cost["rss_bytes"],
                cost["cpu_percent"],
                cost["kernel_cpu_percent"],
            )
        )
        if len(points) % 30 == 0:
            print(
                f"{points[-1][0] / 60:5.1f} min: RSS {points[-1][1] / 2**20:.1f} MiB, "
                f"CPU {points[-1][2]:.2f} % + {points[-1][3]:.2f} % in the kernel, "
                f"{status['samples']} samples, {status['lost']} lost",
                flush=True,
            )
    return points


def check(name, fine, text):
    print(f"{'ok' if fine else 'FAILED':7} {name}: {text}", flush=True)
    return fine


def judge(daemon, points, account):
    fine = True
    steady = points[len(points) // 3 :]
    grow, error = slope([(t / 3600, rss) for t, rss, _, _ in steady])
    mean = statistics.mean(rss for _, rss, _, _ in steady)
    fine &= check(
        "memory is flat",
        grow < GROWTH_PER_HOUR * mean,
        f"{mean / 2**20:.1f} MiB, highest {max(p[1] for p in points) / 2**20:.1f}, "
        f"{grow / 2**20:+.2f} ± {2 * error / 2**20:.2f} MiB an hour",
    )
    status = daemon.status()
    missing = gaps(daemon)
    fine &= check(
        "no window is lost",
        not missing and not status["windows"]["lost"] and not status["windows"]["waiting"],
        f"{daemon.windows()} windows, gaps {missing}",
    )
    fine &= check("no sample is lost", not status["lost"], f"{status['lost']} of {status['samples']}")
    expected = account["burst_cpu_s"] * RATE
    # Which phase of the sampling period a process meets is chance: at most a binomial's spread.
    bound = Z * math.sqrt(expected) + 0.01 * expected
    found = burst_samples(daemon)
    fine &= check(
        "short processes are accounted for",
        abs(found - expected) <= bound,
        f"{found} samples of {account['bursts']} processes, expected {expected:.0f} ± {bound:.0f}",
    )
    user = statistics.mean(p[2] for p in steady)
    kernel = statistics.mean(p[3] for p in steady)
    print(
        f"cost: {user:.2f} % of a CPU in user space, {kernel:.3f} % in the kernel's programs, "
        f"{account['started'] / points[-1][0]:.0f} processes started a second, "
        f"{status['processes']} there at the end"
    )
    return fine


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30
    reason = harness.why_no_ebpf()
    if reason:
        print(f"soak: cannot run: {reason}", file=sys.stderr)
        return 1
    print(f"{harness.machine()}; {minutes:g} minutes", flush=True)
    load_argv = [
        *[sys.executable, str(pathlib.Path(__file__).parent / "hostload.py")],
        *[str(minutes * 60 + 3600), "--targets", str(harness.TARGETS)],
    ]
    with Daemon("--rate", RATE, "--max-cpu", 0, window=WINDOW_S) as daemon:
        load = subprocess.Popen(load_argv, stdout=subprocess.PIPE, text=True)
        try:
            load.stdout.readline()
            points = watch(daemon, load, minutes)
        finally:
            load.terminate()
            out = load.communicate()[0]
        account = json.loads(out.split("LOAD ", 1)[1])
        daemon.wait_windows(2)
        return 0 if judge(daemon, points, account) else 1


if __name__ == "__main__":
    sys.exit(main())
