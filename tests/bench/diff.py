#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Does `profd diff` cry wolf, and does it find what has changed? By real recordings of a bursty program.

Ten processes of tests/targets/bursts.c run beside each other: bursts of 50 to 500 ms of CPU time that
differ from each other in what they do, asleep most of the time. In five of them bursts_rank() takes 20 %
longer.
One daemon records them into windows of a second. Then, all by `profd diff`, as a user would ask:

  A/A  200 comparisons of a process with itself, a part of the time with another one (1/20 of it each):
       at most 5 % may report any significant change;
  A/B  40 comparisons of a process as it is with a slower one (half the time, each with four others): the
       growth of bursts_rank() has to be found in at least 95 %.

Beside it: in how many A/A comparisons a test that takes samples for independent (two proportions, Bonferroni)
would have found something. Exits with 1 where a bound is broken.
"""

import contextlib
import json
import math
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from daemons import Daemon  # noqa: E402

RATE = 999
DUTY = 15  # percent of a CPU, of each process
PAIRS = 5  # of a process as it is and a slower one
SLOWER = 20  # percent
AA_SPANS, AB_SPANS = 20, 2  # that the time is divided into
PARTNERS = 4  # that a slower process is compared with
LEVEL = 0.05
FALSE_MAX, FOUND_MIN = 0.05, 0.95


# ---- recording ---------------------------------------------------------------------------------


@contextlib.contextmanager
def processes(seconds):
    """PIDs of (those as they are, those that are slower); they end with the block."""
    with contextlib.ExitStack() as stack:

        def start(seed, slower):
            target = harness.Target("bursts", seed, DUTY, slower, seconds=seconds)
            return stack.enter_context(target).pid

        plain = [start(1 + i, 0) for i in range(PAIRS)]
        slower = [start(1001 + i, SLOWER) for i in range(PAIRS)]
        yield plain, slower


def record(daemon, minutes):
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        time.sleep(min(60, max(end - time.monotonic(), 0)))
        status = daemon.status()
        print(
            f"{max(end - time.monotonic(), 0) / 60:5.1f} minutes to go, {status['samples']} samples, "
            f"{status['lost']} lost",
            flush=True,
        )


def spans(windows, n):
    """The time of the windows in `n` parts of as many windows each, as profd diff takes a side:
    from within the first window to within the last, as windows are whole."""
    size = len(windows) // n
    parts = [windows[i * size : (i + 1) * size] for i in range(n)]
    return [
        f"@{(p[0][0] + p[0][1] / 2) / 1e9:.2f}..@{(p[-1][0] + p[-1][1] / 2) / 1e9:.2f}" for p in parts
    ]


# ---- comparing ---------------------------------------------------------------------------------


def compare(daemon, before, after):
    """Each side is (span, PID)."""
    sides = [f"{span},pid={pid}" for span, pid in (before, after)]
    return json.loads(daemon.run("diff", "--json", "--limit", "0", *sides).stdout)


def changed(diff):
    return [
        row["name"] for row in diff["rows"] if any(row[s]["significant"] for s in ("self", "total"))
    ]


def found(diff):
    """Whether the slower function is what is said to have grown by itself."""
    rows = [row["self"] for row in diff["rows"] if row["name"] == "bursts_rank"]
    return any(row["significant"] and row["change"] > 0 for row in rows)


def naive(diff):
    """Whether samples taken for independent would have told of a change."""
    n = [diff[side]["samples"] for side in ("before", "after")]
    counts = [
        (row[s]["samples_before"], row[s]["samples_after"])
        for row in diff["rows"]
        for s in ("self", "total")
    ]
    tested = [(x, y) for x, y in counts if 20 <= x + y < sum(n)]
    for x, y in tested:
        share = (x + y) / sum(n)
        error = math.sqrt(share * (1 - share) * (1 / n[0] + 1 / n[1]))
        p = math.erfc(abs(y / n[1] - x / n[0]) / error / math.sqrt(2))
        if p * len(tested) <= LEVEL:
            return True
    return False


def compare_equals(daemon, pids, parts):
    """Neighbouring spans of the same process, and spans half the time apart."""
    half = len(parts) // 2
    pairs = [(i, i + 1) for i in range(0, len(parts), 2)] + [(i, i + half) for i in range(half)]
    return [compare(daemon, (parts[a], pid), (parts[b], pid)) for pid in pids for a, b in pairs]


def compare_slower(daemon, plain, slower, parts):
    """Each slower process with others, at the same time."""
    return [
        compare(daemon, (part, plain[(i + k) % PAIRS]), (part, slower[i]))
        for i in range(PAIRS)
        for k in range(PARTNERS)
        for part in parts
    ]


# ---- judging -----------------------------------------------------------------------------------


def describe(diffs):
    """What a comparison was made of, on average of a side."""
    sides = [diff[side] for diff in diffs for side in ("before", "after")]
    mean = {key: statistics.mean(s[key] for s in sides) for key in ("duration_s", "windows", "samples")}
    detectable = [d["detectable_largest"] for d in diffs if d["detectable_largest"] is not None]
    verdicts = [d["verdict"] for d in diffs]
    return (
        f"a side has {mean['duration_s']:.0f} s, {mean['windows']:.0f} windows with samples, "
        f"{mean['samples']:.0f} samples; detectable in the largest function "
        f"{100 * statistics.median(detectable or [math.nan]):.1f} points (median); "
        + ", ".join(f"{verdicts.count(v)} {v}" for v in sorted(set(verdicts)))
    )


def check(name, fine, text):
    print(f"{'ok' if fine else 'FAILED':7} {name}: {text}", flush=True)
    return fine


def judge(equals, slower):
    wolf = [changed(d) for d in equals if changed(d)]
    deceived = sum(naive(d) for d in equals)
    print(f"A/A: {describe(equals)}")
    fine = check(
        "no wolf is cried",
        len(wolf) <= FALSE_MAX * len(equals),
        f"{len(wolf)} of {len(equals)} comparisons of a process with itself found something "
        f"({100 * len(wolf) / len(equals):.1f} %); samples taken for independent: {deceived} "
        f"({100 * deceived / len(equals):.0f} %)",
    )
    hits = sum(found(d) for d in slower)
    ranks = [r["self"]["change"] for d in slower for r in d["rows"] if r["name"] == "bursts_rank"]
    print(f"A/B: {describe(slower)}")
    fine &= check(
        f"a function {SLOWER} % slower is found",
        hits >= FOUND_MIN * len(slower),
        f"in {hits} of {len(slower)} comparisons ({100 * hits / len(slower):.1f} %); it grew by "
        f"{100 * statistics.mean(ranks or [math.nan]):.1f} points on average",
    )
    return fine


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 12
    reason = harness.why_no_ebpf()
    if reason:
        print(f"diff: cannot run: {reason}", file=sys.stderr)
        return 1
    print(f"{harness.machine()}; {minutes:g} minutes at {RATE} Hz", flush=True)
    with Daemon("--rate", RATE, "--name", "bursts", window=1) as daemon:
        with processes(minutes * 60 + 600) as (plain, slower):
            daemon.wait_windows(3)
            first = daemon.windows()
            record(daemon, minutes)
            last = daemon.windows()
        windows = daemon.query("select start_unix_ns, duration_ns from windows order by 1")[first:last]
        begin = time.monotonic()
        equals = compare_equals(daemon, plain + slower, spans(windows, AA_SPANS))
        others = compare_slower(daemon, plain, slower, spans(windows, AB_SPANS))
        seconds = time.monotonic() - begin
        print(f"{len(equals) + len(others)} comparisons in {seconds:.0f} s")
    return 0 if judge(equals, others) else 1


if __name__ == "__main__":
    sys.exit(main())
