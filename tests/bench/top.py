#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a live view costs: `profd top --pid` of one busy Python process in a real terminal, a new
picture each second, samples at 99 Hz; and `profd record` of it at the same rate, for comparison.

    top.py [SECONDS]                       as root, with tmux; a minute for each row

client     the command, which draws       engine     its private engine, which samples
CPU time by the scheduler's own count (/proc/PID/schedstat), in percent of one CPU.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

if "PROFD" in os.environ:  # a terminal has a folder of its own
    os.environ["PROFD"] = os.path.abspath(os.environ["PROFD"])
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import Target  # noqa: E402
from terminals import Terminal  # noqa: E402

RATE = 99
WARM_UP_S = 3


def cpu_s(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def rss_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def find(*words):
    """The process of that command line."""
    wanted = [str(harness.PROFD), *map(str, words)]
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        except OSError:
            continue
        if line == wanted and children(int(folder.name)):
            return int(folder.name)
    raise SystemExit("top.py: profd is not there")


def measure(name, client, seconds):
    engine = children(client)[0]
    time.sleep(WARM_UP_S)
    begin, before = time.monotonic(), [cpu_s(pid) for pid in (client, engine)]
    time.sleep(seconds)
    spent = time.monotonic() - begin
    used = [100 * (cpu_s(pid) - b) / spent for pid, b in zip((client, engine), before)]
    print(
        f"{name:<26} client {used[0]:6.3f} % {rss_mib(client):6.1f} MiB   "
        f"engine {used[1]:6.3f} % {rss_mib(engine):6.1f} MiB",
        flush=True,
    )


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    reason = harness.why_no_ebpf()
    if reason:
        print(f"top.py: cannot run: {reason}", file=sys.stderr)
        return 1
    print(f"{harness.machine()}; {RATE} Hz, {seconds:g} s each", flush=True)
    common = ["--socket", "none", "--rate", RATE]
    with Target("shares.py", python=sys.executable, seconds=6 * seconds + 120) as target:
        for columns, lines in ((80, 24), (200, 60)):
            for view in ("functions", "tree"):
                words = ["top", *common, "--view", view, "--pid", target.pid]
                with Terminal(*words, columns=columns, lines=lines) as terminal:
                    terminal.wait("99 Hz")
                    measure(f"top, {view}, {columns}x{lines}", find(*words), seconds)
                    terminal.end("q")
        words = ["record", *common, "-q", "-o", os.devnull, "--pid", target.pid]
        record = subprocess.Popen([str(w) for w in (harness.PROFD, *words)])
        harness.wait_until(lambda: children(record.pid))
        measure("record", record.pid, seconds)
        record.send_signal(signal.SIGINT)
        record.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
