# SPDX-License-Identifier: BSD-2-Clause
"""Truth: three threads burn in red_work, green_work and blue_work, about 1 : 2 : 3 of the CPU time
by their own thread clocks, with sleeps in between; the main thread waits for them. No thread ever
runs a function of another. Lines: TRUTH-red {...}, TRUTH-green, TRUTH-blue.
"""

import threading
import time

from truth import Stop, Truth, clock, ready


def red_work(n):
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF
    return x


def green_work(n):
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF
    return x


def blue_work(n):
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF
    return x


def run(stop, name, work, n):
    truth = Truth(n)
    while not stop:
        count = n + truth.random.randrange(n)
        start = clock()
        work(count)
        truth.add(work.__name__, clock() - start)
        time.sleep(0.003)
    truth.dump(f"TRUTH-{name}")


def main():
    stop = Stop()
    ready()
    threads = []
    for name, work, n in (
        ("red", red_work, 3000),
        ("green", green_work, 6000),
        ("blue", blue_work, 9000),
    ):
        threads.append(threading.Thread(target=run, name=name, args=(stop, name, work, n)))
        threads[-1].start()
    for thread in threads:
        while thread.is_alive():  # join() with a time limit lets the signal handler run
            thread.join(0.05)


if __name__ == "__main__":
    main()
