#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A generated host: so many processes that mostly wait, a few that work, and a churn of short ones.

    hostload.py SECONDS [--processes 200] [--churn 50] [--bursts 5] [--targets DIR]

--churn is how many processes start and end a second; --bursts of them burn 50 ms of CPU time each
(tests/targets/burst.c), one in twenty of the others is Python, the rest is /bin/true. At the end, or with
SIGTERM, it prints one line: `LOAD {"bursts": N, "burst_cpu_s": S, "started": N}`, with the CPU time of the bursts by the
kernel's account.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

IDLE = "import time\nwhile True: time.sleep(1)"
WORK = """
import time
def step(n):
    return sum(i * i for i in range(n))
def turn():
    step(3000)
while True:
    turn()
    time.sleep(0.05)
"""


def background(processes):
    """Nine of ten only wait (half of these are Python), the tenth works a little."""
    for i in range(processes):
        if i % 10 == 0:
            argv = [sys.executable, "-c", WORK]
        elif i % 2:
            argv = [sys.executable, "-c", IDLE]
        else:
            argv = ["sleep", "1000000"]
        yield subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def spawn(argv):
    return os.posix_spawn(argv[0], argv, os.environ)


class Churn:
    def __init__(self, rate, bursts, burst):
        self.rate, self.bursts, self.burst = rate, bursts, burst
        self.running = {}  # pid -> is a burst
        self.account = {"bursts": 0, "burst_cpu_s": 0.0, "started": 0}

    def start_one(self, number):
        is_burst = self.rate and number % self.rate < self.bursts
        if is_burst:
            argv = [self.burst, "50"]
        elif number % 20 == 19:
            argv = [sys.executable, "-S", "-E", "-c", "sum(range(20000))"]
        else:
            argv = ["/bin/true"]
        self.running[spawn(argv)] = is_burst
        self.account["started"] += 1

    def reap(self):
        while self.running:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                return
            if self.running.pop(pid, False):
                self.account["bursts"] += 1
                self.account["burst_cpu_s"] += usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float)
    parser.add_argument("--processes", type=int, default=200)
    parser.add_argument("--churn", type=int, default=50)
    parser.add_argument("--bursts", type=int, default=5)
    parser.add_argument("--targets", default="build/tests/targets")
    options = parser.parse_args()
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    waiting = list(background(options.processes))
    churn = Churn(options.churn, options.bursts, str(pathlib.Path(options.targets) / "burst"))
    print("READY", os.getpid(), flush=True)
    start, number = time.monotonic(), 0
    while not stop and time.monotonic() - start < options.seconds:
        due = (time.monotonic() - start) * options.churn
        while number < due and len(churn.running) < 200:
            churn.start_one(number)
            number += 1
        churn.reap()
        time.sleep(0.01)
    while any(churn.running.values()):
        churn.reap()
        time.sleep(0.01)
    for process in waiting:
        process.kill()
    print("LOAD", json.dumps(churn.account), flush=True)


if __name__ == "__main__":
    main()
