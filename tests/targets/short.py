# SPDX-License-Identifier: BSD-2-Clause
"""Truth: a script that burns 100 ms of CPU time in brief_work and exits with status 7: everything
it does lies in the time that a profiler needs to get to know it."""

import sys
import time


def brief_work(seconds):
    x = 1
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        for i in range(2000):
            x = (x * 31 + i) & 0xFFFF
    return x


brief_work(0.1)
print("short.py is done")
sys.exit(7)
