# SPDX-License-Identifier: BSD-2-Clause
"""Truth: so many threads as the second argument says (150), each named crowd-N, burn a little in
crowd_work, one after the other, and sleep in between; together they use about a third of a CPU.
"""

import sys
import threading
import time

from truth import Stop, ready


def crowd_work(n):
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF
    return x


def run(stop):
    while not stop:
        crowd_work(10000)
        time.sleep(0.3)


def main():
    stop = Stop()
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 150
    threads = [
        threading.Thread(target=run, name=f"crowd-{i}", args=(stop,), daemon=True)
        for i in range(count)
    ]
    for thread in threads:
        thread.start()
    ready()
    while not stop:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
