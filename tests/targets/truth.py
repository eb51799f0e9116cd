# SPDX-License-Identifier: BSD-2-Clause
"""How a Python target keeps its own account of where its CPU time goes; truth.h says the same for
C.

A burst is one call of a part's function, 0.1 - 2 ms long, with the thread's CPU clock read before
and after it. On stdout: `READY PID` when the work begins, and at the end `TRUTH {"cpu_ns": N,
"parts": {NAME: {"ns": N, "bursts": N}}}`. The end comes with SIGTERM, and at the latest after the
seconds given as the first argument (20).
"""

import json
import os
import random
import signal
import sys
import time

clock = time.thread_time_ns


class Truth:
    def __init__(self, seed=1):
        self.parts = {}
        self.random = random.Random(seed)
        self.start = clock()

    def add(self, name, ns):
        part = self.parts.setdefault(name, {"ns": 0, "bursts": 0})
        part["ns"] += ns
        part["bursts"] += 1

    def dump(self, word="TRUTH"):
        text = json.dumps({"cpu_ns": clock() - self.start, "parts": self.parts})
        os.write(1, f"{word} {text}\n".encode())


class Stop:
    """True as soon as the target shall end."""

    def __init__(self, seconds=None):
        if seconds is None:
            seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
        self.stopped = False
        self.until = time.monotonic() + seconds
        signal.signal(signal.SIGTERM, self.on_signal)

    def on_signal(self, number, frame):
        self.stopped = True

    def __bool__(self):
        return self.stopped or time.monotonic() > self.until


def ready():
    os.write(1, f"READY {os.getpid()}\n".encode())
